"""Administration of judges."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from judges.calibration.records import lift_quarantine, quarantine
from judges.call import KINDS
from judges.kinds.config import BadConfig, read_config
from judges.learned.records import CannotRollBack, roll_back
from judges.models import Judge
from judges.versions import note_version


class JudgeForm(forms.ModelForm):  # type: ignore[type-arg]
    """A judge, with a configuration that its kind can use."""

    class Meta:
        model = Judge
        fields = ("name", "slug", "kind", "description", "config")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if "kind" in values and "config" in values:
            try:
                read_config(KINDS[values["kind"]].config_class, values["config"])
            except BadConfig as error:
                sentence = str(error)
                self.add_error("config", f"{sentence[:1].upper()}{sentence[1:]}.")
        return values


@admin.register(Judge)
class JudgeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = JudgeForm
    list_display = ("name", "kind", "trust", "quarantined_at")
    actions = ("quarantine", "lift", "roll_back")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Judge | None = None
    ) -> tuple[str, ...]:
        # Panels and the events of matches name a judge by its slug.
        return ("slug",) if obj else ()

    def save_model(
        self,
        request: HttpRequest,
        obj: Judge,
        form: forms.ModelForm,  # type: ignore[type-arg]
        change: bool,
    ) -> None:
        super().save_model(request, obj, form, change)  # which locks the row, as it writes it
        note_version(obj)

    @admin.action(description="Quarantine: the judge no longer votes")
    def quarantine(self, request: HttpRequest, judges: QuerySet[Judge]) -> None:
        for judge in judges:
            quarantine(judge.pk, reason="The staff took it off the panels.")

    @admin.action(description="Lift the quarantine: it votes again and is measured anew")
    def lift(self, request: HttpRequest, judges: QuerySet[Judge]) -> None:
        for judge in judges:
            lift_quarantine(judge.pk, lifted_by=request.user.get_username())

    @admin.action(description="Roll back: the learned version adopted before this one votes again")
    def roll_back(self, request: HttpRequest, judges: QuerySet[Judge]) -> None:
        for judge in judges:
            try:
                roll_back(judge.pk)
            except CannotRollBack as error:
                self.message_user(request, f"{judge.name}: {error}", messages.ERROR)
