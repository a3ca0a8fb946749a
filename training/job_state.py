"""The states of a training run and the moves between them, as data. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class RunStatus(StrEnum):
    """queued -> training -> evaluating -> adopted | rejected; failed or cancelled from any."""

    QUEUED = "queued"
    TRAINING = "training"
    EVALUATING = "evaluating"
    ADOPTED = "adopted"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in LIVE_STATUSES


class RunEvent(StrEnum):
    """What happens to a run."""

    CLAIM = "claim"  # a worker takes it, or takes it over from one that died
    TRAINED = "trained"
    ADOPT = "adopt"
    REJECT = "reject"
    FAIL = "fail"
    CANCEL = "cancel"


class IllegalMove(Exception):
    """The event cannot happen in this state."""


# A run taken over while training starts over; while evaluating it is evaluated again.
TRANSITIONS: Mapping[tuple[RunStatus, RunEvent], RunStatus] = MappingProxyType(
    {
        (RunStatus.QUEUED, RunEvent.CLAIM): RunStatus.TRAINING,
        (RunStatus.TRAINING, RunEvent.CLAIM): RunStatus.TRAINING,
        (RunStatus.EVALUATING, RunEvent.CLAIM): RunStatus.EVALUATING,
        (RunStatus.TRAINING, RunEvent.TRAINED): RunStatus.EVALUATING,
        (RunStatus.EVALUATING, RunEvent.ADOPT): RunStatus.ADOPTED,
        (RunStatus.EVALUATING, RunEvent.REJECT): RunStatus.REJECTED,
    }
    | {
        (status, event): result
        for status in (RunStatus.QUEUED, RunStatus.TRAINING, RunStatus.EVALUATING)
        for event, result in (
            (RunEvent.FAIL, RunStatus.FAILED),
            (RunEvent.CANCEL, RunStatus.CANCELLED),
        )
    }
)

LIVE_STATUSES = frozenset(status for status, _ in TRANSITIONS)


def advance(status: RunStatus, event: RunEvent) -> RunStatus:
    """The state after the event. Raises IllegalMove."""
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise IllegalMove(f"A run that is {status} cannot {event}.") from None
