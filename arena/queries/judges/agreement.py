"""How far the judges of a Space agree, match by match."""

from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from arena.models import Match, Verdict
from arena.states import MatchStatus

MAX_MATCHES = 100  # the newest of a Space


@dataclass(frozen=True)
class SpaceAgreement:
    """Krippendorff's alpha of a Space's newest rounds that several judges voted on."""

    by_match: tuple[float, ...]  # the mean of each match's rounds, the oldest match first
    round_count: int
    split_count: int  # rounds whose judges agreed too little

    @property
    def mean(self) -> float:
        return fmean(self.by_match)


def space_agreement(space_id: int) -> SpaceAgreement | None:
    """From the Space's newest matches; None if no two judges have voted on one round."""
    newest = (
        Match.objects.filter(space_id=space_id, status=MatchStatus.SETTLED, is_practice=False)
        .order_by("-id")
        .values("id")[:MAX_MATCHES]
    )
    rows = list(
        Verdict.objects.filter(round__match__in=newest, alpha__isnull=False)
        .order_by("round__match_id")
        .values_list("round__match_id", "alpha", "is_split")
    )
    if not rows:
        return None
    matches = [list(rounds) for _, rounds in groupby(rows, key=lambda row: row[0])]
    return SpaceAgreement(
        by_match=tuple(fmean(alpha or 0.0 for _, alpha, _ in rounds) for rounds in matches),
        round_count=len(rows),
        split_count=sum(is_split for _, _, is_split in rows),
    )
