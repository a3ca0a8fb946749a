"""Administration of judges."""

from django.contrib import admin
from django.http import HttpRequest

from judges.models import Judge


@admin.register(Judge)
class JudgeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "kind", "quarantined_at")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Judge | None = None
    ) -> tuple[str, ...]:
        # Panels and the events of matches name a judge by its slug.
        return ("slug",) if obj else ()
