"""What all spectators of a match share, and what they don't."""

import threading

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from agents.models import Agent
from arena.matches import play
from arena.matches.runner import task_of
from arena.models import Match
from arena.queries import match_seq, match_snapshot
from arena.tests.builders import make_match, make_user, play_round
from frontend import drawings
from frontend.sharing import ENTRY_BYTES, Shared
from frontend.templatetags.ui import round_winner
from frontend.tests.builders import signed_in

pytestmark = pytest.mark.django_db


def match_in_its_second_round() -> Match:
    match = make_match()
    play.start_match(match.id)
    play_round(match, 1, scores={0: 1.0, 1: 0.5})
    play_round(match, 2, scores={0: 1.0, 1: 0.5})
    match.refresh_from_db()
    return match


def shared(*, max_bytes: int = 100_000, keep_seconds: float = 60.0) -> Shared[str]:
    return Shared(max_bytes=max_bytes, keep_seconds=keep_seconds, size_of=len)


def test_what_many_ask_for_at_once_is_made_once() -> None:
    values = shared()
    made, all_ask = [], threading.Barrier(50)

    def make() -> str:
        made.append(1)
        return "made"

    def ask() -> None:
        all_ask.wait(timeout=10)
        assert values.get("key", make) == "made"

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(made) == 1


def test_what_could_not_be_made_is_tried_again() -> None:
    values = shared()

    def fail() -> str:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        values.get("key", fail)
    assert values.get("key", lambda: "made") == "made"


def test_what_is_kept_is_bounded_in_bytes() -> None:
    values = shared(max_bytes=10 * ENTRY_BYTES)
    for number in range(100):
        values.get(number, lambda: "x" * ENTRY_BYTES)
        assert values.total_bytes <= 10 * ENTRY_BYTES
    assert values.get(99, lambda: "new") != "new"
    assert values.get(1, lambda: "new") == "new"
    values.get("too large", lambda: "x" * 100_000)
    assert values.total_bytes <= 10 * ENTRY_BYTES


def test_what_is_old_is_made_again() -> None:
    values = shared(keep_seconds=-1.0)
    assert values.get("key", lambda: "old") == "old"
    assert values.get("key", lambda: "new") == "new"


def test_a_thousand_spectators_cost_one_rendering_of_an_event(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    match = match_in_its_second_round()
    first = drawings.draw(match.id, match.seq - 1)
    with django_assert_max_num_queries(100):  # one each: where the match stands
        for _ in range(100):
            assert drawings.draw(match.id, match.seq - 1) == first


def test_a_drawing_has_the_rounds_that_changed() -> None:
    match = match_in_its_second_round()
    start_of_second = match.events.get(kind="round_started", payload__round=2).seq
    assert list(drawings.draw(match.id, 0).rounds) == [1, 2]
    assert list(drawings.draw(match.id, start_of_second - 1).rounds) == [2]
    now = drawings.draw(match.id, match.seq)
    assert (now.rounds, now.is_over, now.seq) == ({}, False, match.seq)
    play.settle_match(match.id)
    end = drawings.draw(match.id, match.seq)
    assert (end.rounds, end.is_over, end.seq) == ({}, True, match.seq + 1)
    assert "Where the credits went" in end.summary


def test_an_end_that_comes_while_a_drawing_begins_is_told_as_news(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = match_in_its_second_round()

    def then_settled(match_id: int) -> int:
        seq = match_seq(match_id)
        play.settle_match(match_id)
        return seq

    monkeypatch.setattr(drawings, "match_seq", then_settled)
    end = drawings.draw(match.id, match.seq)
    assert (end.is_over, end.seq) == (True, match.seq + 1)
    assert "Where the credits went" in end.summary


@pytest.mark.parametrize(
    ("second", "winner"), [(0.51, 1), (0.504, None), (0.5, None), (0.496, None), (0.0, 0)]
)
def test_the_tab_of_a_round_names_whom_the_verdict_puts_first(
    second: float, winner: int | None
) -> None:
    match = make_match()
    play.start_match(match.id)
    assert round_winner(match_snapshot(match.id), 1) is None
    play_round(match, 1, scores={0: 0.5, 1: second})
    found = round_winner(match_snapshot(match.id), 1)
    assert (found.index if found else None) == winner


@pytest.mark.parametrize(("second", "leaders"), [(0.5, 1), (1.0, 2)])
def test_a_match_tells_who_leads_until_it_is_cancelled(second: float, leaders: int) -> None:
    match = make_match()
    play.start_match(match.id)
    assert "data-leads" not in drawings.summary_fragment(match.id).html
    play_round(match, 1, scores={0: 1.0, 1: second})
    assert drawings.summary_fragment(match.id).html.count("data-leads") == leaders
    play.cancel_match(match.id, reason="x")
    assert "data-leads" not in drawings.summary_fragment(match.id).html


def test_a_round_that_is_left_open_by_a_cancelled_match_is_drawn_again() -> None:
    match = make_match()
    play.start_match(match.id)
    play_round(match, 1, scores={0: 1.0, 1: 0.5})
    play.start_round(match.id, number=2, task=task_of(match.id, 2))
    match.refresh_from_db()
    assert "Waiting for the first word" in drawings.draw(match.id, match.seq - 1).rounds[2]
    play.cancel_match(match.id, reason="x")
    drawn = drawings.draw(match.id, match.seq)
    assert "No answer" in drawn.rounds[2]
    assert "Not finished" in drawn.rounds[2]
    for sign_of_life in ("chip-live", "data-streaming", "in play"):
        assert sign_of_life not in drawn.rounds[2] + drawn.summary


def test_a_match_that_is_cancelled_before_its_first_round_no_longer_promises_one() -> None:
    match = make_match()
    play.start_match(match.id)
    match.refresh_from_db()
    assert "starts in a moment" in drawings.round_fragment(match.id, 0).html
    play.cancel_match(match.id, reason="x")
    assert list(drawings.draw(match.id, match.seq).rounds) == [0]
    assert "No round was played." in drawings.draw(match.id, match.seq).rounds[0]
    assert drawings.draw(match.id, match.seq + 1).rounds == {}


def test_a_new_event_is_seen_at_once(client: Client) -> None:
    match = make_match()
    play.start_match(match.id)
    assert 'data-latest="0"' in client.get(f"/matches/{match.id}/").content.decode()
    play_round(match, 1, scores={0: 1.0, 1: 0.5})
    assert 'data-latest="1"' in client.get(f"/matches/{match.id}/").content.decode()


def test_only_owners_see_on_the_page_what_is_theirs(client: Client) -> None:
    match = match_in_its_second_round()
    play.settle_match(match.id)
    agent = Agent.objects.get(seats__match=match, seats__index=0)
    own = f'data-for-owner="{agent.owner.username}"'
    shown, hidden = f"{own}>", f"{own} hidden>"
    for visitor, expected in (
        (client, hidden), (signed_in(make_user().pk), hidden), (signed_in(agent.owner_id), shown),
    ):  # fmt: skip
        page = visitor.get(f"/matches/{match.id}/").content.decode()
        assert expected in page
        assert page.count("data-for-owner") == 4


def test_a_round_is_sent_again_only_if_it_changed(client: Client) -> None:
    match = match_in_its_second_round()
    first = client.get(f"/matches/{match.id}/rounds/2/")
    etag = first.headers["ETag"]
    again = client.get(f"/matches/{match.id}/rounds/2/", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    play.settle_match(match.id)
    other = client.get(f"/matches/{match.id}/rounds/1/", headers={"If-None-Match": etag})
    assert (other.status_code, other.headers["Cache-Control"]) == (200, "no-cache")
