"""Administration of Spaces, tournaments and judges' endpoints. Matches and credits have no forms: only verbs change them."""

import asyncio
from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from arena.models import Space, Tournament, TournamentSchedule
from arena.outbound.client import OutboundFailed, OutboundRefused, check_target
from arena.spaces.entering import close_space, open_space
from arena.tournaments.clocks import NoSuchTime, instant, zone_of
from arena.tournaments.running import cancel_tournament
from judges.endpoints.keys import seal
from judges.models import Endpoint

TERMS = (
    "name",
    "space",
    "format",
    "window_minutes",
    "fee_credits",
    "rake_percent",
    "prize_percents",
    "fewest_entrants",
    "most_entrants",
    "is_filled_by_house",
)


@admin.register(Space)
class SpaceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = (
        "name",
        "environment",
        "entry_fee_credits",
        "seat_count",
        "rounds_at_once",
        "waits_for_training",
        "has_coded_seats",
        "status",
    )
    readonly_fields = ("status",)  # closing also returns the fees of waiting entries
    actions = ("close", "open")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Space | None = None
    ) -> tuple[str, ...]:
        # Links and the setup find a Space by its slug.
        return (*self.readonly_fields, *(("slug",) if obj else ()))

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: Space | None = None
    ) -> dict[str, Sequence[str]]:
        return {} if obj else {"slug": ("name",)}

    @admin.action(description="Close: stop taking entries, return the fees of those waiting")
    def close(self, request: HttpRequest, spaces: QuerySet[Space]) -> None:
        cancelled = sum(close_space(space.id) for space in spaces)
        self.message_user(request, f"Closed; {cancelled} waiting entries were cancelled.")

    @admin.action(description="Open for entries")
    def open(self, request: HttpRequest, spaces: QuerySet[Space]) -> None:
        for space in spaces:
            open_space(space.id)


class TournamentForm(forms.ModelForm):  # type: ignore[type-arg]
    """A tournament to be announced; its start is a local time."""

    day = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))
    at = forms.TimeField(label="Time", widget=forms.TimeInput(attrs={"type": "time"}))
    time_zone = forms.CharField(initial=lambda: settings.ENV.time_zone)

    class Meta:
        model = Tournament
        fields = TERMS

    def clean(self) -> dict[str, Any]:
        """Find the moment of the start; the past, and an hour that the clocks skip, are refused."""
        values = super().clean() or {}
        day, at, zone = (values.get(name) for name in ("day", "at", "time_zone"))
        if day and at and zone:
            try:
                starts_at = instant(day, at, zone_of(zone))
            except NoSuchTime as error:
                raise forms.ValidationError(str(error)) from error
            if starts_at <= timezone.now():
                raise forms.ValidationError(
                    "That start is in the past; choose one that is still to come."
                )
            self.instance.starts_at = starts_at
        return values


@admin.register(Tournament)
class TournamentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Announces and calls off. What is announced never changes: people agreed to it."""

    form = TournamentForm
    list_display = ("name", "space", "format", "starts_at", "status")
    actions = ("call_off",)

    def has_change_permission(self, request: HttpRequest, obj: Tournament | None = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Tournament | None = None) -> bool:
        return False

    @admin.action(description="Call off: cancel, return every fee")
    def call_off(self, request: HttpRequest, tournaments: QuerySet[Tournament]) -> None:
        for tournament in tournaments:
            cancel_tournament(tournament.pk, reason="It was called off.")


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A daily tournament."""

    class Meta:
        model = TournamentSchedule
        fields = ("slug", *TERMS, "starts_at_local", "time_zone", "is_active")

    def clean_time_zone(self) -> str:
        try:
            return zone_of(self.cleaned_data["time_zone"]).key
        except NoSuchTime as error:
            raise forms.ValidationError(str(error)) from error


@admin.register(TournamentSchedule)
class TournamentScheduleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Changes count from the next tournament that is announced."""

    form = ScheduleForm
    list_display = ("name", "space", "format", "starts_at_local", "time_zone", "is_active")

    def has_delete_permission(
        self, request: HttpRequest, obj: TournamentSchedule | None = None
    ) -> bool:
        return False


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]
    """An endpoint. Its key goes in and never comes out."""

    key = forms.CharField(
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Sent as a bearer key, stored encrypted and never shown. Empty: the one that is stored stays.",
    )
    forgets_key = forms.BooleanField(required=False, label="Forget the stored key")

    class Meta:
        model = Endpoint
        fields = (
            "slug",
            "url",
            "model",
            "timeout_seconds",
            "prompt_price",
            "completion_price",
            "monthly_cap",
            "gives_schema",
            "gives_logprobs",
            "is_active",
        )
        help_texts = {
            "url": "Up to and with /v1. Addresses inside the network are refused, unless the operator "
            "lists their host in OUTBOUND_ALLOWED_HOSTS.",
            "model": "As the server calls it. It never changes, since votes name the endpoint; enter "
            "another endpoint for another model.",
            "prompt_price": "Of a million tokens.",
            "completion_price": "Of a million tokens.",
            "monthly_cap": "In the currency of the prices, for each month (UTC). Empty: no cap.",
        }

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip().rstrip("/")
        try:
            asyncio.run(check_target(url))
        except (OutboundRefused, OutboundFailed) as reason:
            raise forms.ValidationError(f"This address cannot be used: {reason}.") from None
        return url

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        if not (key.isascii() and (key.isprintable() or not key)):
            raise forms.ValidationError("It has characters that an HTTP header cannot carry.")
        return key

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for name in ("prompt_price", "completion_price", "monthly_cap"):
            if (values.get(name) or 0) < 0:
                self.add_error(name, "It cannot be negative.")
        if values.get("timeout_seconds") == 0:
            self.add_error("timeout_seconds", "It has to be at least one second.")
        if values.get("key"):
            self.instance.sealed_key = seal(values["key"])
        elif values.get("forgets_key"):
            self.instance.sealed_key = ""
        return values


@admin.register(Endpoint)
class EndpointAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Votes and costs name an endpoint, so that one out of use is switched off, not deleted."""

    form = EndpointForm
    list_display = ("slug", "model", "is_active", "monthly_cap", "last_problem", "last_problem_at")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Endpoint | None = None
    ) -> tuple[str, ...]:
        return ("slug", "model") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Endpoint | None = None) -> bool:
        return False
