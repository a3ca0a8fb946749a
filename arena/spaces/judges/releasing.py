"""Lets nobody wait in a Space in which no judge is left."""

from django.db import transaction

from arena.models import Entry, EntryStatus, Space
from arena.spaces.entering import cancel_entries
from arena.spaces.judges.bench import Bench, bench_of


def release_unjudged() -> int:
    """Cancel what waits in Spaces in which nobody may judge, and return the fees.

    For the system, without a user. Returns how many entries were cancelled.
    """
    count = 0
    waited_in = Space.objects.filter(entries__status=EntryStatus.QUEUED).distinct()
    for space in waited_in:
        if bench_of(space) != Bench.EMPTY:
            continue
        with transaction.atomic(durable=True):
            queued = (
                Entry.objects.select_for_update(of=("self",), no_key=True)
                .filter(space=space, status=EntryStatus.QUEUED)
                .order_by("id")
            )
            reason = f"The judges of {space.name} were quarantined while you waited."
            cancelled = [(entry, reason) for entry in queued]
            cancel_entries(cancelled)
        count += len(cancelled)
    return count
