import os
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from agents.adapters.lora import MAX_LORA_RANK
from agents.errors import NotAvailable, Refused
from agents.models import Agent, Engine
from agents.roster import add_trained_version
from arena.models import DifficultyTally, MatchStatus, Space, Verdict
from arena.spaces.tallies import played_weights
from arena.tests.builders import at_once, make_adapter
from training.data.harvest import harvest_matches
from training.models import Harvest, Pair, TrainingRun
from training.runs import starting, steering
from training.runs.claiming import claim_next
from training.runs.moves import locked_run
from training.runs.starting import (
    MIN_PAIRS,
    Requestable,
    next_runs,
    request_run,
    start_due_runs,
)
from training.runs.steering import cancel_run, cancel_runs_of_retired, use_version
from training.runs.unlearned import unlearned_pairs
from training.states import RunStatus
from training.tests.builders import (
    make_agent,
    make_base,
    make_match,
    make_pairs_for,
    make_space,
)

pytestmark = pytest.mark.django_db

GIB = 2**30


@pytest.fixture(autouse=True)
def nudges(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Runs offered to the workers, instead of a broker's queue."""
    offered: list[int] = []
    monkeypatch.setattr(
        "training.runs.nudges.nudge", lambda task, run_id, **options: offered.append(run_id)
    )
    return offered


@pytest.fixture(autouse=True)
def _few_pairs_start_a_run(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings.ENV, "training_pairs", 10)


def make_due_agent(*, pairs: int = 10, space: Space | None = None, **changes: Any) -> Agent:
    agent = make_agent(**changes)
    make_pairs_for(agent, count=pairs, space=space or make_space())
    return agent


def requestable(agent: Agent, space: Space) -> Requestable | None:
    return next_runs(agent.pk, viewer=agent.owner_id).requestable.get(space.pk)


# --- harvest -------------------------------------------------------------------------------


def test_a_settled_match_gives_pairs_to_its_model_agents_only() -> None:
    agent, rival = make_agent(), make_agent(engine=Engine.CODE)
    match = make_match([agent, rival], [{0: 0.2, 1: 0.9}, {0: 0.8, 1: 0.1}])
    assert harvest_matches() == 1
    pairs = list(Pair.objects.order_by("id"))
    assert {pair.agent_id for pair in pairs} == {agent.id}
    assert [pair.chosen.seat.agent_id for pair in pairs] == [rival.id, agent.id]
    assert [pair.margin for pair in pairs] == pytest.approx([0.7, 0.7])
    assert match.harvest.pair_count == 2


def test_a_match_is_harvested_once() -> None:
    make_match([make_agent(), make_agent()], [{0: 0.0, 1: 1.0}])
    assert harvest_matches() == 1
    assert harvest_matches() == 0
    assert Pair.objects.count() == 2


def test_a_match_that_cannot_be_read_holds_up_no_other() -> None:
    agents = [make_agent(), make_agent(engine=Engine.CODE)]
    broken, sound = (make_match(agents, [{0: 0.2, 1: 0.9}]) for _ in range(2))
    Verdict.objects.filter(round__match=broken).update(scores={"no seat": "no score"})
    assert harvest_matches() == 1
    assert Harvest.objects.get().match == sound


def test_matches_that_are_not_settled_give_nothing() -> None:
    for status in set(MatchStatus) - {MatchStatus.SETTLED}:
        make_match([make_agent(), make_agent()], [{0: 0.0, 1: 1.0}], status=status)
    assert harvest_matches() == 0
    assert not Pair.objects.exists()


def test_a_settled_match_without_pairs_is_not_looked_at_again() -> None:
    make_match([make_agent(), make_agent()], [{0: 0.5, 1: 0.5}])
    assert harvest_matches() == 1
    assert Harvest.objects.get().pair_count == 0


def test_a_void_round_without_a_verdict_gives_nothing() -> None:
    match = make_match([make_agent(), make_agent()], [{0: 0.0, 1: 1.0}])
    round_one = match.rounds.get()
    round_one.status = "void"
    round_one.save()
    round_one.verdict.delete()
    assert harvest_matches() == 1
    assert not Pair.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_harvesters_at_once_make_each_pair_once() -> None:
    for _ in range(4):
        make_match([make_agent(), make_agent()], [{0: 0.0, 1: 1.0}])
    outcomes = at_once(harvest_matches, harvest_matches, harvest_matches)
    assert sum(outcomes) >= 4
    assert Harvest.objects.count() == 4
    assert Pair.objects.count() == 8


# --- starting ------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_enough_new_pairs_start_one_run_from_the_current_version(nudges: list[int]) -> None:
    agent = make_due_agent(learning={"rank": 8})
    (run_id,) = start_due_runs()
    run = TrainingRun.objects.get()
    assert (run.pk, run.status, run.pair_count) == (run_id, RunStatus.QUEUED, 10)
    assert run.parent_version == agent.current_version
    assert run.config["rank"] == 8
    assert nudges == [run_id]
    assert start_due_runs() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("rank", "is_refused"), [(8, False), (9, True)])
def test_no_adapter_is_larger_than_the_servers_of_its_base_take(
    rank: int, is_refused: bool
) -> None:
    agent = make_due_agent(learning={"rank": rank})
    agent.base_model.max_lora_rank = 8
    agent.base_model.save()
    start_due_runs()
    reason = TrainingRun.objects.get().reason
    assert ("take adapters up to rank 8. Lower the LoRA rank" in reason) == is_refused


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("wanted", "weight_bytes", "precision"),
    [
        ("chosen", 8 * GIB, "bf16"),
        ("fitting", 8 * GIB, "nf4"),
        ("fitting", GIB, "bf16"),
        ("fitting", None, "bf16"),  # a folder that does not say: as its owner has chosen
        ("nf4", GIB, "nf4"),
    ],
)
def test_a_site_may_decide_the_precision_by_the_bases_size(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    wanted: str,
    weight_bytes: int | None,
    precision: str,
) -> None:
    monkeypatch.setattr(settings.ENV, "train_precision", wanted)
    make_base(str(tmp_path))
    if weight_bytes:
        (tmp_path / "config.json").write_text('{"torch_dtype": "bfloat16"}')
        (tmp_path / "model.safetensors").touch()
        os.truncate(tmp_path / "model.safetensors", weight_bytes)  # takes no room
    agent = make_due_agent(learning={"precision": "bf16"})
    start_due_runs()
    run = TrainingRun.objects.get()
    assert run.config["precision"] == precision
    agent.refresh_from_db()
    assert agent.learning["precision"] == "bf16"


@pytest.mark.django_db(transaction=True)
def test_a_run_keeps_the_mix_of_difficulties_that_its_space_plays_when_it_begins() -> None:
    space = make_space("reasoning/chain_sum")
    for difficulty, solved in enumerate((10, 5)):
        DifficultyTally.objects.create(
            space=space,
            environment=space.environment,
            difficulty=difficulty,
            asked=10,
            solved=solved,
            rating_sum=250,
        )
    make_due_agent(space=space)
    played = played_weights(space.pk)
    start_due_runs()
    DifficultyTally.objects.filter(difficulty=1).update(solved=0)
    run = TrainingRun.objects.get()
    assert tuple(run.exam_weights) == played != played_weights(space.pk)


@pytest.mark.django_db(transaction=True)
def test_a_run_that_cannot_be_made_or_ended_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch, nudges: list[int]
) -> None:
    broken, due = make_due_agent(), make_due_agent()
    new_run = starting._new_run

    def breaks(agent: Agent, *arguments: Any, **options: Any) -> TrainingRun:
        if agent == broken:
            raise RuntimeError("nobody thought of this")
        return new_run(agent, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(starting, "_new_run", breaks)
        (run_id,) = start_due_runs()
    assert TrainingRun.objects.get().agent == due
    (other_id,) = start_due_runs()
    Agent.objects.update(retired_at=timezone.now())

    def breaks_too(one: int) -> TrainingRun:
        if one == run_id:
            raise RuntimeError("nor of this")
        return locked_run(one)

    monkeypatch.setattr(steering, "locked_run", breaks_too)
    cancel_runs_of_retired()
    assert TrainingRun.objects.get(id=other_id).status == RunStatus.CANCELLED


def test_too_few_new_pairs_start_nothing() -> None:
    make_due_agent(pairs=9)
    assert start_due_runs() == []


def test_pairs_of_two_spaces_are_counted_apart() -> None:
    agent = make_agent()
    for _ in range(2):
        make_pairs_for(agent, count=9, space=make_space())
    assert start_due_runs() == []


@pytest.mark.parametrize(
    "changes", [{"is_training_enabled": False}, {"retired_at": "2026-01-01T00:00Z"}]
)
def test_an_agent_that_may_not_train_starts_nothing(changes: dict[str, Any]) -> None:
    make_due_agent(**changes)
    assert start_due_runs() == []


def test_pairs_count_from_the_last_run_on_whatever_became_of_it() -> None:
    space = make_space()
    agent = make_due_agent(space=space)
    (run_id,) = start_due_runs()
    TrainingRun.objects.filter(id=run_id).update(status=RunStatus.FAILED)
    assert start_due_runs() == []
    make_pairs_for(agent, count=10, space=space)
    assert len(start_due_runs()) == 1


def test_a_run_learns_again_from_pairs_that_its_version_has_not_learned() -> None:
    """What counts is the version that plays, whether by the gate, by hand or after a rollback."""
    space = make_space()
    agent = make_due_agent(space=space)
    first = agent.current_version
    assert first is not None
    unlearned = lambda version: unlearned_pairs(version, [space.id]).count()
    (run_id,) = start_due_runs()
    TrainingRun.objects.filter(id=run_id).update(status=RunStatus.REJECTED)
    make_pairs_for(agent, count=10, space=space)
    assert unlearned(first) == 20
    (run_id,) = start_due_runs()
    adapter = make_adapter(agent.base_model)
    child = add_trained_version(agent.pk, parent_version_id=first.pk, adapter_id=adapter.pk)
    TrainingRun.objects.filter(id=run_id).update(status=RunStatus.REJECTED, child_version=child)
    make_pairs_for(agent, count=10, space=space)
    assert (unlearned(first), unlearned(child)) == (30, 10)
    use_version(agent.owner_id, agent_id=agent.pk, version_id=child.pk)
    assert request_run(agent.owner_id, agent_id=agent.pk, space_id=space.pk).pair_count == 10


def test_invalid_settings_fail_the_run_with_a_sentence_instead_of_hanging() -> None:
    make_due_agent(learning={"rank": 10_000})
    start_due_runs()
    run = TrainingRun.objects.get()
    assert run.status == RunStatus.FAILED
    assert f"LoRA rank must be between 1 and {MAX_LORA_RANK}." in run.reason


@pytest.mark.django_db(transaction=True)
def test_two_starters_at_once_queue_one_run() -> None:
    make_due_agent()
    outcomes = at_once(start_due_runs, start_due_runs)
    assert sorted(map(len, outcomes)) in ([0, 1], [0, 0, 1])
    assert TrainingRun.objects.count() == 1


# --- on request ----------------------------------------------------------------------------


def test_train_now_needs_a_few_pairs() -> None:
    space = make_space()
    agent = make_due_agent(pairs=7, space=space)
    with pytest.raises(Refused, match=r"needs at least 8 pairs .* and has 7"):
        request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)
    make_pairs_for(agent, count=1, space=space)
    assert request_run(agent.owner_id, agent_id=agent.id, space_id=space.id).pair_count == 8


def test_one_run_at_a_time() -> None:
    space = make_space()
    agent = make_due_agent(space=space)
    request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)
    with pytest.raises(Refused, match="already in training"):
        request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)


def test_a_coded_agent_is_not_trained() -> None:
    agent = make_agent(engine=Engine.CODE)
    with pytest.raises(Refused, match="with code"):
        request_run(agent.owner_id, agent_id=agent.id, space_id=make_space().id)


def test_what_can_be_asked_for_is_said_with_its_pairs_and_nothing_else_is_offered() -> None:
    agent, space = make_agent(), make_space()
    make_pairs_for(agent, count=MIN_PAIRS - 1, space=space)
    assert requestable(agent, space) is None
    make_pairs_for(agent, count=1, space=space)
    assert requestable(agent, space) == Requestable(MIN_PAIRS, price_credits=1)
    run = request_run(agent.owner_id, agent_id=agent.pk, space_id=space.pk)
    assert requestable(agent, space) is None, "a run is in hand"
    TrainingRun.objects.filter(id=run.pk).update(status=RunStatus.REJECTED)
    make_pairs_for(agent, count=2, space=space)
    found = requestable(agent, space)
    assert found is not None
    assert (
        found.pair_count
        == request_run(agent.owner_id, agent_id=agent.pk, space_id=space.pk).pair_count
        == MIN_PAIRS + 2
    )


def test_an_unknown_space_is_not_available() -> None:
    agent = make_agent()
    with pytest.raises(NotAvailable):
        request_run(agent.owner_id, agent_id=agent.id, space_id=10**9)


# --- cancelling ----------------------------------------------------------------------------


def test_a_cancelled_run_gives_its_pairs_back() -> None:
    space = make_space()
    agent = make_due_agent(space=space)
    run = request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)
    claim_next()
    cancel_run(run.agent.owner_id, run_id=run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    assert run.lease_owner is None
    assert unlearned_pairs(run.parent_version, [space.id]).count() == 10
    with pytest.raises(Refused, match="over"):
        cancel_run(run.agent.owner_id, run_id=run.pk)
