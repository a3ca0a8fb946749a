"""Erases what a person's agents answered, and what judges said of it. For the system, without a user.

Scores, places, ratings and events stay: an event holds no text, only the digest of the answer, so that
every chain still verifies. May run twice, match by match.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db import transaction

from agents.models import User
from arena.environments.text.markup import read
from arena.models import AppealVote, Autopilot, Completion, Entry, Match, MatchStatus, Seat, Vote

NOTICE = "Its owner has left."
ERASED = "[erased]"
QUOTE_CHARS = 12  # a shorter move says nothing of a person, and is everybody's


def is_playing(owner: User) -> bool:
    """Whether an agent of the owner still sits in a match."""
    live = [MatchStatus.SEATED, MatchStatus.RUNNING]
    return Seat.objects.filter(agent__owner=owner, match__status__in=live).exists()


def erase_answers(owner: User) -> int:
    """Erase the answers of all the owner's seats; returns how many answers there were."""
    erased = 0
    seats = Seat.objects.filter(agent__owner=owner).order_by("id")
    for seat in seats.iterator():
        with transaction.atomic(durable=True):
            # Somebody else of the match may be erased at this moment, from the same rows.
            Match.objects.select_for_update(no_key=True).get(id=seat.match_id)
            _erase_quotes_of(seat)
            erased += Completion.objects.filter(seat=seat).update(
                text="",
                messages=[],
                prompt_token_ids=[],
                token_ids=[],
                logprobs=[],
                allowed_token_ids=[],
                chunk_times=[],
                error="",
                problem="",
                asked={},
                asked_key="",
            )
            _erase_words_about(seat)
    # These sentences may name the agent.
    Entry.objects.filter(user=owner).exclude(cancel_reason="").update(cancel_reason=NOTICE)
    stopped = Autopilot.objects.filter(agent__owner=owner).exclude(stop_reason="")
    stopped.update(stop_reason=NOTICE)
    return erased


def _erase_quotes_of(seat: Seat) -> None:
    """In an episode, others were told what the seat had said, and positions may hold it."""
    own = Completion.objects.filter(seat=seat, round__turn_limit__gt=1)
    said = {text for text in own.values_list("text", flat=True) if len(text) >= QUOTE_CHARS}
    if not said:
        return
    rows = list(Completion.objects.filter(round__in=own.values("round")))
    quotes = sorted(said | _as_heard(said, rows), key=len, reverse=True)
    for row in rows:
        told = _without(row.messages, quotes)
        if told != row.messages:
            row.messages, row.prompt_token_ids = told, []  # which say the same
        row.view, row.asked = (_without(value, quotes) for value in (row.view, row.asked))
        row.save(update_fields=["messages", "prompt_token_ids", "view", "asked"])


def _as_heard(said: Iterable[str], rows: Iterable[Completion]) -> set[str]:
    """What the positions hold of these texts: a debate keeps a speech's beginning, without markup."""
    read_off = [" ".join(read(text).text.split()) for text in said]
    return {
        held
        for row in rows
        for held in _strings_in([row.asked, row.view])
        if len(held) >= QUOTE_CHARS and any(text.startswith(held) for text in read_off)
    }


def _strings_in(value: Any) -> Iterator[str]:
    """All texts of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _strings_in(one)


def _without(value: Any, said: Iterable[str]) -> Any:
    """The JSON value with these texts taken out of its strings."""
    if isinstance(value, str):
        for text in said:
            value = value.replace(text, ERASED)
        return value
    if isinstance(value, list):
        return [_without(one, said) for one in value]
    if isinstance(value, dict):
        return {key: _without(one, said) for key, one in value.items()}
    return value


def _erase_words_about(seat: Seat) -> None:
    """A judge's reason and a check's detail may quote the answer; what passed stays."""
    index = str(seat.index)
    for vote in Vote.objects.filter(round__match_id=seat.match_id):
        _erase_reasons(vote, index)
        for check in vote.checks.get(index, ()):
            check["detail"] = ""
        vote.save(update_fields=["reasons", "checks", "steps"])
    for heard in AppealVote.objects.filter(appeal__round__match_id=seat.match_id):
        _erase_reasons(heard, index)
        heard.save(update_fields=["reasons", "steps"])


def _erase_reasons(ballot: Vote | AppealVote, index: str) -> None:
    ballot.reasons.pop(index, None)
    for step in (ballot.steps or {}).get(index, ()):
        step[3] = ""
