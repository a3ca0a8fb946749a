"""Appeals: who may ask, what the panel's answer does to the fee, and what stays as it is."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.leaving import leave
from agents.models import User
from arena import sweeping
from arena.credits import ledger
from arena.credits.statement import statement_page, wallet_balance
from arena.environments.base import EnvironmentFault
from arena.matches.erasing import erase_answers
from arena.models import Appeal, AppealStatus, Match, RatingChange, Seat, Verdict
from arena.panels.tools import build_tools
from arena.panels.voting import PanelJudge
from arena.queries import appeals_of_judge
from arena.review import appealing, hearing
from arena.review.appealing import appeal
from arena.review.hearing import HEARINGS, hear_appeal
from arena.review.labels import appeal_labels, overruled_pairs
from arena.review.tests.builders import (
    Killed,
    ask,
    judged_match,
    judged_space,
    killed,
    make_judge,
    owner_of,
    panel_says,
)
from arena.spaces.entering import close_space
from arena.tests.builders import at_once, make_match, make_space, make_user
from judges.models import JudgeKind
from judges.panel import combine
from judges.tools import ChatRequest, Reply
from judges.transcript import Ballot
from training.runs.leaving import erase_leavers

# A hearing gives its connections back while judges think.
pytestmark = pytest.mark.django_db(transaction=True)

FEE = 5


def audited() -> None:
    assert ledger.audit().problems == ()


def match_facts(match: Match) -> Any:
    """What an appeal must never change."""
    match.refresh_from_db()
    return (
        match.seq,
        match.head_digest,
        list(Seat.objects.filter(match=match).values("rank", "score", "prize_credits")),
        list(RatingChange.objects.filter(seat__match=match).values("mu_after", "sigma_after")),
        list(Verdict.objects.filter(round__match=match).values("scores", "ranking")),
    )


def test_a_changed_order_returns_the_fee_and_leaves_the_match_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = judged_match()
    user_id, _ = owner_of(match)
    before, facts = wallet_balance(user_id).available, match_facts(match)
    panels = panel_says(monkeypatch, {0: 0.2, 1: 0.8})
    asked = ask(match)
    assert wallet_balance(user_id).held == FEE
    hear_appeal(asked.pk)
    asked.refresh_from_db()
    assert (asked.status, asked.reversed_pairs) == (AppealStatus.GRANTED, [[1, 0]])
    assert [judge.slug for judge in panels[0]] == ["second"]
    assert asked.is_other_panel
    assert asked.votes.get().reasons == {"0": "Said of 0.", "1": "Said of 1."}
    assert wallet_balance(user_id) == ledger.Balance(available=before, held=0)
    assert match_facts(match) == facts
    audited()


def test_an_order_that_stands_costs_the_fee(monkeypatch: pytest.MonkeyPatch) -> None:
    match = judged_match()
    user_id, _ = owner_of(match)
    before = wallet_balance(user_id).available
    panel_says(monkeypatch, {0: 0.8, 1: 0.2})
    hear_appeal(ask(match).pk)
    assert Appeal.objects.get().status == AppealStatus.DENIED
    assert wallet_balance(user_id) == ledger.Balance(available=before - FEE, held=0)
    line = statement_page(user_id).lines[0]
    assert (line.title, line.match_id, line.change_credits) == ("Appeal fee", match.pk, -FEE)
    audited()


def test_judges_who_all_abstain_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    match = judged_match()
    user_id, _ = owner_of(match)
    before = wallet_balance(user_id).available
    panel_says(monkeypatch, None)
    hear_appeal(ask(match).pk)
    heard = Appeal.objects.get()
    assert (heard.status, heard.votes.get().error) == (AppealStatus.UNHEARD, "no endpoint")
    assert wallet_balance(user_id) == ledger.Balance(available=before, held=0)
    assert statement_page(user_id).lines[0].title == "Appeal fee returned"
    audited()


def test_the_same_judges_are_asked_again_elsewhere_where_there_are_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = judged_match(judged_space("first"))
    panels = panel_says(monkeypatch, {0: 0.2, 1: 0.8})
    hear_appeal(ask(match).pk)
    assert [judge.slug for judge in panels[0]] == ["first"]
    assert not Appeal.objects.get().is_other_panel


def test_another_panel_that_agrees_too_little_changes_no_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = judged_match(judged_space("first", "second", "third", least_agreement=0.5))
    opinions = iter(({0: 0.1, 1: 0.9}, {0: 0.6, 1: 0.4}))

    async def judge_transcript(panel: Sequence[PanelJudge], *_: Any) -> Any:
        votes = [(judge, Ballot(next(opinions), {}, {}), 0.1) for judge in panel]
        return votes, combine([(judge.weight, ballot) for judge, ballot, _ in votes])

    monkeypatch.setattr(hearing, "judge_transcript", judge_transcript)
    hear_appeal(ask(match).pk)
    heard = Appeal.objects.get()
    assert (heard.status, heard.ranking) == (AppealStatus.DENIED, [[0, 1]])


def test_the_same_question_is_put_to_another_endpoint() -> None:
    asked: list[ChatRequest] = []

    async def complete(request: ChatRequest) -> Reply:
        asked.append(request)
        return Reply("A")

    tools = hearing.elsewhere(replace(build_tools(), complete=complete))

    async def ask() -> None:
        await tools.complete(ChatRequest([], max_tokens=1))

    asyncio.run(ask())
    assert [request.is_repeat for request in asked] == [True]


def test_a_second_request_finds_the_first_and_holds_no_second_fee() -> None:
    match = judged_match()
    first, second = ask(match), ask(match)
    assert first.pk == second.pk
    assert wallet_balance(owner_of(match)[0]).held == FEE
    with pytest.raises(IntegrityError):
        Appeal.objects.create(
            round=first.round,
            seat=first.seat,
            user=first.user,
            fee_credits=1,
            hold_id=first.hold_id,
        )


def test_two_clicks_at_once_hold_one_fee() -> None:
    match = judged_match()
    found = at_once(*[lambda: ask(match)] * 3)
    assert len({each.pk for each in found}) == 1
    assert wallet_balance(owner_of(match)[0]).held == FEE
    audited()


def code_decided() -> Match:
    make_space()
    return judged_match(judged_space("first"), judge="code")


def formula_decided() -> Match:
    make_judge("formula", JudgeKind.POEM)
    return judged_match(make_space(panel=[{"judge": "formula", "weight": 1.0}]), judge="formula")


def long_ago() -> Match:
    match = judged_match()
    Match.objects.update(finished_at=timezone.now() - timedelta(hours=49))
    return match


def tied() -> Match:
    match = judged_match()
    Verdict.objects.update(ranking=[[0, 1]])
    return match


def with_a_leaver() -> Match:
    match = judged_match()
    User.objects.filter(id=owner_of(match, 0)[0]).update(leaving_since=timezone.now())
    return match


def of_a_pauper() -> Match:
    space = judged_space(entry_fee_credits=100, prize_percents=[100, 0])
    return judged_match(space)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (code_decided, "Code decided"),
        (formula_decided, "fixed formulas"),
        (long_ago, "for 48 hours"),
        (with_a_leaver, "has left"),
        (tied, "no order to change"),
        (of_a_pauper, "Not enough credits"),
    ],
)
def test_what_cannot_be_appealed_is_refused_in_words(
    make: Callable[[], Match], reason: str
) -> None:
    match = make()
    with pytest.raises(Refused, match=reason):
        ask(match)
    assert not Appeal.objects.exists()
    audited()


def test_only_who_sat_in_the_match_can_appeal() -> None:
    match = judged_match()
    with pytest.raises(NotAvailable):
        appeal(make_user().pk, agent_id=owner_of(match)[1], match_id=match.pk, number=1)
    user_id, agent_id = owner_of(match)
    with pytest.raises(NotAvailable):
        appeal(user_id, agent_id=agent_id, match_id=match.pk, number=9)


def test_a_round_that_is_still_judged_cannot_be_appealed() -> None:
    match = make_match(judged_space())
    user_id, agent_id = owner_of(match)
    with pytest.raises(NotAvailable):
        appeal(user_id, agent_id=agent_id, match_id=match.pk, number=1)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (hearing, "transcript_of"),
        (hearing, "judge_transcript"),
        (hearing, "decide_appeal"),
        (hearing, "_rank"),
        (hearing, "keep_fee"),
        (ledger, "_insert"),
        (ledger, "_add"),
    ],
)
def test_a_hearing_that_dies_at_any_line_is_taken_up_again_and_paid_once(
    module: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    match = judged_match()
    user_id, _ = owner_of(match)
    before = wallet_balance(user_id).available
    asked = ask(match)
    with monkeypatch.context() as dying:
        if name != "judge_transcript":
            panel_says(dying, {0: 0.8, 1: 0.2})
        dying.setattr(module, name, killed)
        with pytest.raises(Killed):
            hear_appeal(asked.pk)
    asked.refresh_from_db()
    assert (asked.status, asked.votes.count()) == (AppealStatus.WAITING, 0)
    assert wallet_balance(user_id).held == FEE
    audited()
    panels = panel_says(monkeypatch, {0: 0.8, 1: 0.2})
    hear_appeal(asked.pk)  # the dead worker's lease still runs
    assert panels == []
    Appeal.objects.update(lease_expires_at=None, created_at=timezone.now() - timedelta(hours=1))
    assert sweeping.appeals_to_hear() == [asked.pk]
    hear_appeal(asked.pk)
    hear_appeal(asked.pk)
    asked.refresh_from_db()
    assert (asked.status, asked.votes.count(), len(panels)) == (AppealStatus.DENIED, 1, 1)
    assert wallet_balance(user_id) == ledger.Balance(available=before - FEE, held=0)
    audited()


@pytest.mark.parametrize("name", ["hold", "nudge_on_commit"])
def test_a_request_that_dies_holds_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    match = judged_match()
    module = ledger if name == "hold" else appealing
    with monkeypatch.context() as dying:
        dying.setattr(module, name, killed)
        with pytest.raises(Killed):
            ask(match)
    assert not Appeal.objects.exists()
    assert wallet_balance(owner_of(match)[0]).held == 0
    assert ask(match).status == AppealStatus.WAITING


def test_a_hearing_that_keeps_dying_ends_with_the_fee_returned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = judged_match()
    asked = ask(match)
    panels = panel_says(monkeypatch, {0: 0.2, 1: 0.8})
    Appeal.objects.update(attempts=HEARINGS)
    hear_appeal(asked.pk)
    asked.refresh_from_db()
    assert (asked.status, panels) == (AppealStatus.UNHEARD, [])
    assert wallet_balance(owner_of(match)[0]).held == 0
    audited()


def test_a_fault_of_the_environment_puts_the_hearing_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise EnvironmentFault("Its process ended.")

    asked = ask(judged_match())
    monkeypatch.setattr(hearing, "transcript_of", broken)
    hear_appeal(asked.pk)
    asked.refresh_from_db()
    assert (asked.status, asked.attempts) == (AppealStatus.WAITING, 1)


def test_an_appeal_of_who_leaves_ends_and_its_fee_is_given_up_with_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = judged_match()
    asked = ask(match)
    user = User.objects.get(id=owner_of(match)[0])
    user.set_password("a long password")
    user.save()
    leave(user.pk, password="a long password")
    assert erase_leavers() == 1
    asked.refresh_from_db()
    assert asked.status == AppealStatus.UNHEARD
    assert wallet_balance(user.pk) == ledger.Balance(available=0, held=0)
    panels = panel_says(monkeypatch, {0: 0.2, 1: 0.8})
    hear_appeal(asked.pk)
    assert panels == []
    audited()


def test_what_another_panel_said_of_a_leavers_answer_is_erased(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = judged_match()
    panel_says(monkeypatch, {0: 0.2, 1: 0.8})
    asked = ask(match)
    hear_appeal(asked.pk)
    owner = User.objects.get(id=owner_of(match, 0)[0])
    erase_answers(owner)
    assert asked.votes.get().reasons == {"1": "Said of 1."}
    assert list(appeal_labels()) == []


def test_an_appeal_whose_opponent_leaves_meanwhile_is_returned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = judged_match()
    asked = ask(match)
    panels = panel_says(monkeypatch, {0: 0.2, 1: 0.8})
    User.objects.filter(id=owner_of(match, 0)[0]).update(leaving_since=timezone.now())
    hear_appeal(asked.pk)
    asked.refresh_from_db()
    assert (asked.status, panels) == (AppealStatus.UNHEARD, [])
    audited()


def test_an_appeal_is_heard_although_its_space_has_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    match = judged_match()
    asked = ask(match)
    close_space(match.space_id)
    panel_says(monkeypatch, {0: 0.8, 1: 0.2})
    hear_appeal(asked.pk)
    asked.refresh_from_db()
    assert asked.status == AppealStatus.DENIED
    assert wallet_balance(owner_of(match)[0]).held == 0
    audited()


def test_a_granted_appeal_is_a_label_and_counts_against_the_judge_that_was_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = judged_match()
    panel_says(monkeypatch, {0: 0.2, 1: 0.8})
    asked = ask(match)
    hear_appeal(asked.pk)
    assert overruled_pairs([asked.round_id]) == {asked.round_id: frozenset({(1, 0)})}
    (label,) = appeal_labels()
    assert (label.better, label.worse) == ("Answer 1 of round 1.", "Answer 0 of round 1.")
    first = appeals_of_judge("first")
    assert (first.heard, first.overruled) == (1, 1)
    assert appeals_of_judge("second").heard == 0
