"""Playing a match: faults of the model, of the worker and of the adapter."""

import asyncio
import itertools
import uuid
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.db import connection

from agents.adapters.store import AdapterMissing
from agents.inference import patience
from agents.inference.client import (
    AdapterRefused,
    InferenceUnavailable,
    Message,
    RequestRefused,
    ServedModel,
    served_model,
)
from agents.models import AgentVersion, Engine
from arena.credits import ledger
from arena.leases import LeaseLost
from arena.matches import answering, judging, play, runner, seating
from arena.models import Completion, Match, Round, Vote
from arena.states import CompletionStatus, MatchStatus, RoundStatus
from arena.tests.builders import (
    enter,
    make_adapter,
    make_agent,
    make_base_model,
    make_match,
    make_space,
    make_user,
    record,
)
from arena.tests.scripted import ScriptedModel

pytestmark = pytest.mark.django_db(transaction=True)


def run(match: Match, monkeypatch: pytest.MonkeyPatch, script: Any) -> ScriptedModel:
    model = ScriptedModel(script)
    monkeypatch.setattr(runner, "Inference", model)
    monkeypatch.setattr(patience, "EAGER_PAUSES_SECONDS", (0.0,))
    owner = uuid.uuid4()
    assert play.claim_match(match.id, owner=owner)
    runner.play_match(match.id, owner=owner)
    match.refresh_from_db()
    return model


def judge_everything(match: Match) -> None:
    for round_id in match.rounds.values_list("id", flat=True):
        judging.judge_round(round_id)
    match.refresh_from_db()


def purse(match: Match) -> set[ledger.Balance]:
    return {ledger.balance(ledger.account_of(entry.user_id)) for entry in match.entries.all()}


def test_a_match_is_played_judged_and_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    match = make_match()
    model = run(match, monkeypatch, lambda model, messages: "some words")
    assert len(model.asked) == 4  # two seats, two rounds
    assert model.asked[0][0] == {"role": "system", "content": "Answer."}
    assert match.status == MatchStatus.RUNNING
    judge_everything(match)
    assert match.status == MatchStatus.SETTLED
    completion = Completion.objects.first()
    assert completion is not None
    assert completion.logprobs == [-0.5, -0.5]
    assert Vote.objects.count() == 2
    assert ledger.audit().problems == ()


def test_judging_a_round_twice_is_one_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    match = make_match()
    run(match, monkeypatch, lambda model, messages: "some words")
    judge_everything(match)
    judge_everything(match)
    assert Vote.objects.count() == 2


def test_a_round_that_breaks_every_judging_is_void_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match(make_space(round_count=1))
    run(match, monkeypatch, lambda model, messages: "some words")

    def burst(*_: Any) -> None:
        raise RuntimeError("a judge that takes its worker along")

    with monkeypatch.context() as patch:
        patch.setattr(judging, "judge_transcript", burst)
        for _ in range(judging.JUDGE_ATTEMPTS):
            with pytest.raises(RuntimeError):
                judge_everything(match)
            Round.objects.update(judge_lease_expires_at="2020-01-01T00:00:00Z")
        judge_everything(match)
    assert match.rounds.get().status == RoundStatus.VOID
    assert match.status == MatchStatus.CANCELLED
    assert purse(match) == {ledger.Balance(100, 0)}


def test_a_worker_that_lost_its_match_does_not_cancel_it() -> None:
    match = make_match()
    assert play.claim_match(match.id, owner=uuid.uuid4())
    with pytest.raises(LeaseLost):
        play.cancel_match(match.id, reason="No server.", owner=uuid.uuid4())
    match.refresh_from_db()
    assert match.status != MatchStatus.CANCELLED


def test_late_nudges_of_a_played_match_are_no_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog of nudges must not use up the tries of a match that waits for its verdict."""
    match = make_match()
    run(match, monkeypatch, lambda model, messages: "some words")
    for _ in range(play.MATCH_ATTEMPTS):
        Match.objects.update(lease_expires_at="2020-01-01T00:00:00Z", lease_owner=None)
        assert not play.claim_match(match.id, owner=uuid.uuid4())
    judge_everything(match)
    assert match.status == MatchStatus.SETTLED


def test_no_connection_is_kept_while_the_model_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's threads outnumber the pool's connections."""
    match = make_match()
    kept = []

    async def answer(*_: Any, **__: Any) -> play.SeatAnswer:
        kept.append(connection.connection)
        return play.SeatAnswer(CompletionStatus.FAILED, [], error="Enough.")

    monkeypatch.setattr(runner, "ask", answer)
    owner = uuid.uuid4()
    assert play.claim_match(match.id, owner=owner)
    runner.play_match(match.id, owner=owner)
    assert kept == [None] * 2 * match.round_count  # one for each seat and round


def test_seats_that_fail_at_once_refund_once(monkeypatch: pytest.MonkeyPatch) -> None:
    match = make_match()
    faults = [InferenceUnavailable("gone"), InferenceUnavailable("also gone")]

    def drive(*_: Any) -> None:
        raise ExceptionGroup("both", faults)

    monkeypatch.setattr(runner, "_drive", drive)
    owner = uuid.uuid4()
    assert play.claim_match(match.id, owner=owner)
    runner.play_match(match.id, owner=owner)
    match.refresh_from_db()
    assert match.status == MatchStatus.CANCELLED
    assert purse(match) == {ledger.Balance(100, 0)}


def test_an_engine_that_dies_in_the_middle_of_an_answer_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match()
    calls = itertools.count()

    def script(model: ServedModel, messages: Sequence[Message]) -> str | Exception:
        return InferenceUnavailable("gone") if next(calls) < 3 else "whole answer"

    run(match, monkeypatch, script)
    assert set(Completion.objects.values_list("text", flat=True)) == {"whole answer"}


def test_an_engine_that_stays_away_cancels_and_refunds(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.INFERENCE_PATIENCE_SECONDS = 0
    match = make_match()
    run(match, monkeypatch, lambda model, messages: InferenceUnavailable("gone"))
    assert match.status == MatchStatus.CANCELLED
    assert "did not come back" in play.state_of(match).cancel_reason
    assert purse(match) == {ledger.Balance(100, 0)}
    assert ledger.audit().problems == ()


def test_an_adapter_that_the_server_refuses_costs_nobody_else_the_match(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match(make_space(seat_count=3))
    adapter = make_adapter(make_base_model())
    refused = replace(answering.players_of(match)[1].model, name="refused")
    players = answering.players_of(match)
    players[1] = replace(players[1], adapter_digest=adapter.digest, model=refused)
    monkeypatch.setattr(runner, "players_of", lambda match: players)

    def script(model: ServedModel, messages: Sequence[Message]) -> str | Exception:
        return AdapterRefused("Bad adapter.") if model == refused else "An answer."

    run(match, monkeypatch, script)
    judge_everything(match)
    assert match.status == MatchStatus.SETTLED
    seats = list(match.seats.select_related("agent").order_by("index"))
    assert [seat.rank is None for seat in seats] == [False, True, False]
    account = ledger.account_of(seats[1].agent.owner_id)
    assert ledger.balance(account) == ledger.Balance(100, 0), "its entry alone is refunded"
    adapter.refresh_from_db()
    assert adapter.refusal == "Bad adapter."
    assert adapter.refused_at is not None


def test_an_adapter_that_is_lost_after_seating_costs_nobody_else_the_match(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match(make_space(seat_count=3))
    silent = match.seats.get(index=0)

    def served(version: AgentVersion) -> ServedModel:
        if version == silent.version:
            raise AdapterMissing("The adapter is not in the adapter store.")
        return served_model(version)

    monkeypatch.setattr(answering, "served_model", served)
    run(match, monkeypatch, lambda model, messages: "An answer.")
    row = Completion.objects.filter(seat=silent).earliest("id")
    assert (row.status, row.error) == ("failed", "The adapter is not in the adapter store.")
    judge_everything(match)
    assert match.status == MatchStatus.SETTLED
    silent.refresh_from_db()
    assert silent.rank is None


def test_a_request_of_the_agents_own_making_that_fails_is_recorded_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match()
    run(match, monkeypatch, lambda model, messages: RequestRefused("The prompt is too long."))
    row = Completion.objects.first()
    assert row is not None
    assert (row.status, row.error) == (CompletionStatus.FAILED, "The prompt is too long.")
    judge_everything(match)
    assert match.status == MatchStatus.CANCELLED, "nobody said anything"


def test_a_worker_that_takes_over_asks_only_the_seats_that_have_not_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=runner.task_of(match.id, 1))
    record(match, 1, 0, "from the dead worker")
    model = run(match, monkeypatch, lambda model, messages: "from the new one")
    assert len(model.asked) == 3
    texts = Completion.objects.filter(round__number=1).order_by("seat__index")
    assert [each.text for each in texts] == ["from the dead worker", "from the new one"]


def test_rounds_are_answered_side_by_side_where_the_space_wants_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match(make_space(round_count=5, rounds_at_once=2))
    both_asked = asyncio.Event()

    class Together(ScriptedModel):
        async def generate(self, *args: Any, **kwargs: Any) -> Any:
            generation = await super().generate(*args, **kwargs)
            if len(self.asked) == 4:  # two seats in each of two rounds
                both_asked.set()
            await asyncio.wait_for(both_asked.wait(), timeout=30)
            return generation

    monkeypatch.setattr(runner, "Inference", Together(lambda model, messages: "short"))
    owner = uuid.uuid4()
    assert play.claim_match(match.id, owner=owner)
    runner.play_match(match.id, owner=owner)
    judge_everything(match)
    assert match.status == MatchStatus.SETTLED
    assert list(match.rounds.order_by("number").values_list("number", flat=True)) == [1, 2, 3, 4, 5]


def test_a_worker_that_takes_over_closes_every_round_that_was_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match(make_space(round_count=3, rounds_at_once=2))
    play.start_match(match.id)
    for number in (1, 2):
        task = runner.task_of(match.id, number)
        play.start_round(match.id, number=number, task=task)
    record(match, 2, 0, "from the dead worker")
    model = run(match, monkeypatch, lambda model, messages: "from the new one")
    assert len(model.asked) == 5
    judge_everything(match)
    assert match.status == MatchStatus.SETTLED


def test_a_worker_whose_lease_is_taken_in_mid_answer_stops_without_writing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match()
    monkeypatch.setattr(runner, "LEASE_RENEWAL", 0.0)

    class Slow(ScriptedModel):
        async def generate(self, *args: Any, **kwargs: Any) -> Any:
            taken = lambda: Match.objects.filter(id=match.id).update(lease_owner=uuid.uuid4())
            await database_sync_to_async(taken)()
            await asyncio.Event().wait()

    monkeypatch.setattr(runner, "Inference", Slow(lambda model, messages: ""))
    owner = uuid.uuid4()
    assert play.claim_match(match.id, owner=owner)
    runner.play_match(match.id, owner=owner)
    assert Completion.objects.count() == 0
    match.refresh_from_db()
    assert match.status == MatchStatus.RUNNING


def test_a_match_of_many_short_rounds_keeps_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    match = make_match()
    expiries = []

    def script(model: ServedModel, messages: Sequence[Message]) -> str:
        return "short"

    class Watched(ScriptedModel):
        async def generate(self, *args: Any, **kwargs: Any) -> Any:
            row = await database_sync_to_async(Match.objects.get)(id=match.id)
            expiries.append(row.lease_expires_at)
            return await super().generate(*args, **kwargs)

    monkeypatch.setattr(runner, "Inference", Watched(script))
    owner = uuid.uuid4()
    assert play.claim_match(match.id, owner=owner)
    runner.play_match(match.id, owner=owner)
    assert expiries[-1] > expiries[0]


def test_the_coded_house_agent_answers_some_tasks_by_code_and_some_by_its_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = make_space(round_count=20)
    make_agent(make_user(is_house=True), engine=Engine.CODE)
    enter(make_agent(make_user(credits=100)), space)
    (match_id,) = seating.seat_matches(space.id, rng=Random(1))
    match = Match.objects.get(id=match_id)
    run(match, monkeypatch, lambda model, messages: "by the model")
    reasons = set(Completion.objects.filter(seat__index=1).values_list("finish_reason", flat=True))
    assert reasons == {"code", "stop"}


def test_the_task_of_a_round_is_the_same_on_every_try_and_differs_between_rounds() -> None:
    match = make_match()
    assert runner.task_of(match.id, 1) == runner.task_of(match.id, 1)
    keys = {runner.task_of(match.id, number).key for number in range(1, 9)}
    assert len(keys) > 4


def test_a_round_is_open_for_judging_only_when_every_seat_has_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=runner.task_of(match.id, 1))
    record(match, 1, 0)
    assert Round.objects.get(match=match).status == RoundStatus.PLAYING
    record(match, 1, 1)
    assert Round.objects.get(match=match).status == RoundStatus.JUDGING
