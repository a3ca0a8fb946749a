"""An episode as a page shows it: its opening, and the turns with the positions that they led to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, IntegerField, Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from arena.models import Completion, CompletionStatus, MatchEvent, Round

_OF_TURNS = ("completion_recorded", "episode_ended")  # kinds of events


@dataclass(frozen=True)
class TurnView:
    """One try of a seat to move."""

    number: int  # in the episode, from 1
    seat: int
    is_failed: bool  # the seat could not answer
    text: str
    problem: str  # why it was no legal move
    error: str
    token_count: int
    seconds: float
    is_cut: bool  # at its maximum length
    is_erased: bool  # its author has left
    chunk_times: Sequence[Sequence[float]]
    view: Mapping[str, Any]  # of the position that it led to; {} if it is as it was before


@dataclass(frozen=True)
class EpisodeView:
    """An episode, or what is new of it: `known` turns come before the first of `turns`.

    Views are untrusted: frontend/positions.py reads them.
    """

    order: tuple[int, ...]  # the match's seats by their roles: the r-th has role r in views
    opening: Mapping[str, Any]
    position: Mapping[str, Any]  # the newest view
    known: int
    turns: tuple[TurnView, ...]
    tries: Mapping[int, int]  # seat -> how many of its tries are recorded

    @property
    def turn_count(self) -> int:
        return sum(self.tries.values())


@dataclass(frozen=True)
class News:
    """What happened in a match after some event."""

    known_turns: Mapping[int, int]  # round -> its turns until then
    is_only_turns: bool


def news_since(match_id: int, after: int) -> News:
    """What somebody who knows the match as of event `after` has not seen."""
    number = Cast(KeyTextTransform("round", "payload"), IntegerField())
    rows = (
        MatchEvent.objects.filter(match_id=match_id)
        .order_by()
        .values_list(number)
        .annotate(
            known=Count("id", filter=Q(kind="completion_recorded", seq__lte=after)),
            others=Count("id", filter=Q(seq__gt=after) & ~Q(kind__in=_OF_TURNS)),
        )
    )
    found = list(rows)
    return News(
        known_turns={number: known for number, known, _ in found if number is not None},
        is_only_turns=not any(others for *_, others in found),
    )


def episode_view(row: Round, *, leaving: frozenset[int], known: int = 0) -> EpisodeView:
    """The episode of a round without its first `known` turns.

    `leaving` has the seats whose owners have left.
    """
    said = Completion.objects.filter(round=row).order_by("id")
    seats = list(said.values_list("id", "seat__index"))
    tries: dict[int, int] = {}
    for _, seat in seats:
        tries[seat] = tries.get(seat, 0) + 1
    # Token ids are long, and no page shows them.
    long = ("asked", "messages", "prompt_token_ids", "logprobs", "allowed_token_ids")
    first = max(min(known, len(seats)) - 1, 0)  # the last known one tells what was before
    rows = list(said.filter(id__in=[pk for pk, _ in seats[first:]]).defer(*long))
    views = [row.view, *(completion.view for completion in rows)]
    started = MatchEvent.objects.get(
        match_id=row.match_id, kind="round_started", payload__round=row.number
    )
    return EpisodeView(
        order=tuple(started.payload["order"]),
        opening=row.view,
        position=views[-1],
        known=known,
        turns=tuple(
            _turn(
                first + place,
                seats[first + place - 1][1],
                completion,
                view=completion.view if completion.view != views[place - 1] else {},
                is_leaving=seats[first + place - 1][1] in leaving,
            )
            for place, completion in enumerate(rows, start=1)
            if first + place > known
        ),
        tries=tries,
    )


def _turn(
    number: int, seat: int, completion: Completion, *, view: Mapping[str, Any], is_leaving: bool
) -> TurnView:
    is_failed = completion.status == CompletionStatus.FAILED
    return TurnView(
        number=number,
        seat=seat,
        is_failed=is_failed,
        text="" if is_failed else completion.text,
        problem=completion.problem,
        error=completion.error,
        token_count=len(completion.token_ids),
        seconds=completion.seconds,
        is_cut=completion.is_cut,
        is_erased=is_leaving and not completion.token_ids,
        chunk_times=completion.chunk_times,
        view=view,
    )
