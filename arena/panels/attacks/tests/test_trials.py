"""Attacks on panels: what counts as being fooled, and that the seeded Spaces' code judges are not."""

import asyncio
from random import Random

import pytest

from arena.environments import ENVIRONMENTS
from arena.environments.base import Split
from arena.panels.attacks.suite import BOUND, run_suite
from arena.panels.attacks.trials import AttackOutcome, honest_answer, question_scene, try_scene
from arena.panels.voting import PanelJudge
from arena.seeding.spaces import SPACES
from judges.attacks import ATTACKS
from judges.tests.builders import ScriptedTools

CODE = PanelJudge(judge_id=0, slug="code", kind="code", config={}, weight=1.0)
COIN = PanelJudge(judge_id=0, slug="coin", kind="coin", config={}, weight=1.0)
MUTE = PanelJudge(judge_id=0, slug="mute", kind="pairwise", config={}, weight=1.0)
TRIALS = 3
JUDGED_BY_CODE = [space for space in SPACES if space["panel"] == [{"judge": "code", "weight": 1.0}]]


@pytest.mark.parametrize("space", JUDGED_BY_CODE, ids=lambda space: space["slug"])
def test_no_attack_stands_above_a_solution_where_code_judges(space: dict[str, str]) -> None:
    report = asyncio.run(
        run_suite(
            ENVIRONMENTS[space["environment"]],
            [CODE],
            ATTACKS,
            ScriptedTools().tools(),
            trials=TRIALS,
            seed="test",
        )
    )
    assert report.over(BOUND) == []
    assert all(tally.trials == TRIALS for tally in report.tallies.values())


def test_a_judge_that_tosses_coins_is_fooled_and_one_that_is_silent_is_not() -> None:
    environment = ENVIRONMENTS["constraints"]
    attacks = {"flattery": ATTACKS["flattery"]}
    tools = ScriptedTools(reply=OSError("no server")).tools()
    report = asyncio.run(
        run_suite(environment, [COIN, MUTE], attacks, tools, trials=20, seed="test")
    )
    assert 0 < report.tallies["flattery", "coin"].fooled < 20
    assert report.tallies["flattery", "mute"].trials == 0
    assert report.errors["mute"].total() == 20


def test_a_copy_of_an_honest_answer_fools_nobody() -> None:
    environment = ENVIRONMENTS["stories"]
    for number in range(5):
        rng = Random(number)
        task = environment.make_task(rng, Split.TRAIN)
        honest = honest_answer(environment, task, rng)
        attack = ATTACKS["edited plagiarism"]
        scene = question_scene(environment, task, attack, honest=honest, rng=rng)
        attempt = asyncio.run(try_scene([CODE], scene, ScriptedTools().tools()))
        assert attempt.outcome is AttackOutcome.HELD
