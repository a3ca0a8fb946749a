"""Which exams a trained version takes: its own Space's, and probes of what it might have lost."""

from random import Random

from django.conf import settings
from django.utils.crypto import salted_hmac

from arena.environments import ENVIRONMENTS
from arena.models import Space, SpaceStatus
from arena.panels.own_base import members_of
from arena.panels.voting import PanelJudge, panel_of
from arena.spaces.tallies import played_weights
from training.gate.sitting import Exam
from training.models import TrainingRun

MAX_PROBED_SPACES = 1  # the oldest: bounds the cost of a gate
# Answers to sums are short: several take the time of one poem, and a small model's pass rate
# needs them.
ARITHMETIC_TASK_FACTOR = 2
ARITHMETIC_MAX_TOKENS = 32
_BY_CODE = [PanelJudge(judge_id=0, slug="code", kind="code", config={}, weight=1.0)]


def asked_answers() -> int:
    """How many answers a gate usually asks for: of both versions, without a second look."""
    probed = MAX_PROBED_SPACES + ARITHMETIC_TASK_FACTOR
    return 2 * (settings.ENV.gate_tasks + probed * settings.ENV.probe_tasks)


def own_exam(run: TrainingRun) -> Exam:
    """ENV.gate_tasks held-out tasks of the run's Space, in the run's own mix of difficulties."""
    return _exam(run.space, settings.ENV.gate_tasks, tuple(run.exam_weights))


def exam_source(run_id: int) -> Random:
    """What the gate of this run draws its tasks from, each time the same ones.

    With the site's key: the next runs' ids can be foreseen, and their tasks must not be, or somebody
    brings weights that know the answers.
    """
    return Random(salted_hmac("training.gate", str(run_id), algorithm="sha256").hexdigest())


def probe_exams(space: Space) -> list[Exam]:
    """ENV.probe_tasks of the oldest other environment that the base model plays, and arithmetic.

    If several Spaces share an environment, the oldest one is used, with the difficulties that it
    plays now.

    Arithmetic is asked whether or not any Space plays it: it is the regression check that stays
    the same as Spaces come and go. Empty if ENV.probe_tasks is 0.
    """
    task_count = settings.ENV.probe_tasks
    if not task_count:
        return []
    oldest: dict[str, Space] = {}
    for other in (
        Space.objects.filter(base_model_id=space.base_model_id, status=SpaceStatus.OPEN)
        .exclude(environment=space.environment)
        .order_by("id")
    ):
        oldest.setdefault(other.environment, other)
    others = list(oldest.values())[:MAX_PROBED_SPACES]
    exams = [_exam(other, task_count, played_weights(other.pk)) for other in others]
    arithmetic = ENVIRONMENTS["arithmetic"]
    played = {space.environment, *(other.environment for other in others)}
    if arithmetic.slug not in played:
        exams.append(
            Exam(
                slug=arithmetic.slug,
                name=arithmetic.name,
                environment=arithmetic,
                panel=_BY_CODE,
                task_count=task_count * ARITHMETIC_TASK_FACTOR,
                max_tokens=ARITHMETIC_MAX_TOKENS,
            )
        )
    return exams


def _exam(space: Space, task_count: int, weights: tuple[float, ...]) -> Exam:
    return Exam(
        slug=space.slug,
        name=space.name,
        environment=ENVIRONMENTS[space.environment],
        panel=panel_of(
            members_of(space),
            environment=space.environment,
        ),
        task_count=task_count,
        max_tokens=space.max_tokens,
        restricts_moves=space.restricts_moves,
        difficulty_weights=weights,
    )
