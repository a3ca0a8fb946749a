"""Administration of judges."""

from django.contrib import admin

from judges.models import Judge


@admin.register(Judge)
class JudgeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "kind", "quarantined_at")
