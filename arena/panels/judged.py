"""Which Spaces are judged by more than code, so that opinions on their answers say something."""

from django.db.models import QuerySet

from arena.models import Space
from judges.models import Judge, JudgeKind

MEASURING = (JudgeKind.CODE, JudgeKind.COIN)  # rules that anybody can check, and chance


def judged_spaces() -> QuerySet[Space]:
    """Spaces with a judge that has an opinion, rather than a rule; whether they take entries or not."""
    slugs = Judge.objects.exclude(kind__in=MEASURING).values_list("slug", flat=True)
    named = Space.objects.none()
    for slug in slugs:
        named = named | Space.objects.filter(panel__contains=[{"judge": slug}])
    return named.order_by("id")
