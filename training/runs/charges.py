"""A run's price: held when the run is queued, charged when it has trained, returned otherwise.

Ids of transfers are derived from the run, so that a repeated step pays once. Except for
`price_of`, everything here runs inside a verb's transaction.
"""

import uuid
from math import ceil

from django.conf import settings

from agents.models import Agent
from arena.credits import ledger
from arena.credits.ledger import MAX_AMOUNT_CREDITS
from arena.models import Account, TransferCode
from training.configs.configs import LearningConfig
from training.methods import method_of
from training.models import TrainingRun

ANSWERS_A_UNIT = 100  # ENV.training_price is for this many answers shown

_NAMESPACE = uuid.UUID("0c6a6a3b-7d0e-4a52-9a3e-4f1f6f0f6d2e")


def price_of(config: LearningConfig, *, pairs: int, tasks: int) -> int:
    """Credits for a run on this many pairs from this many tasks, by the number of answers shown."""
    size = method_of(config).size(config, pairs=pairs, tasks=tasks)
    return ceil(size.answers * config.epochs / ANSWERS_A_UNIT) * settings.ENV.training_price


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
