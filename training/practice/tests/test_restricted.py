"""Practice where a Space restricts answers to the legal moves."""

from pathlib import Path
from random import Random

import pytest

from arena.environments.base import Split, Task
from arena.environments.tests.small_games import Count
from arena.models import Round
from arena.tests.playing import add_games
from training.models import Rollout, TrainingRun
from training.practice.tests.builders import (
    ScriptedInference,
    examples_of,
    make_grpo_run,
    practise_now,
)
from training.tests.builders import make_base, make_space, write_groups

pytestmark = pytest.mark.django_db


class Counting(Count):
    """The gate asks a position that no match reaches."""

    def practice_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        return self.position_task({"total": 99, "mover": 0, "seats": 2}, 0, split)


def run_on_positions(fake_base: Path, *, restricts_moves: bool) -> TrainingRun:
    make_base(str(fake_base))
    space = make_space("count")
    space.restricts_moves = restricts_moves
    space.save()
    run = make_grpo_run(fake_base, space=space, share=0)
    for total, one in enumerate(Round.objects.order_by("id")):
        position = {"total": total, "mover": 0, "seats": 2}
        task = Counting().position_task(position, 0, Split.TRAIN)
        one.task, one.task_key, one.task_kind = task.as_json(), task.key, task.kind
        one.save()
    return run


@pytest.fixture(autouse=True)
def _game(monkeypatch: pytest.MonkeyPatch) -> None:
    add_games(monkeypatch, Counting())


def test_practice_draws_among_the_legal_moves_and_keeps_what_was_allowed(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = run_on_positions(fake_base, restricts_moves=True)
    practise_now(run)
    assert set(model.choices) == {("1", "2")}
    rollouts = Rollout.objects.filter(run=run)
    assert set(rollouts.values_list("text", flat=True)) == {"1", "2"}
    assert all(len(one.allowed_token_ids) == len(one.token_ids) for one in rollouts)
    assert {one.sampling["top_p"] for one in rollouts} == {1.0}, "no move was cut off"
    write_groups(run)
    answers = [answer for group in examples_of(run) for answer in group.answers]
    assert answers
    assert all(
        one in among
        for answer in answers
        for one, among in zip(answer.ids, answer.allowed_token_ids, strict=True)
    )


def test_practice_is_free_where_the_space_does_not_restrict_moves(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = run_on_positions(fake_base, restricts_moves=False)
    practise_now(run)
    assert set(model.choices) == {()}
    assert not Rollout.objects.exclude(allowed_token_ids=[]).exists()
