"""Stored answers: what counts, what follows for a judge, and what a quarantine is."""

import pytest

from judges.calibration.figures import MIN_ITEMS
from judges.calibration.heard import GoldOutcome
from judges.calibration.records import (
    judge_digest,
    lift_quarantine,
    needs_more,
    quarantine,
    recalibrate,
    record,
    replies_of,
    said_in,
    transcript_of,
)
from judges.models import GoldAnswer, GoldItem, GoldSource, Judge, JudgeKind
from judges.transcript import Ballot

pytestmark = pytest.mark.django_db(transaction=True)

FLOOR = 0.4


def make_judge(slug: str = "reader") -> Judge:
    return Judge.objects.create(slug=slug, name="Reader", kind=JudgeKind.PAIRWISE)


def make_item(number: int) -> GoldItem:
    answers = [
        {"seat": 0, "text": f"good {number}", "score": 1.0, "checks": []},
        {"seat": 1, "text": "bad", "score": 0.0, "checks": []},
    ]
    return GoldItem.objects.create(
        key=f"{number:064}",
        source=GoldSource.CODE,
        environment="constraints",
        kind="test",
        fault="off topic",
        transcript={"prompt": "?", "kind": "test", "data": {}, "answers": answers},
        order=[[0], [1]],
        authors={"0": "", "1": "tiny"},
    )


def answer(
    judge: Judge, item: GoldItem, *, is_right: bool, outcome: GoldOutcome = GoldOutcome.SAID
) -> None:
    for is_swapped in (False, True):
        best = (1 if is_swapped else 0) if is_right else (0 if is_swapped else 1)
        scores = {} if outcome != GoldOutcome.SAID else {best: 1.0, 1 - best: 0.0}
        record(
            judge,
            item.pk,
            digest=judge_digest(judge.kind, judge.config),
            is_swapped=is_swapped,
            ballot=Ballot(scores, {}, {}, error="" if scores else "prose"),
            outcome=outcome,
            seconds=0.1,
        )


def test_the_other_order_shows_the_last_seat_first() -> None:
    stored = make_item(1).transcript
    plain, swapped = (transcript_of(stored, is_swapped=turned) for turned in (False, True))
    assert [one.text for one in plain.answers] == ["good 1", "bad"]
    assert [one.text for one in swapped.answers] == ["bad", "good 1"]
    assert [one.seat for one in swapped.answers] == [0, 1]


def test_a_question_counts_once_however_often_its_answer_is_stored() -> None:
    judge, item = make_judge(), make_item(1)
    answer(judge, item, is_right=True)
    answer(judge, item, is_right=False)
    assert GoldAnswer.objects.count() == 2
    assert all(one.preferred == one.right for one in said_in(replies_of(judge)))


def test_a_judge_that_is_wrong_is_quarantined_with_its_figures_and_one_that_is_right_keeps_its_weight() -> (
    None
):
    wrong, right = make_judge("wrong"), make_judge("right")
    for number in range(MIN_ITEMS):
        item = make_item(number)
        answer(wrong, item, is_right=False)
        answer(right, item, is_right=True)
    for judge in (wrong, right):
        recalibrate(judge.pk, floor=FLOOR)
        judge.refresh_from_db()
    assert right.quarantined_at is None
    assert right.trust == 1
    assert wrong.quarantined_at is not None
    row = wrong.quarantines.get()
    assert (row.items, row.kappa) == (MIN_ITEMS, -1)
    assert "the floor is 0.40" in row.reason
    recalibrate(wrong.pk, floor=FLOOR)
    assert wrong.quarantines.count() == 1


def test_a_judge_that_replies_without_a_verdict_is_quarantined_and_one_that_is_away_is_not() -> (
    None
):
    mute, away = make_judge("mute"), make_judge("away")
    for number in range(MIN_ITEMS):
        item = make_item(number)
        answer(mute, item, is_right=True, outcome=GoldOutcome.UNSAID)
        answer(away, item, is_right=True, outcome=GoldOutcome.AWAY)
    for judge in (mute, away):
        recalibrate(judge.pk, floor=FLOOR)
        judge.refresh_from_db()
    assert mute.quarantined_at is not None
    assert away.quarantined_at is None
    assert away.trust == 1
    assert needs_more(away)


def test_a_lifted_judge_is_measured_anew() -> None:
    judge = make_judge()
    for number in range(MIN_ITEMS):
        answer(judge, make_item(number), is_right=False)
    recalibrate(judge.pk, floor=FLOOR)
    lift_quarantine(judge.pk, lifted_by="ann")
    recalibrate(judge.pk, floor=FLOOR)
    judge.refresh_from_db()
    assert judge.quarantined_at is None
    assert judge.trust == 1
    assert judge.quarantines.get().lifted_by == "ann"
    assert replies_of(judge) == []


def test_another_configuration_is_measured_anew() -> None:
    judge = make_judge()
    answer(judge, make_item(1), is_right=False)
    judge.config = {"temperature": 1}
    assert replies_of(judge) == []


def test_a_judge_is_quarantined_once_at_a_time() -> None:
    judge = make_judge()
    quarantine(judge.pk, reason="It sleeps.")
    quarantine(judge.pk, reason="It still sleeps.")
    assert [row.reason for row in judge.quarantines.all()] == ["It sleeps."]


def test_self_preference_is_asked_of_the_base_that_the_judge_reads_with() -> None:
    judge = make_judge()
    answer(judge, make_item(1), is_right=False)
    assert {one.own for one in said_in(replies_of(judge))} == {0}
    assert {one.own for one in said_in(replies_of(judge, own_base="tiny"))} == {1, -1}
