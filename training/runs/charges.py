"""A run's price: held when the run is queued, charged when it has trained.

A run that ends before that pays for the work it used and gets the rest back; a fault of ours costs
its owner nothing (see training.runs.moves).

Ids of transfers are derived from the run, so that a repeated step pays once. What moves credits
runs inside a verb's transaction.
"""

import uuid
from math import ceil

from django.conf import settings
from django.db.models import Sum

from agents.models import Agent
from arena.credits import ledger
from arena.credits.ledger import MAX_AMOUNT_CREDITS
from arena.models import Account, Transfer, TransferCode, TransferKind
from training.configs.configs import LearningConfig
from training.methods import method_of
from training.models import TrainingRun

ANSWERS_A_UNIT = 100  # ENV.training_price is for this many answers shown

_NAMESPACE = uuid.UUID("0c6a6a3b-7d0e-4a52-9a3e-4f1f6f0f6d2e")


def answers_of(config: LearningConfig, *, pairs: int, tasks: int) -> int:
    """Answers shown, over all epochs, by a run on this many pairs from this many tasks."""
    return method_of(config).size(config, pairs=pairs, tasks=tasks).answers * config.epochs


def price_of(answers: int) -> int:
    """Credits for a run that shows this many answers."""
    return ceil(answers / ANSWERS_A_UNIT) * settings.ENV.training_price


def used_credits(run: TrainingRun) -> int:
    """What the run's work so far costs of its price.

    A practice answer costs as much as an answer shown once, a turn of a practised episode as well;
    those of its opponents cost nothing. Trained steps cost their share of the rest.
    """
    if not run.priced_answers:
        return 0
    own = run.rollouts.filter(is_own=True).count()
    drawn = ceil(run.price_credits * own / run.priced_answers)
    drawn = min(drawn, run.price_credits)
    done, steps = run.progress.get("furthest_step", 0), run.progress.get("steps", 0)
    return drawn + ((run.price_credits - drawn) * min(done, steps) // steps if steps else 0)


def paid_credits(run: TrainingRun) -> int | None:
    """What the run has cost its owner in the end; None while its price is held."""
    rows = Transfer.objects.filter(reference=_reference(run))
    moved: dict[str, int] = dict(rows.values_list("kind").annotate(Sum("amount_credits")))
    is_open = TransferKind.PENDING in moved and not moved.keys() & {
        TransferKind.POST,
        TransferKind.VOID,
    }
    if is_open:
        return None
    return moved.get(TransferKind.POST, 0) - moved.get(TransferKind.POSTED, 0)


def available_credits(agent: Agent) -> int:
    """Credits that the agent's owner could pay now; the house can pay anything."""
    if agent.owner.is_house:
        return MAX_AMOUNT_CREDITS
    account = Account.objects.filter(owner=agent.owner).first()
    return ledger.balance(account).available if account else 0


def hold(run: TrainingRun) -> None:
    """Set the price aside. Raises InsufficientCredits."""
    if run.price_credits:
        ledger.hold(
            _hold_id(run),
            debit=_payer(run),
            credit=ledger.fees_account(),
            amount=run.price_credits,
            code=TransferCode.TRAINING,
            reference=_reference(run),
        )


def charge(run: TrainingRun) -> None:
    """Turn the hold into the arena's income."""
    if run.price_credits:
        ledger.post(
            uuid.uuid5(_hold_id(run), "post"),
            pending_id=_hold_id(run),
            reference=_reference(run),
        )


def charge_used(run: TrainingRun) -> None:
    """Charge for the work so far and release the rest of the hold."""
    if used := used_credits(run):
        ledger.post(
            uuid.uuid5(_hold_id(run), "post"),
            pending_id=_hold_id(run),
            amount=used,
            reference=_reference(run),
        )
    else:
        give_back(run)


def give_back(run: TrainingRun) -> None:
    """Release the hold."""
    if run.price_credits:
        ledger.void(
            uuid.uuid5(_hold_id(run), "void"),
            pending_id=_hold_id(run),
            reference=_reference(run),
        )


def refund(run: TrainingRun) -> None:
    """Refund a charged price."""
    if run.price_credits:
        ledger.transfer(
            uuid.uuid5(_hold_id(run), "refund"),
            debit=ledger.fees_account(),
            credit=_payer(run),
            amount=run.price_credits,
            code=TransferCode.REFUND,
            reference=_reference(run),
        )


def _payer(run: TrainingRun) -> Account:
    owner = run.agent.owner
    return ledger.house_account() if owner.is_house else ledger.account_of(owner.pk)


def _hold_id(run: TrainingRun) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, f"run:{run.pk}")


def _reference(run: TrainingRun) -> str:
    return f"run:{run.pk}"
