"""Which Spaces are judged by more than code, so that opinions on their answers say something."""

from django.db.models import QuerySet

from arena.models import Space
from judges.models import Judge, JudgeKind

MEASURING = (JudgeKind.CODE, JudgeKind.COIN)  # rules that anybody can check, and chance


def is_judged(space_id: int) -> bool:
    """Whether a judge of the Space's panel has an opinion, rather than a rule."""
    panel = Space.objects.values_list("panel", flat=True).get(id=space_id)
    slugs = [each["judge"] for each in panel]
    return Judge.objects.filter(slug__in=slugs).exclude(kind__in=MEASURING).exists()


def judged_spaces() -> QuerySet[Space]:
    """Those Spaces, whether they take entries or not."""
    slugs = Judge.objects.exclude(kind__in=MEASURING).values_list("slug", flat=True)
    named = Space.objects.none()
    for slug in slugs:
        named = named | Space.objects.filter(panel__contains=[{"judge": slug}])
    return named.order_by("id")
