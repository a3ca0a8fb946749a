"""A match's events as a program follows them, over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from arena.live import following
from arena.live.consumers import audience
from arena.matches import play
from arena.models import MatchEvent
from arena.tests.builders import make_match, play_round
from frontend.tests.builders import settled_match
from frontend.tests.live.serving import serving

pytestmark = pytest.mark.django_db(transaction=True)


def followed(port: int, match_id: int, *, after: int = 0) -> Iterator[dict[str, Any] | None]:
    """Its events, and None for an empty line, until the answer ends."""
    url = f"http://127.0.0.1:{port}/api/v1/matches/{match_id}/events?after={after}"
    with httpx.stream("GET", url, timeout=20) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["Content-Type"] == "application/x-ndjson"
        for line in response.iter_lines():
            yield json.loads(line) if line else None


def test_events_come_while_the_match_is_played_and_end_with_it() -> None:
    match = make_match()
    with serving() as port:
        lines = followed(port, match.pk)
        first = next(lines)
        assert first is not None
        assert first["kind"] == "match_seated"
        play.start_match(match.pk)
        for number in range(1, match.space.round_count + 1):
            play_round(match, number, scores={0: 0.9, 1: 0.4})
        play.settle_match(match.pk)
        rest = [line for line in lines if line is not None]
    seqs = [first["seq"], *(line["seq"] for line in rest)]
    assert seqs == list(MatchEvent.objects.filter(match=match).values_list("seq", flat=True))
    assert rest[-1]["kind"] == "match_settled"
    for before, line in zip([first, *rest], rest, strict=False):
        assert line["previous_digest"] == before["digest"]
    assert audience.size == 0


def test_who_comes_back_gets_what_was_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "EVENTS_AT_ONCE", 2)
    match = settled_match()
    last = MatchEvent.objects.filter(match=match).count()
    with serving() as port:
        lines = list(followed(port, match.pk, after=3))
    assert [line["seq"] for line in lines if line] == list(range(4, last + 1))


def test_a_silent_match_says_that_the_connection_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "CHECK_SECONDS", 0.05)
    match = make_match()
    with serving() as port:
        lines = followed(port, match.pk)
        assert next(lines) is not None
        assert next(lines) is None
        play.cancel_match(match.pk, reason="Enough.")
        *_, last = (line for line in lines if line)
    assert last["kind"] == "match_cancelled"


def test_a_match_that_does_not_exist_is_a_404() -> None:
    with serving() as port:
        url = f"http://127.0.0.1:{port}/api/v1/matches/999999/events"
        assert httpx.get(url, timeout=20).status_code == 404
