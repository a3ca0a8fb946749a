"""Which of an agent's pairs its next run would learn from."""

from collections.abc import Collection
from functools import reduce
from operator import or_

from django.db.models import Max, Q, QuerySet

from agents.lineage import ancestors
from agents.models import AgentVersion, Engine
from training.models import Pair, TrainingRun

TAUGHT_BY_CODE = Q(
    chosen__seat__agent__engine=Engine.CODE
)  # pairs whose better answer is a coded seat's


def unlearned_pairs(version: AgentVersion, space_ids: Collection[int]) -> QuerySet[Pair]:
    """The agent's pairs of these Spaces that no run in this version's ancestry has learned from.

    What a run taught a version that was rejected or rolled back, this version does not know: those
    pairs are used again, together with newer ones.
    """
    taught = TrainingRun.objects.filter(child_version__in=ancestors(version)).order_by()
    newest = taught.values("space").annotate(last=Max("last_pair_id"))
    learned = dict(newest.values_list("space", "last"))
    wanted = [Q(space=space_id, id__gt=learned.get(space_id) or 0) for space_id in space_ids]
    if not wanted:
        return Pair.objects.none()
    return Pair.objects.filter(reduce(or_, wanted), agent=version.agent_id)
