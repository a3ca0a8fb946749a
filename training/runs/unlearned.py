"""Which of an agent's pairs its next run would learn from."""

from django.db.models import Max, Q, QuerySet

from agents.lineage import ancestors
from agents.models import AgentVersion, Engine
from training.models import Pair, TrainingRun

TAUGHT_BY_CODE = Q(
    chosen__seat__agent__engine=Engine.CODE
)  # pairs whose better answer is a coded seat's


def unlearned_pairs(version: AgentVersion, space_id: int) -> QuerySet[Pair]:
    """The agent's pairs that no run in this version's ancestry has learned from.

    What a run taught a version that was rejected or rolled back, this version does not know: those
    pairs are used again, together with newer ones.
    """
    learned = TrainingRun.objects.filter(
        space_id=space_id, child_version__in=ancestors(version)
    ).aggregate(last=Max("last_pair_id"))["last"]
    return Pair.objects.filter(agent=version.agent_id, space_id=space_id, id__gt=learned or 0)
