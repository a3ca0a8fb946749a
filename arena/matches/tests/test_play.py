"""Matches against the real database: events, rows and credits say the same."""

import uuid
from random import Random
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.db import IntegrityError, transaction

from agents.errors import NotAvailable, Refused
from agents.models import Engine
from arena import sweeping
from arena.credits import ledger
from arena.matches import play, seating
from arena.matches.events import event_digest
from arena.matches.match import IllegalMove, fold
from arena.matches.runner import task_of
from arena.models import (
    Account,
    AccountKind,
    Completion,
    Entry,
    EntryStatus,
    Match,
    MatchEvent,
    Rating,
    RatingChange,
    Round,
    Space,
    SpaceStatus,
)
from arena.spaces import entering
from arena.states import MatchStatus
from arena.tests.builders import (
    at_once,
    decide,
    enter,
    make_agent,
    make_match,
    make_space,
    make_user,
    play_round,
    record,
)

pytestmark = pytest.mark.django_db(transaction=True)


def stop_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no step of time, in which a nudge is sent once, ends during the test."""
    monkeypatch.setattr(sweeping, "time", SimpleNamespace(time=lambda: 1e9))


def wallet(user_id: int) -> ledger.Balance:
    return ledger.balance(ledger.account_of(user_id))


def audited() -> None:
    assert ledger.audit().problems == ()


def test_entering_holds_the_fee_and_starting_posts_it() -> None:
    space = make_space()
    agent = make_agent(make_user(credits=100))
    enter(agent, space)
    assert wallet(agent.owner_id) == ledger.Balance(available=90, held=10)
    enter(make_agent(make_user(credits=100)), space)
    (match_id,) = seating.seat_matches(space.id, rng=Random(1))
    play.start_match(match_id)
    assert wallet(agent.owner_id) == ledger.Balance(available=90, held=0)
    assert Account.objects.get(key=f"space:{space.pk}").credits_posted == 20
    audited()


def test_a_space_may_be_renamed_at_any_moment_and_no_credit_is_stranded() -> None:
    match = make_match()
    renamed = Space.objects.filter(id=match.space_id)
    renamed.update(slug="renamed-while-seated")
    play.start_match(match.id)
    renamed.update(slug="renamed-while-running")
    play_round(match, 1, scores={0: 0.2, 1: 0.9})
    play_round(match, 2, scores={0: 0.6, 1: 0.5})
    play.settle_match(match.id)
    (escrow,) = Account.objects.filter(kind=AccountKind.ESCROW)
    assert ledger.balance(escrow) == ledger.Balance(available=0, held=0)
    audited()


def test_a_settled_match_pays_ranks_and_rates() -> None:
    match = make_match()
    play.start_match(match.id)
    play_round(match, 1, scores={0: 0.2, 1: 0.9})
    play_round(match, 2, scores={0: 0.6, 1: 0.5})
    play.settle_match(match.id)
    seats = list(match.seats.select_related("agent").order_by("index"))
    assert [(seat.rank, seat.prize_credits) for seat in seats] == [(2, 5), (1, 13)]
    assert [wallet(seat.agent.owner_id).available for seat in seats] == [95, 103]
    assert Account.objects.get(key="fees").credits_posted == 2
    assert ledger.balance(Account.objects.get(key=f"space:{match.space_id}")).available == 0
    assert RatingChange.objects.count() == 2
    winner = Rating.objects.get(agent=seats[1].agent)
    assert (winner.match_count, winner.win_count) == (1, 1)
    assert Entry.objects.filter(status=EntryStatus.FINISHED).count() == 2
    audited()


def test_the_fold_of_the_stored_events_is_the_state_and_the_chain_holds() -> None:
    match = make_match()
    play.start_match(match.id)
    play_round(match, 1, scores={0: 1 / 3, 1: 0.1})
    play_round(match, 2, scores=None)
    play.settle_match(match.id)
    match.refresh_from_db()
    state = play.state_of(match)
    assert state.status == match.status == MatchStatus.SETTLED
    assert [each.status for each in state.rounds] == list(
        match.rounds.order_by("number").values_list("status", flat=True)
    )
    events = list(MatchEvent.objects.filter(match=match).order_by("seq"))
    assert [event.seq for event in events] == list(range(1, match.seq + 1))
    digest = ""
    for event in events:
        assert event.previous_digest == digest
        digest = event_digest(
            digest, match_id=match.id, seq=event.seq, kind=event.kind, payload=event.payload
        )
        assert event.digest == digest
    assert match.head_digest == digest
    assert fold([]) is None


def test_the_house_stakes_its_fee_like_anybody() -> None:
    space = make_space(seat_count=3)
    house = make_user(is_house=True)
    for engine in (Engine.CODE, Engine.MODEL):
        make_agent(house, engine=engine)
    agent = make_agent(make_user(credits=50))
    enter(agent, space)
    (match_id,) = seating.seat_matches(space.id, rng=Random(1))
    match = Match.objects.get(id=match_id)
    play.start_match(match_id)
    play_round(match, 1, scores={0: 0.9, 1: 0.1, 2: 0.1})
    play_round(match, 2, scores={0: 0.9, 1: 0.1, 2: 0.1})
    play.settle_match(match_id)
    # Pool 30, rake 3, pot 27: 70 % of it for the first place.
    assert wallet(agent.owner_id).available == 50 - 10 + 19
    audited()


def test_a_match_without_any_verdict_is_cancelled_and_refunded() -> None:
    match = make_match()
    play.start_match(match.id)
    play_round(match, 1, scores=None)
    play_round(match, 2, scores=None)
    play.settle_match(match.id)
    match.refresh_from_db()
    assert match.status == MatchStatus.CANCELLED
    assert {wallet(entry.user_id).available for entry in match.entries.all()} == {100}
    assert Rating.objects.count() == 0
    audited()


@pytest.mark.parametrize("started", [False, True])
def test_cancelling_gives_every_fee_back(started: bool) -> None:
    match = make_match()
    if started:
        play.start_match(match.id)
    play.cancel_match(match.id, reason="A fault.")
    assert {wallet(entry.user_id) for entry in match.entries.all()} == {ledger.Balance(100, 0)}
    assert {entry.cancel_reason for entry in match.entries.all()} == {f"A fault. {play.REFUNDED}"}
    with pytest.raises(IllegalMove):
        play.cancel_match(match.id, reason="Again.")
    audited()


def test_settling_twice_at_once_pays_once() -> None:
    match = make_match()
    play.start_match(match.id)
    for number in (1, 2):
        play_round(match, number, scores={0: 0.1, 1: 0.9})
    settle = lambda: play.settle_match(match.id)
    outcomes = at_once(settle, settle)
    assert sorted(type(each).__name__ for each in outcomes) == ["IllegalMove", "NoneType"]
    total = sum(wallet(entry.user_id).available for entry in match.entries.all())
    assert total == 200 - 2
    audited()


def test_one_seat_recorded_by_two_workers_at_once_is_stored_once() -> None:
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1))
    outcomes = at_once(lambda: record(match, 1, 0, "mine"), lambda: record(match, 1, 0, "no, mine"))
    assert sorted(type(each).__name__ for each in outcomes) == ["IllegalMove", "NoneType"]
    assert Completion.objects.count() == 1


def test_only_one_of_two_workers_gets_a_match() -> None:
    match = make_match()
    outcomes = at_once(
        lambda: play.claim_match(match.id, owner=uuid.uuid4()),
        lambda: play.claim_match(match.id, owner=uuid.uuid4()),
    )
    assert sorted(outcomes) == [False, True]


def test_a_match_that_kills_every_worker_is_cancelled_in_the_end() -> None:
    match = make_match()
    Match.objects.filter(id=match.id).update(attempts=play.MATCH_ATTEMPTS)
    assert not play.claim_match(match.id, owner=uuid.uuid4())
    match.refresh_from_db()
    assert match.status == MatchStatus.CANCELLED
    audited()


def test_the_sweeper_finds_a_match_whose_worker_died_and_leaves_a_live_one_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop_the_clock(monkeypatch)
    match = make_match()
    Match.objects.update(created_at="2020-01-01T00:00:00Z")
    cache.clear()
    assert sweeping.matches_to_play() == [match.id]
    assert sweeping.matches_to_play() == []  # nudged just now
    cache.clear()  # a while later
    assert sweeping.matches_to_play() == [match.id]
    cache.clear()
    assert play.claim_match(match.id, owner=uuid.uuid4())
    assert sweeping.matches_to_play() == []


def test_the_sweeper_settles_what_a_dead_judge_left() -> None:
    match = make_match()
    play.start_match(match.id)
    for number in (1, 2):
        play_round(match, number, scores={0: 0.1, 1: 0.9})
    assert sweeping.settle_finished() == 1
    match.refresh_from_db()
    assert match.status == MatchStatus.SETTLED


def test_a_space_with_settings_that_do_not_fit_holds_up_no_other() -> None:
    """An administrator can write any percents; the others' matches are made all the same."""
    broken, sound = make_space(prize_percents=[70, 20]), make_space()
    for space in (broken, sound):
        for _ in range(2):
            enter(make_agent(make_user(credits=100)), space)
    assert sweeping.seat_queues() == 1
    assert Match.objects.get().space == sound


def test_a_match_that_cannot_be_settled_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    matches = [make_match(), make_match()]
    for match in matches:
        play.start_match(match.id)
        for number in (1, 2):
            play_round(match, number, scores={0: 0.1, 1: 0.9})
    settle = play.settle_match

    def settle_match(match_id: int) -> None:
        if match_id == matches[0].id:
            raise RuntimeError("a bug")
        settle(match_id)

    monkeypatch.setattr(play, "settle_match", settle_match)
    assert sweeping.settle_finished() == 1
    matches[1].refresh_from_db()
    assert matches[1].status == MatchStatus.SETTLED


def test_a_round_that_waits_for_its_judge_is_offered_once_in_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop_the_clock(monkeypatch)
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1))
    for seat in (0, 1):
        record(match, 1, seat)
    Round.objects.update(created_at="2020-01-01T00:00:00Z")
    cache.clear()
    assert sweeping.rounds_to_judge() == [match.rounds.get().id]
    assert sweeping.rounds_to_judge() == []
    cache.clear()  # a while later
    assert sweeping.rounds_to_judge() == [match.rounds.get().id]


def test_a_replayed_entry_is_one_entry() -> None:
    space, agent = make_space(), make_agent(make_user(credits=100))
    same = uuid.uuid4()
    assert at_once(
        lambda: enter(agent, space, entry_id=same), lambda: enter(agent, space, entry_id=same)
    ) == [same, same]
    assert Entry.objects.count() == 1
    assert wallet(agent.owner_id).held == 10


def test_an_agent_cannot_enter_twice() -> None:
    space, agent = make_space(), make_agent(make_user(credits=100))
    enter(agent, space)
    with pytest.raises(Refused, match="already waiting"):
        enter(agent, make_space())
    assert wallet(agent.owner_id).held == 10


def test_entering_without_credits_is_refused_and_leaves_nothing() -> None:
    space, agent = make_space(entry_fee_credits=30), make_agent(make_user(credits=20))
    with pytest.raises(ledger.InsufficientCredits, match="Credits needed: 30; available: 20"):
        enter(agent, space)
    assert Entry.objects.count() == 0
    audited()


def test_an_entry_id_of_somebody_else_is_refused() -> None:
    space, agent = make_space(), make_agent(make_user(credits=100))
    taken = enter(agent, space)
    other = make_agent(make_user(credits=100))
    with pytest.raises(Refused, match="reload the page"):
        enter(other, space, entry_id=taken)
    assert wallet(other.owner_id).held == 0


def test_another_users_agent_cannot_be_entered() -> None:
    space, agent = make_space(), make_agent(make_user(credits=100))
    with pytest.raises(NotAvailable):
        entering.enter_space(
            make_user(credits=100).id,
            agent_id=agent.id,
            space_slug=space.slug,
            entry_id=uuid.uuid4(),
        )


def test_a_space_that_closes_frees_the_fees_of_those_who_wait() -> None:
    space, agent = make_space(), make_agent(make_user(credits=100))
    entry_id = enter(agent, space)
    assert entering.close_space(space.id) == 1
    entry = Entry.objects.get(id=entry_id)
    assert entry.status == EntryStatus.CANCELLED
    assert "closed while you waited" in entry.cancel_reason
    assert wallet(agent.owner_id) == ledger.Balance(100, 0)
    space.refresh_from_db()
    assert space.status == SpaceStatus.CLOSED
    with pytest.raises(Refused, match="is closed"):
        enter(agent, space)
    audited()


def test_leaving_the_queue_and_being_seated_at_once_ends_in_one_of_both() -> None:
    space = make_space()
    agents = [make_agent(make_user(credits=100)) for _ in range(2)]
    first = enter(agents[0], space)
    enter(agents[1], space)
    at_once(
        lambda: entering.leave_queue(agents[0].owner_id, entry_id=first),
        lambda: seating.seat_matches(space.id, rng=Random(1)),
    )
    status = Entry.objects.get(id=first).status
    held = wallet(agents[0].owner_id).held
    assert (status, held) in {(EntryStatus.CANCELLED, 0), (EntryStatus.SEATED, 10)}
    audited()


def test_a_retired_agent_is_taken_out_of_the_queue() -> None:
    space, agent = make_space(), make_agent(make_user(credits=100))
    entry_id = enter(agent, space)
    agent.retired_at = "2026-01-01T00:00:00Z"
    agent.save()
    assert seating.seat_matches(space.id, rng=Random(1)) == []
    assert Entry.objects.get(id=entry_id).status == EntryStatus.CANCELLED
    assert wallet(agent.owner_id).held == 0


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_the_database_refuses_to_change_an_event(verb: str) -> None:
    match = make_match()
    rows = MatchEvent.objects.filter(match=match)
    with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
        rows.update(kind="x") if verb == "update" else rows._raw_delete(rows.db)


def test_votes_and_verdict_are_stored_as_decided() -> None:
    match = make_match()
    play.start_match(match.id)
    play_round(match, 1, scores={0: 0.25, 1: 0.75})
    row = match.rounds.get(number=1)
    assert row.verdict.ranking == [[1], [0]]
    assert row.votes.get().scores == {"0": 0.25, "1": 0.75}
    with pytest.raises(IllegalMove):
        decide(match, 1, {0: 1.0, 1: 0.0})
