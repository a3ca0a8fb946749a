"""Administration of Spaces. Matches and credits have no forms: only verbs change them."""

from collections.abc import Sequence

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from arena.models import Space
from arena.spaces.entering import close_space, open_space


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
