"""Whole episodes in practice: an agent plays itself and its earlier versions, through any kill."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.inference.client import (
    AdapterRefused,
    Generation,
    InferenceUnavailable,
    Message,
    RequestRefused,
)
from agents.models import AgentVersion, VersionOrigin
from arena.environments.base import EnvironmentFault, Position
from arena.environments.tests.small_games import Count
from arena.models import Round
from arena.tests.playing import add_games
from judges.models import Judge, JudgeKind
from training.models import Rollout, TrainingRun
from training.practice import episode_plan, episodes
from training.practice.plan import PracticePlan
from training.practice.tests.builders import (
    ScriptedInference,
    practise_now,
)
from training.practice.tests.games import (
    EARLIER,
    GAMES,
    OWN,
    Counting,
    add_earlier,
    make_game_run,
    one_then_two,
    plan_of,
    tries,
)
from training.tests.builders import (
    prompt_ids_of,
    spec_of,
    write_groups,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _games(monkeypatch: pytest.MonkeyPatch) -> None:
    add_games(monkeypatch, *GAMES.values())


@pytest.fixture
def run(fake_base: Path) -> TrainingRun:
    return make_game_run(fake_base)


def test_whole_episodes_are_played_in_the_agents_role_and_stored_try_by_try(
    run: TrainingRun, model: type[ScriptedInference]
) -> None:
    model.script = staticmethod(lambda messages, number: "1")
    practise_now(run)
    group = plan_of(run).groups[0]
    assert group.versions == (run.parent_version_id,) * 2
    own = group.role
    # The newest round is the fourth, in which the second seat moved first.
    assert (Round.objects.get(id=group.round_id).number, own) == (4, 1)
    assert tries(run, group.round_id) == [
        (episode, index, index % 2, index % 2 == own, "1")
        for episode in (1, 2)
        for index in range(5)
    ]
    row = Rollout.objects.get(round=group.round_id, episode=1, index=1)
    asked = [
        {"role": "system", "content": OWN},
        {"role": "user", "content": "The total is 1. Add 1 or 2."},
    ]
    assert row.prompt_token_ids == prompt_ids_of(asked)
    assert len(row.logprobs) == len(row.token_ids)
    assert Rollout.objects.filter(episode=0).count() > 0, "positions are practised beside them"


def test_opponents_are_the_agents_own_ancestors_whose_weights_are_there(
    run: TrainingRun, model: type[ScriptedInference], monkeypatch: pytest.MonkeyPatch
) -> None:
    run.config["earlier_share"] = 1.0
    earlier = add_earlier(run)
    sibling = AgentVersion.objects.create(
        agent=run.agent,
        number=3,
        parent=earlier,
        prompt="Another branch.",
        sampling=earlier.sampling,
        origin=VersionOrigin.EDITED,
    )
    model.script = staticmethod(one_then_two)
    practise_now(run)
    found = set(Rollout.objects.filter(episode__gt=0).values_list("version_id", "is_own"))
    assert found == {(run.parent_version_id, True), (earlier.pk, False)}
    assert sibling.pk not in {each for one in plan_of(run).groups for each in one.versions}
    said = {messages[0]["content"] for _, messages, _ in model.calls}
    assert said == {OWN, EARLIER}


def test_an_earlier_version_whose_weights_are_gone_is_no_opponent(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.config["earlier_share"] = 1.0
    add_earlier(run)
    monkeypatch.setattr(episode_plan, "_is_playable", lambda version: False)
    practise_now(run)
    assert {each for one in plan_of(run).groups for each in one.versions} == {run.parent_version_id}


def test_an_agent_without_earlier_versions_plays_itself(fake_base: Path) -> None:
    run = make_game_run(fake_base, earlier_share=1.0)
    practise_now(run)
    assert plan_of(run).groups
    assert set(Rollout.objects.values_list("version_id", flat=True)) == {run.parent_version_id}


def test_an_episode_goes_on_at_the_try_at_which_a_worker_died(
    run: TrainingRun, model: type[ScriptedInference]
) -> None:
    def until_the_outage(messages: Sequence[Message], number: int) -> str:
        if number >= 7:
            raise InferenceUnavailable("gone")
        return "1"

    run.config["episode_share"] = 1.0
    run.save()
    model.script = staticmethod(until_the_outage)
    with pytest.raises(InferenceUnavailable):
        practise_now(run)
    kept = list(run.rollouts.order_by("id").values_list("id", "text"))
    assert len(kept) == 7
    model.reset()
    model.script = staticmethod(lambda messages, number: "1")
    practise_now(run)
    assert list(run.rollouts.order_by("id").values_list("id", "text"))[:7] == kept
    whole = run.rollouts.count()
    assert len(model.calls) == whole - 7, "nothing was asked twice"
    model.script = staticmethod(lambda messages, number: pytest.fail("asked again"))
    practise_now(run)
    assert run.rollouts.count() == whole


def test_a_moment_that_another_worker_has_stored_counts_as_it_was_stored(
    run: TrainingRun, model: type[ScriptedInference]
) -> None:
    """Somebody presumed dead is faster: the first try of an episode is already there."""
    model.script = staticmethod(lambda messages, number: "1")
    practise_now(run)
    plan = plan_of(run)
    group = plan.groups[0]
    run.rollouts.filter(round=group.round_id, episode=1, index__gt=0).delete()
    here, presumed_dead = (episodes.EpisodePractice(spec_of(run), plan) for _ in range(2))
    made, asks = here._standing(group, 1)
    assert (made, [one.seat for one in asks]) == (1, [1])
    presumed_dead._store(group, 1, made, asks, [generation("1")])
    here._store(group, 1, made, asks, [generation("2")])
    first = [text for episode, *_, text in tries(run, group.round_id) if episode == 1]
    assert first == ["1", "1"]
    assert here._standing(group, 1)[0] == 2


def generation(text: str) -> Generation:
    return Generation(
        text=text,
        prompt_token_ids=[1],
        token_ids=[2],
        logprobs=[-0.1],
        chunk_times=[],
        finish_reason="stop",
        seconds=0.1,
    )


def test_a_try_that_is_illegal_twice_is_forfeited_and_the_episode_goes_on(
    run: TrainingRun, model: type[ScriptedInference]
) -> None:
    model.script = staticmethod(lambda messages, number: "what?")
    practise_now(run)
    said = tries(run, plan_of(run).groups[0].round_id)
    assert [index for episode, index, *_ in said if episode == 1] == list(range(10))


def test_seats_that_move_at_once_are_asked_at_once(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = make_game_run(fake_base, "showing", episode_share=1.0)
    model.script = staticmethod(one_then_two)
    practise_now(run)
    said = tries(run, plan_of(run).groups[0].round_id)
    of_one = [(index, seat) for _, index, seat, *_ in said[:4]]
    assert of_one == [(0, 0), (1, 1), (2, 0), (3, 1)]


def test_episodes_take_no_more_turns_than_their_share_of_the_price(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = make_game_run(fake_base, rollouts=8)
    model.script = staticmethod(one_then_two)
    practise_now(run)
    assert plan_of(run).turns == 16
    own = run.rollouts.filter(is_own=True)
    assert 3 * 2 <= own.filter(episode__gt=0).count() <= 16
    plan = PracticePlan.read(spec_of(run).folder)
    assert plan is not None
    answers = sum(len(group.members) for group in plan.groups)
    assert answers + plan.episodes.turns <= 4 * 8, "as many as are paid for"


@pytest.mark.parametrize(
    ("game", "config"),
    [("judged", {}), ("count", {"episode_share": 0.0}), ("count", {"tasks": 4, "rollouts": 2})],
)
def test_positions_only_where_judges_decide_or_the_share_is_too_small(
    fake_base: Path, game: str, config: dict[str, Any]
) -> None:
    run = make_game_run(fake_base, game, **config)
    practise_now(run)
    assert plan_of(run).groups == ()
    assert not Rollout.objects.filter(episode__gt=0).exists()


def test_episodes_teach_nothing_that_the_spaces_judges_do_not_say(fake_base: Path) -> None:
    run = make_game_run(fake_base)
    coin = Judge.objects.create(slug="coin", name="Coin", kind=JudgeKind.COIN)
    run.space.panel = [{"judge": coin.slug, "weight": 1.0}]
    run.space.save()
    practise_now(run)
    assert plan_of(run).groups == ()


def test_an_opponent_that_cannot_be_asked_ends_its_episodes_and_no_run(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = make_game_run(fake_base, earlier_share=1.0)
    add_earlier(run)

    def refuse(messages: Sequence[Message], number: int) -> str:
        if messages[0]["content"] == OWN:
            raise AdapterRefused("no")
        return "1"

    model.script = staticmethod(refuse)
    practise_now(run)
    assert set(Rollout.objects.filter(episode__gt=0).values_list("is_own", flat=True)) <= {True}


def test_a_run_whose_own_adapter_is_refused_cannot_go_on(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    model.script = staticmethod(lambda messages, number: _raise(AdapterRefused("no")))
    with pytest.raises(AdapterRefused):
        practise_now(make_game_run(fake_base, episode_share=1.0))


def _raise(error: Exception) -> str:
    raise error


def test_a_prompt_that_is_too_long_ends_the_episodes_of_its_opening(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = make_game_run(fake_base, episode_share=1.0)
    model.script = staticmethod(
        lambda messages, number: _raise(RequestRefused("long")) if number > 3 else "1"
    )
    practise_now(run)
    with pytest.raises(Exception, match="not answered"):
        write_groups(run)


def test_an_environment_that_fails_is_nobodys_fault(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Count, position: Position, seat: int, text: str) -> Position:
        raise EnvironmentFault("Count failed.")

    monkeypatch.setattr(Counting, "act", fail)
    with pytest.raises(EnvironmentFault):
        practise_now(run)
