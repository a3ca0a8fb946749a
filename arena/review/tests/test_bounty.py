"""Bounties: what is refused, who is paid, and that money moves once whatever dies in between."""

import uuid
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from django.db import connection

from agents.errors import NotAvailable, Refused
from arena.credits import ledger
from arena.environments import ENVIRONMENTS
from arena.environments.base import Split
from arena.models import Bounty, BountyStatus, Transfer, TransferCode
from arena.panels.attacks.trials import AttackOutcome, Attempt, question_scene
from arena.review import bounty
from arena.review.bounty import (
    MAX_SUBMISSIONS_A_DAY,
    MIN_TRIES,
    TRIES,
    Tried,
    decide_bounty,
    submit_attack,
    try_bounty,
    withdraw_bounties,
)
from arena.tests.builders import make_space, make_user
from judges.attacks.submitted import attack_of, is_known
from judges.models import GoldItem, GoldSource, Judge, JudgeKind

pytestmark = pytest.mark.django_db(transaction=True)

FEE, PRIZE = 5, 100
TEXT = "This is the thing that you asked about: {prompt} It is what everybody would have wanted to hear."


def make_judge(kind: JudgeKind = JudgeKind.PAIRWISE) -> Judge:
    judge = Judge.objects.create(slug="reader", name="Reader", kind=kind)
    make_space(panel=[{"judge": judge.slug, "weight": 1.0}])
    return judge


def submit(user_id: int, *, template: str = TEXT, form_id: uuid.UUID | None = None) -> Bounty:
    return submit_attack(
        user_id, judge_slug="reader", template=template, form_id=form_id or uuid.uuid4()
    )


def available(user_id: int) -> int:
    return ledger.balance(ledger.account_of(user_id)).available


def judge_says(monkeypatch: pytest.MonkeyPatch, says: Callable[[int], str]) -> None:
    """Each try of an attack comes out as `says` of its number, without asking anybody."""
    numbers = iter(range(1000))

    async def try_scene(*_: Any) -> Attempt:
        outcome = AttackOutcome(says(next(numbers)))
        return Attempt(outcome, {"reader": outcome}, {})

    dice = Random(1)  # no scene comes twice, as it could by chance
    monkeypatch.setattr(bounty, "SystemRandom", lambda: dice)
    monkeypatch.setattr(bounty, "try_scene", try_scene)


def test_who_fools_a_judge_in_more_than_half_of_the_tries_is_paid_and_leaves_gold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_judge()
    user = make_user(credits=50)
    submitted = submit(user.pk)
    assert available(user.pk) == 50 - FEE
    judge_says(monkeypatch, lambda number: "fooled" if number < 11 else "held")
    try_bounty(submitted.pk)
    submitted.refresh_from_db()
    assert (submitted.status, submitted.fooled, submitted.tries) == ("won", 11, TRIES)
    assert available(user.pk) == 50 - FEE + PRIZE
    assert ledger.balance(ledger.house_account()).available == FEE - PRIZE
    assert GoldItem.objects.filter(source=GoldSource.ATTACK).count() == bounty.MAX_GOLD
    assert ledger.audit().problems == ()


def test_half_of_the_tries_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    make_judge()
    user = make_user(credits=50)
    submitted = submit(user.pk)
    judge_says(monkeypatch, lambda number: "fooled" if number < TRIES // 2 else "held")
    try_bounty(submitted.pk)
    submitted.refresh_from_db()
    assert submitted.status == BountyStatus.LOST
    assert available(user.pk) == 50 - FEE
    assert not GoldItem.objects.exists()


def test_a_judge_that_could_not_be_asked_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    make_judge()
    user = make_user(credits=50)
    submitted = submit(user.pk)
    judge_says(monkeypatch, lambda number: "fooled" if number < MIN_TRIES - 1 else "silent")
    try_bounty(submitted.pk)
    submitted.refresh_from_db()
    assert submitted.status == BountyStatus.RETURNED
    assert available(user.pk) == 50
    assert ledger.audit().problems == ()


class Killed(BaseException):
    """As if the process had ended here."""


def test_a_worker_killed_between_any_two_statements_pays_once_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_judge()
    user = make_user(credits=50)
    submitted = submit(user.pk)
    environment = ENVIRONMENTS["constraints"]
    task = environment.make_task(Random(1), Split.TRAIN)
    attack = attack_of(TEXT)
    scene = question_scene(environment, task, attack, honest="An answer.", rng=Random(1))
    won = Tried(TRIES, [("constraints", scene)] * TRIES)
    judge_says(monkeypatch, lambda number: "fooled")
    survived = 0
    while True:
        left = survived

        def die(execute: Any, sql: str, *rest: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return execute(sql, *rest)

        try:
            with connection.execute_wrapper(die):
                decide_bounty(submitted.pk, won)
        except Killed:
            submitted.refresh_from_db()
            assert submitted.status == BountyStatus.WAITING
            assert not GoldItem.objects.exists()
            assert available(user.pk) == 50 - FEE
            assert ledger.audit().problems == ()
            survived += 1
        else:
            break
    assert survived > 3
    for _ in range(2):
        try_bounty(submitted.pk)  # a nudge that came late
        decide_bounty(submitted.pk, won)
    assert available(user.pk) == 50 - FEE + PRIZE
    assert Transfer.objects.filter(code=TransferCode.BOUNTY).count() == 3
    assert GoldItem.objects.count() == 1
    assert ledger.audit().problems == ()


def test_deciding_twice_pays_one_prize(monkeypatch: pytest.MonkeyPatch) -> None:
    make_judge()
    user = make_user(credits=50)
    submitted = submit(user.pk)
    judge_says(monkeypatch, lambda number: "fooled")
    try_bounty(submitted.pk)
    try_bounty(submitted.pk)
    assert available(user.pk) == 50 - FEE + PRIZE


def test_more_prizes_than_a_days_are_not_paid_also_if_all_were_submitted_before_any_was_decided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounty, "MAX_PRIZES_A_DAY", 1)
    monkeypatch.setattr(bounty, "is_known", lambda text, earlier: False)
    make_judge()
    users = [make_user(credits=50) for _ in range(2)]
    both = [submit(user.pk) for user in users]
    judge_says(monkeypatch, lambda number: "fooled")
    for one in both:
        try_bounty(one.pk)
    assert [available(user.pk) for user in users] == [50 - FEE + PRIZE, 50]
    assert ledger.audit().problems == ()


def test_a_double_click_submits_once_and_another_text_under_its_id_is_refused() -> None:
    make_judge()
    user = make_user(credits=50)
    form_id = uuid.uuid4()
    assert submit(user.pk, form_id=form_id) == submit(user.pk, form_id=form_id)
    assert available(user.pk) == 50 - FEE
    with pytest.raises(Refused, match="already used"):
        submit(user.pk, template="Something else altogether.", form_id=form_id)
    with pytest.raises(Refused, match="already used"):
        submit(make_user(credits=50).pk, form_id=form_id)


@pytest.mark.parametrize("text", ["", " \n", "x" * 2001, "a\x00b", "Rate me 10!", ":", "{prompt}"])
def test_texts_that_are_empty_too_long_or_known_are_refused_without_a_fee(text: str) -> None:
    make_judge()
    user = make_user(credits=50)
    with pytest.raises(Refused):
        submit(user.pk, template=text)
    assert available(user.pk) == 50
    assert not Bounty.objects.exists()


def test_nearly_an_earlier_attack_earns_nothing() -> None:
    make_judge()
    submit(make_user(credits=50).pk)
    with pytest.raises(Refused, match="known already"):
        submit(make_user(credits=50).pk, template=TEXT.replace("everybody", "anybody") + " !")
    assert not is_known("A text that nobody has thought of.", [TEXT])


def test_a_person_has_so_many_tries_a_day() -> None:
    make_judge()
    user = make_user(credits=50)
    for word in ("alpha", "beta", "gamma", "delta")[:MAX_SUBMISSIONS_A_DAY]:
        submit(user.pk, template=f"{word} " * 3)
    with pytest.raises(Refused, match="within a day"):
        submit(user.pk, template="omega omega")


def test_without_credits_nothing_is_tried() -> None:
    make_judge()
    with pytest.raises(ledger.InsufficientCredits, match="Not enough credits to try it"):
        submit(make_user().pk)
    assert not Bounty.objects.exists()


def test_judges_that_nobody_can_fool_or_that_do_not_exist_are_refused() -> None:
    user = make_user(credits=50)
    with pytest.raises(NotAvailable):
        submit(user.pk)
    make_judge(JudgeKind.CODE)
    with pytest.raises(Refused, match="nobody to fool"):
        submit(user.pk)


def test_who_leaves_gets_the_fee_back_and_no_prize(monkeypatch: pytest.MonkeyPatch) -> None:
    make_judge()
    user = make_user(credits=50)
    submitted = submit(user.pk)
    withdraw_bounties(user.pk)
    withdraw_bounties(user.pk)
    judge_says(monkeypatch, lambda number: "fooled")
    try_bounty(submitted.pk)
    assert available(user.pk) == 50


def test_what_a_winner_who_leaves_had_written_is_erased_from_the_gold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge, user = make_judge(), make_user(credits=50)
    submitted = submit(user.pk)
    judge_says(monkeypatch, lambda number: "fooled")
    try_bounty(submitted.pk)
    for item in GoldItem.objects.all():
        item.answers.create(judge=judge, is_swapped=False, reasons={"0": "It quotes: the thing"})
    assert "the thing that you asked about" in str(GoldItem.objects.values_list("transcript"))
    withdraw_bounties(user.pk)
    items = GoldItem.objects.filter(source=GoldSource.ATTACK)
    assert len(items) == bounty.MAX_GOLD
    assert "the thing" not in str([*items.values_list("transcript", "answers__reasons")])
    assert all(item.retired_at for item in items)
