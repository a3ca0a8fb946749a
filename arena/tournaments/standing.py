"""A tournament's rows as the formats see them."""

from collections.abc import Iterable, Sequence

from arena.models import Pairing, Registration
from arena.states import Outcome
from arena.tournaments.formats.field import Field, Meeting


def field_of(entrants: Sequence[Registration], pairings: Iterable[Pairing]) -> Field:
    """All entrants from the start on, withdrawn ones too, and the pairings in their order."""
    seeds = {each.id: each.seed for each in entrants}
    meetings = []
    for pairing in pairings:
        first, second = seeds[pairing.first_id], seeds.get(pairing.second_id)  # type: ignore[arg-type]
        assert first is not None, "everybody has a seed from the start on"
        outcome = Outcome(pairing.outcome)
        meetings.append(Meeting(pairing.round, pairing.slot, first, second, outcome))
    withdrawn = frozenset(each.seed for each in entrants if each.withdrawn_at and each.seed)
    return Field(len(entrants), tuple(meetings), withdrawn)
