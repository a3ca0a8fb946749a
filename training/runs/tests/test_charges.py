"""What runs cost: held, charged or given back, once, whatever happens and however often."""

from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from agents.models import Agent
from agents.roster import retire_agent
from arena.credits import ledger
from arena.credits.ledger import InsufficientCredits, audit
from arena.leases import LeaseLost
from arena.models import Account, Round, Space, Transfer, TransferCode, TransferKind
from arena.tests.builders import at_once
from training.methods.dpo import DPOConfig
from training.methods.grpo import GRPOConfig
from training.models import Rollout, TrainingRun
from training.runs.charges import answers_of, price_of
from training.runs.claiming import MAX_ATTEMPTS, claim_next
from training.runs.lease import Lease, move_run
from training.runs.starting import HeldUp, Remedy, next_runs, request_run, start_due_runs
from training.runs.steering import cancel_run, cancel_runs_of_retired, pause_run
from training.states import RunEvent, RunStatus
from training.tests.builders import CREDITS, make_agent, make_pairs_for, make_space
from training.tests.scripted import expire

pytestmark = pytest.mark.django_db
PRICE = 50  # credits for each 100 answers shown


@pytest.fixture(autouse=True)
def _dear(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.runs.nudges.nudge", lambda *nudge, **options: None)
    monkeypatch.setattr(settings.ENV, "training_price", PRICE)
    monkeypatch.setattr(settings.ENV, "training_pairs", 8)


def make_due(**changes: Any) -> tuple[Agent, Space]:
    agent, space = make_agent(**changes), make_space()
    make_pairs_for(agent, count=8, space=space)
    return agent, space


def make_run() -> TrainingRun:
    agent, space = make_due()
    return request_run(agent.owner_id, agent_id=agent.pk, space_id=space.pk)


def wallet(agent: Agent) -> tuple[int, int]:
    """Available and held credits of the agent's owner, in books that add up."""
    assert audit().problems == ()
    balance = ledger.balance(Account.objects.get(owner=agent.owner))
    return balance.available, balance.held


def spend(agent: Agent, *, leave: int) -> None:
    with transaction.atomic():
        account = ledger.account_of(agent.owner_id)
        ledger.transfer(
            uuid4(),
            debit=account,
            credit=ledger.fees_account(),
            amount=ledger.balance(account).available - leave,
            code=TransferCode.ENTRY_FEE,
        )


def claim() -> Lease:
    lease = claim_next()
    assert lease is not None
    return lease


@pytest.mark.parametrize(
    ("config", "price"),
    [
        (DPOConfig(epochs=1), PRICE),  # 48 pairs: 96 answers
        (DPOConfig(epochs=3), 3 * PRICE),  # 288
        (GRPOConfig(rollouts=8, epochs=2), 6 * PRICE),  # 32 tasks: 512
    ],
)
def test_a_price_counts_the_answers_shown(config: Any, price: int) -> None:
    assert price_of(answers_of(config, pairs=48, tasks=32)) == price


def test_a_queued_run_holds_its_price_and_a_trained_one_pays_it() -> None:
    run = make_run()
    assert run.price_credits == PRICE  # 8 pairs, 3 epochs: 48 answers
    assert wallet(run.agent) == (CREDITS - PRICE, PRICE)
    move_run(claim(), RunEvent.TRAINED)
    assert wallet(run.agent) == (CREDITS - PRICE, 0)
    assert ledger.balance(ledger.fees_account()).available == PRICE


def test_a_run_in_groups_is_priced_by_the_tasks_there_are() -> None:
    agent, space = make_due(learning={"method": "grpo", "rollouts": 10, "share": 0, "epochs": 2})
    run = request_run(agent.owner_id, agent_id=agent.pk, space_id=space.pk)
    assert (run.method, run.price_credits) == ("grpo", 2 * PRICE)  # 8 tasks: 160 answers


def test_failing_gives_a_held_price_back() -> None:
    run = make_run()
    move_run(claim(), RunEvent.FAIL, reason="Nothing to learn.")
    assert wallet(run.agent) == (CREDITS, 0)


def test_a_run_that_is_given_up_gives_its_price_back() -> None:
    run = make_run()
    for _ in range(MAX_ATTEMPTS):
        claim()
        expire(run)
    assert claim_next() is None
    assert wallet(run.agent) == (CREDITS, 0)


def practised(run: TrainingRun, *, answers: int) -> None:
    one = Round.objects.filter(pairs__agent=run.agent).first()
    Rollout.objects.bulk_create(
        Rollout(
            run=run,
            version=run.parent_version,
            round=one,
            index=index,
            prompt_token_ids=[1],
            token_ids=[1],
            logprobs=[-0.5],
            finish_reason="stop",
            sampling={},
        )
        for index in range(answers)
    )


def make_practising() -> TrainingRun:
    """Its price of 100 is for 160 answers shown, in two epochs."""
    agent, space = make_due(learning={"method": "grpo", "rollouts": 10, "share": 0, "epochs": 2})
    return request_run(agent.owner_id, agent_id=agent.pk, space_id=space.pk)


def test_the_turns_of_opponents_in_practised_episodes_cost_nothing() -> None:
    run = make_practising()
    claim()
    practised(run, answers=40)
    Rollout.objects.filter(index__gte=20).update(episode=1, seat=1, is_own=False)
    cancel_run(run.agent.owner_id, run_id=run.pk)
    assert wallet(run.agent) == (CREDITS - 13, 0), "20 of the 160 answers that 100 credits are for"


def test_a_run_on_a_game_is_priced_by_the_episodes_there_are() -> None:
    """An opening is played from each side, and a position of each episode is practised."""
    agent, space = make_due(learning={"method": "grpo", "rollouts": 10, "share": 0, "epochs": 2})
    Round.objects.filter(pairs__agent=agent).update(task_key="one opening", turn_limit=5)
    run = request_run(agent.owner_id, agent_id=agent.pk, space_id=space.pk)
    assert run.price_credits == 2 * PRICE


@pytest.mark.parametrize("end", ["cancelled", "paused", "retired", "failed by its owner"])
def test_drawn_answers_are_paid_for_however_the_owner_ends_the_run(end: str) -> None:
    run = make_practising()
    owner_id, lease = run.agent.owner_id, claim()
    practised(run, answers=40)
    match end:
        case "failed by its owner":
            move_run(lease, RunEvent.FAIL, is_owners_fault=True, reason="Nothing to learn.")
        case "retired":
            retire_agent(owner_id, agent_id=run.agent_id)
            cancel_runs_of_retired()
        case "paused":
            pause_run(owner_id, run_id=run.pk)
            cancel_run(owner_id, run_id=run.pk)
        case _:
            cancel_run(owner_id, run_id=run.pk)
    assert wallet(run.agent) == (CREDITS - 25, 0)
    assert ledger.balance(ledger.fees_account()).available == 25


def test_drawn_answers_cost_nothing_after_a_fault_of_ours() -> None:
    run = make_practising()
    lease = claim()
    practised(run, answers=40)
    move_run(lease, RunEvent.FAIL, reason="The machine was lost.")
    assert wallet(run.agent) == (CREDITS, 0)


def test_trained_steps_cost_their_share_of_what_practice_left() -> None:
    run = make_practising()
    claim()
    practised(run, answers=40)
    TrainingRun.objects.update(progress={"steps": 3, "step": 1, "furthest_step": 1})
    cancel_run(run.agent.owner_id, run_id=run.pk)
    assert wallet(run.agent) == (CREDITS - 25 - 75 // 3, 0)


def test_a_run_never_costs_more_than_its_price() -> None:
    run = make_practising()
    claim()
    practised(run, answers=200)
    TrainingRun.objects.update(progress={"steps": 3, "step": 3, "furthest_step": 3})
    cancel_run(run.agent.owner_id, run_id=run.pk)
    assert wallet(run.agent) == (CREDITS - 100, 0)


def test_a_version_that_never_answers_is_paid_for() -> None:
    run = make_run()
    lease = claim()
    move_run(lease, RunEvent.TRAINED)
    move_run(lease, RunEvent.FAIL, is_owners_fault=True, reason="It never answered.")
    assert wallet(run.agent) == (CREDITS - PRICE, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "step", ["arena.credits.ledger._insert", "training.runs.moves.announce_run"]
)
def test_a_cancel_that_dies_midway_has_moved_nothing_and_pays_once_when_repeated(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_practising()
    claim()
    practised(run, answers=40)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(step, die)
        with pytest.raises(KeyboardInterrupt):
            cancel_run(run.agent.owner_id, run_id=run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.TRAINING
    assert wallet(run.agent) == (CREDITS - 100, 100)
    cancel_run(run.agent.owner_id, run_id=run.pk)
    assert wallet(run.agent) == (CREDITS - 25, 0)


def test_failing_after_the_training_refunds_what_was_charged() -> None:
    run = make_run()
    lease = claim()
    move_run(lease, RunEvent.TRAINED)
    move_run(lease, RunEvent.FAIL, reason="No server could load it.")
    assert wallet(run.agent) == (CREDITS, 0)
    assert ledger.balance(ledger.fees_account()).available == 0


@pytest.mark.parametrize("status", ["queued", "training", "paused"])
def test_retiring_an_agent_ends_its_run_and_frees_the_price(status: str) -> None:
    run, other = make_run(), make_run()
    if status == "training":
        claim()
    elif status == "paused":
        pause_run(run.agent.owner_id, run_id=run.pk)
    retire_agent(run.agent.owner_id, agent_id=run.agent_id)
    cancel_runs_of_retired()
    for each in (run, other):
        each.refresh_from_db()
    assert (run.status, run.reason) == (RunStatus.CANCELLED, "Its agent was retired.")
    assert wallet(run.agent) == (CREDITS, 0)
    assert other.status == RunStatus.QUEUED


def test_cancelling_gives_back_what_is_held_and_not_what_was_charged() -> None:
    first, second = make_run(), make_run()
    cancel_run(first.agent.owner_id, run_id=first.pk)
    assert wallet(first.agent) == (CREDITS, 0)
    move_run(claim(), RunEvent.TRAINED)
    cancel_run(second.agent.owner_id, run_id=second.pk)
    assert wallet(second.agent) == (CREDITS - PRICE, 0)


def test_a_paused_run_keeps_its_hold() -> None:
    run = make_run()
    pause_run(run.agent.owner_id, run_id=run.pk)
    assert wallet(run.agent) == (CREDITS - PRICE, PRICE)
    cancel_run(run.agent.owner_id, run_id=run.pk)
    assert wallet(run.agent) == (CREDITS, 0)


def test_a_rejected_version_is_paid_for() -> None:
    run = make_run()
    lease = claim()
    move_run(lease, RunEvent.TRAINED)
    move_run(lease, RunEvent.REJECT)
    assert wallet(run.agent) == (CREDITS - PRICE, 0)


def test_without_credits_a_request_is_refused_with_a_sentence() -> None:
    agent, space = make_due()
    spend(agent, leave=PRICE - 1)
    with pytest.raises(
        InsufficientCredits, match=r"Not enough credits to train\. Credits needed: 50"
    ):
        request_run(agent.owner_id, agent_id=agent.pk, space_id=space.pk)
    assert not TrainingRun.objects.exists()
    assert wallet(agent) == (PRICE - 1, 0)


def test_without_credits_a_run_does_not_start_by_itself_and_says_why() -> None:
    agent, _ = make_due()
    assert next_runs(agent.pk, viewer=agent.owner_id).held_up is None
    spend(agent, leave=3)
    assert start_due_runs() == []
    sentence = f"{agent.name} has enough pairs to train, which costs 50 credits; you have 3."
    assert next_runs(agent.pk, viewer=agent.owner_id).held_up == HeldUp(sentence, Remedy.CREDITS)


def test_who_cannot_pay_keeps_nobody_else_from_starting() -> None:
    poor = [make_due()[0] for _ in range(4)]
    for agent in poor:
        spend(agent, leave=0)
    rich, _ = make_due()
    (run_id,) = start_due_runs(limit=1)
    assert TrainingRun.objects.get(id=run_id).agent == rich


def test_the_house_trains_on_its_own_account() -> None:
    agent, space = make_due()
    agent.owner.is_house = True
    agent.owner.save()
    request_run(agent.owner_id, agent_id=agent.pk, space_id=space.pk)
    assert next_runs(agent.pk, viewer=agent.owner_id).held_up is None
    assert ledger.balance(ledger.house_account()).held == PRICE
    assert audit().problems == ()


def test_a_run_that_costs_nothing_moves_nothing(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "training_price", 0)
    run = make_run()
    move_run(claim(), RunEvent.TRAINED)
    assert wallet(run.agent) == (CREDITS, 0)


@pytest.mark.django_db(transaction=True)
def test_a_cancel_and_the_end_of_training_at_once_agree_on_the_price() -> None:
    for _ in range(5):
        run = make_run()
        lease = claim()
        at_once(
            partial(move_run, lease, RunEvent.TRAINED),
            partial(cancel_run, run.agent.owner_id, run_id=run.pk),
        )
        run.refresh_from_db()
        assert run.status == RunStatus.CANCELLED
        resolution = Transfer.objects.get(reference=f"run:{run.pk}", pending__isnull=False)
        spent = PRICE if resolution.kind == TransferKind.POST else 0
        assert wallet(run.agent) == (CREDITS - spent, 0)


@pytest.mark.django_db(transaction=True)
def test_two_agents_of_one_owner_at_once_do_not_overdraw_the_wallet() -> None:
    first, space = make_due()
    second = make_agent()
    second.owner = first.owner
    second.save()
    make_pairs_for(second, count=8, space=space)
    spend(first, leave=PRICE)
    outcomes = at_once(
        *[
            partial(request_run, agent.owner_id, agent_id=agent.pk, space_id=space.pk)
            for agent in (first, second)
        ]
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "InsufficientCredits",
        "TrainingRun",
    ]
    assert wallet(first) == (0, PRICE)


@pytest.mark.django_db(transaction=True)
def test_two_ends_of_one_run_at_once_pay_once() -> None:
    run = make_run()
    lease = claim()
    outcomes = at_once(*[partial(move_run, lease, RunEvent.FAIL, reason="Broke.")] * 3)
    assert sum(isinstance(outcome, LeaseLost) for outcome in outcomes) == 2
    assert wallet(run.agent) == (CREDITS, 0)
