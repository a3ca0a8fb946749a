"""The sample in production: bounded, spread over Spaces and attacks, and with consequences."""

from collections.abc import Sequence
from random import Random

import pytest

from arena.models import AttackTrial, Space
from arena.panels.attacks import sample
from arena.panels.attacks.sample import MAX_FOOLED_SHARE, MIN_TRIALS, sample_attack
from arena.panels.attacks.trials import AttackOutcome, Attempt, Scene
from arena.panels.voting import PanelJudge
from arena.tests.builders import make_space
from judges.attacks import ATTACKS
from judges.models import Judge, JudgeKind, Quarantine
from judges.tools import Tools
from judges.versions import note_version

pytestmark = pytest.mark.django_db(transaction=True)


def judged_space() -> Space:
    Judge.objects.get_or_create(
        slug="reader", defaults={"name": "Reader", "kind": JudgeKind.PAIRWISE}
    )
    return make_space(panel=[{"judge": "reader", "weight": 1.0}])


def judges_are(monkeypatch: pytest.MonkeyPatch, outcome: AttackOutcome) -> None:
    async def try_scene(panel: Sequence[PanelJudge], scene: Scene, tools: Tools) -> Attempt:
        return Attempt(outcome, {judge.slug: outcome for judge in panel}, {})

    monkeypatch.setattr(sample, "try_scene", try_scene)


def test_a_trial_is_a_row_of_the_panel_and_of_each_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    space = judged_space()
    judges_are(monkeypatch, AttackOutcome.HELD)
    assert sample_attack(Random(1))
    rows = AttackTrial.objects.order_by("id").values_list("space", "judge__slug", "outcome")
    assert list(rows) == [(space.pk, None, "held"), (space.pk, "reader", "held")]


def test_each_space_and_each_attack_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    spaces = {judged_space().pk, judged_space().pk}
    judges_are(monkeypatch, AttackOutcome.HELD)
    for number in range(2 * len(ATTACKS)):
        sample_attack(Random(number))
    tried = AttackTrial.objects.filter(judge=None).values_list("space", "attack")
    assert set(tried) == {(space, attack) for space in spaces for attack in ATTACKS}


def test_a_day_has_so_many_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    judged_space()
    judges_are(monkeypatch, AttackOutcome.HELD)
    monkeypatch.setattr(sample, "TRIALS_A_DAY", 2)
    assert [sample_attack(Random(number)) for number in range(3)] == [True, True, False]


def test_a_space_whose_environment_fails_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken, sound = judged_space(), judged_space()
    Space.objects.filter(id=broken.pk).update(environment="plugin/gone")
    judges_are(monkeypatch, AttackOutcome.HELD)
    assert [sample_attack(Random(number)) for number in range(2)] == [False, True]
    tried = AttackTrial.objects.filter(judge=None).order_by("id").values_list("space", "outcome")
    assert list(tried) == [(broken.pk, "silent"), (sound.pk, "held")]


def test_a_judge_that_is_changed_does_not_pay_for_what_it_fell_for_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = judged_space()
    judge = Judge.objects.get(slug="reader")
    AttackTrial.objects.bulk_create(
        AttackTrial(space=space, judge=judge, attack="empty", outcome="fooled")
        for _ in range(MIN_TRIALS)
    )
    judge.config = {"has_reference": True}
    judge.save()
    note_version(judge)
    judges_are(monkeypatch, AttackOutcome.HELD)
    sample_attack(Random(1))
    assert not Quarantine.objects.exists()


def test_spaces_that_code_judges_are_left_to_the_suite() -> None:
    make_space()
    assert not sample_attack(Random(1))


def test_a_judge_that_falls_for_too_many_attacks_is_quarantined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = judged_space()
    judge = Judge.objects.get(slug="reader")
    fooled = int(MAX_FOOLED_SHARE * MIN_TRIALS)
    outcomes = ["fooled"] * fooled + ["held"] * (MIN_TRIALS - 1 - fooled)
    AttackTrial.objects.bulk_create(
        AttackTrial(space=space, judge=judge, attack="empty", outcome=outcome)
        for outcome in outcomes
    )
    judges_are(monkeypatch, AttackOutcome.HELD)
    sample_attack(Random(1))
    assert not Quarantine.objects.exists()
    judges_are(monkeypatch, AttackOutcome.FOOLED)
    sample_attack(Random(2))
    assert "5 of 41 trials" in Quarantine.objects.get(judge=judge, lifted_at=None).reason
