"""When the learned judge is trained again by itself. docs/decisions/learned-judge.md"""

from datetime import timedelta
from random import SystemRandom

import structlog
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from agents.errors import Refused
from arena.environments.base import EnvironmentFault
from arena.models import Space, SpaceStatus
from judges.models import Judge, JudgeKind, LearnedVersion
from judges.tools import CannotJudge
from training.judging.making import answers_since
from training.judging.training import DEFAULT_SLUG, AlreadyTraining, train_judge
from training.runs.claiming import waiting_runs
from training.worker.child import TrainerDied, TrainerPostponed

MINUTES = 15.0
MIN_NEW_ANSWERS = 500  # in finished rounds since the last training
PAUSE_AFTER_FAILURE = timedelta(hours=12)
_FAILED = "training-of-judge-failed"

log = structlog.get_logger(__name__)


def train_if_due() -> LearnedVersion | None:
    """Train the learned judge if it is due; the new version, adopted or refused.

    For the system, without a user. May run twice: one training on a machine at a time.
    """
    if not is_due():
        return None
    try:
        trained = train_judge(
            minutes=MINUTES, seed=SystemRandom().randrange(2**31), beside_others=False
        )
    except AlreadyTraining:
        return None
    except (
        Refused,
        TrainerDied,
        TrainerPostponed,
        CannotJudge,
        EnvironmentFault,
        OSError,
        ValueError,
    ) as error:
        log.warning("judge_training_failed", problem=str(error))
        cache.set(_FAILED, 1, timeout=PAUSE_AFTER_FAILURE.total_seconds())
        return None
    log.info(
        "judge_trained",
        is_adopted=trained.decision.is_adopted,
        reason=trained.decision.reason,
        kinds=sorted(trained.certified),
    )
    return trained.version


def is_due() -> bool:
    """Whether it sits on a panel, its last training is long past, and much was answered since.

    Runs of agents that wait come first.
    """
    days = settings.ENV.judge_train_days
    judge = Judge.objects.filter(slug=DEFAULT_SLUG, kind=JudgeKind.LEARNED).first()
    if not days or judge is None or not _sits(judge) or cache.get(_FAILED):
        return False
    newest = judge.learned.order_by("-id").first()
    since = newest.created_at if newest else None
    if since and timezone.now() - since < timedelta(days=days):
        return False
    if waiting_runs().exists():
        return False
    return answers_since(since, limit=MIN_NEW_ANSWERS) == MIN_NEW_ANSWERS


def _sits(judge: Judge) -> bool:
    panels = Space.objects.filter(status=SpaceStatus.OPEN).values_list("panel", flat=True)
    return any(chair["judge"] == judge.slug for panel in panels for chair in panel)
