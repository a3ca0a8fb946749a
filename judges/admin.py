"""Administration of judges."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from judges.calibration.records import lift_quarantine, quarantine
from judges.models import Judge


@admin.register(Judge)
class JudgeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "kind", "trust", "quarantined_at")
    actions = ("quarantine", "lift")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Judge | None = None
    ) -> tuple[str, ...]:
        # Panels and the events of matches name a judge by its slug.
        return ("slug",) if obj else ()

    @admin.action(description="Quarantine: the judge votes no longer")
    def quarantine(self, request: HttpRequest, judges: QuerySet[Judge]) -> None:
        for judge in judges:
            quarantine(judge.pk, reason="The staff took it off the panels.")

    @admin.action(description="Lift the quarantine: it votes again and is measured anew")
    def lift(self, request: HttpRequest, judges: QuerySet[Judge]) -> None:
        for judge in judges:
            lift_quarantine(judge.pk, lifted_by=request.user.get_username())
