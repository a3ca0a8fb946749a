"""What training's rows store: a pair's source, the states of runs and exports, and a run's moves. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

# In place of a method's name: the version was brought by its owner, and the run is its gate alone.
UPLOAD = "upload"


class PairSource(StrEnum):
    """Where an agent's own answer stands in its pair."""

    OWN_CHOSEN = "own_chosen"  # the agent's answer beat another seat's
    OWN_REJECTED = "own_rejected"  # another seat's answer beat the agent's


class RunStatus(StrEnum):
    """queued -> training -> evaluating -> adopted | offered | rejected.

    Paused and back to queued, failed or cancelled from any of the first three.
    """

    QUEUED = "queued"
    TRAINING = "training"
    EVALUATING = "evaluating"
    PAUSED = "paused"
    ADOPTED = "adopted"
    OFFERED = "offered"  # passed the gate; the owner decides
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in LIVE_STATUSES


class RunEvent(StrEnum):
    """What happens to a run."""

    CLAIM = "claim"  # a worker takes it, perhaps from one that died
    TRAINED = "trained"
    ADOPT = "adopt"
    OFFER = "offer"
    REJECT = "reject"
    FAIL = "fail"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"


class ExportState(StrEnum):
    """waiting -> writing -> whole -> expired; failed from either of the first two.

    What failed or expired waits again if its owner asks for it.
    """

    WAITING = "waiting"
    WRITING = "writing"
    WHOLE = "whole"
    FAILED = "failed"
    EXPIRED = "expired"  # its files are deleted


LIVE_EXPORTS = frozenset({ExportState.WAITING, ExportState.WRITING})
REPEATABLE_EXPORTS = frozenset({ExportState.FAILED, ExportState.EXPIRED})


class IllegalRunEvent(Exception):
    """The event cannot happen in this state."""


CLAIMABLE_STATUSES = frozenset({RunStatus.QUEUED, RunStatus.TRAINING, RunStatus.EVALUATING})
LIVE_STATUSES = CLAIMABLE_STATUSES | {RunStatus.PAUSED}

# A run taken over while training continues from its last checkpoint; one taken over while
# evaluating is evaluated again.
TRANSITIONS: Mapping[tuple[RunStatus, RunEvent], RunStatus] = MappingProxyType(
    {
        (RunStatus.QUEUED, RunEvent.CLAIM): RunStatus.TRAINING,
        (RunStatus.TRAINING, RunEvent.CLAIM): RunStatus.TRAINING,
        (RunStatus.EVALUATING, RunEvent.CLAIM): RunStatus.EVALUATING,
        (RunStatus.TRAINING, RunEvent.TRAINED): RunStatus.EVALUATING,
        (RunStatus.EVALUATING, RunEvent.ADOPT): RunStatus.ADOPTED,
        (RunStatus.EVALUATING, RunEvent.OFFER): RunStatus.OFFERED,
        (RunStatus.EVALUATING, RunEvent.REJECT): RunStatus.REJECTED,
        (RunStatus.OFFERED, RunEvent.ADOPT): RunStatus.ADOPTED,
        (RunStatus.OFFERED, RunEvent.REJECT): RunStatus.REJECTED,
        (RunStatus.QUEUED, RunEvent.PAUSE): RunStatus.PAUSED,
        (RunStatus.TRAINING, RunEvent.PAUSE): RunStatus.PAUSED,
        # Not while evaluating: an evaluation is short and ends by itself.
        (RunStatus.PAUSED, RunEvent.RESUME): RunStatus.QUEUED,
    }
    | {
        (status, event): result
        for status in LIVE_STATUSES
        for event, result in (
            (RunEvent.FAIL, RunStatus.FAILED),
            (RunEvent.CANCEL, RunStatus.CANCELLED),
        )
    }
)


def advance(status: RunStatus, event: RunEvent) -> RunStatus:
    """The state after the event. Raises IllegalRunEvent."""
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise IllegalRunEvent(f"A run that is {status} cannot {event}.") from None
