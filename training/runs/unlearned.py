"""Which of an agent's pairs its next run would learn from."""

from django.db.models import F, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from agents.lineage import ancestors
from agents.models import AgentVersion
from training.models import Pair, TrainingRun


def unlearned_pairs(version: AgentVersion, space_id: int) -> QuerySet[Pair]:
    """The agent's pairs that no run in this version's ancestry has learned from.

    What a run taught a version that was rejected or rolled back, this version does not know: those
    pairs are used again, together with newer ones.
    """
    learned = TrainingRun.objects.filter(
        space_id=space_id, child_version__in=ancestors(version)
    ).aggregate(last=Max("last_pair_id"))["last"]
    return Pair.objects.filter(agent=version.agent_id, space_id=space_id, id__gt=learned or 0)


def new_pairs() -> QuerySet[Pair]:
    """Pairs newer than their agent's last run in their Space, whatever its outcome."""
    last = (
        TrainingRun.objects.filter(agent=OuterRef("agent"), space=OuterRef("space"))
        .order_by("-last_pair_id")
        .values("last_pair_id")[:1]
    )
    return Pair.objects.annotate(spent=Coalesce(Subquery(last), 0)).filter(id__gt=F("spent"))
