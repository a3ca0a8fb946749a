"""Judges in a list, and one with its figures, its Spaces and its history."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from django.utils import timezone

from agents.errors import NotAvailable
from arena.models import Space
from arena.panels.own_base import bases_of
from judges.calibration.figures import MIN_ITEMS, Bias, Kappa
from judges.calibration.records import NEVER_MEASURED
from judges.models import CalibrationPoint, Judge
from judges.versions import prompts_of

POINTS_WITHIN = timedelta(days=365)


class JudgeStanding(StrEnum):
    """What is known of a judge."""

    BY_DESIGN = "by_design"  # it is not measured: it checks by code, or is a control
    NEW = "new"  # too few items so far
    MEASURED = "measured"
    QUARANTINED = "quarantined"


@dataclass(frozen=True)
class JudgeSummary:
    """A judge in a list."""

    slug: str
    name: str
    kind: str
    description: str
    standing: JudgeStanding
    trust: float
    kappa: Kappa | None
    items_needed: int  # before anything follows from its kappa
    spaces: tuple[tuple[str, str], ...]  # slug and name of those that seat it


@dataclass(frozen=True)
class Point:
    """A judge's figures at the end of one day."""

    day: date
    kappa: Kappa | None
    biases: Mapping[str, Bias]  # "position", "length", "own_model"
    unsaid_share: float | None
    away_share: float
    seconds_median: float | None
    seconds_slow: float | None
    cost_micros: int


@dataclass(frozen=True)
class QuarantineLine:
    """A time in which it could not vote."""

    reason: str
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class JudgeVersionLine:
    """The judge as it stood from some day on."""

    number: int
    config: str  # as JSON
    prompt_digest: str
    since: datetime


@dataclass(frozen=True)
class JudgeView:
    """A judge's page, without the rounds that it judged."""

    summary: JudgeSummary
    bases: tuple[str, ...]  # names of the agents' base models that it runs on itself
    config: str  # as JSON; empty: it has none
    prompts: tuple[tuple[str, str], ...]  # name and text of those that its kind sends
    versions: tuple[JudgeVersionLine, ...]  # the newest first
    points: tuple[Point, ...]  # the oldest first
    quarantines: tuple[QuarantineLine, ...]  # the newest first

    @property
    def newest(self) -> Point | None:
        return self.points[-1] if self.points else None


def judge_summaries() -> tuple[JudgeSummary, ...]:
    """All judges, those that sit somewhere first."""
    judges = list(Judge.objects.order_by("id"))
    newest = {
        row.judge_id: row
        for row in CalibrationPoint.objects.order_by("judge_id", "-day").distinct("judge_id")
    }
    seats = _seats()
    found = [_summary(row, newest.get(row.pk), seats.get(row.slug, ())) for row in judges]
    return tuple(sorted(found, key=lambda line: not line.spaces))


def judge_view(slug: str) -> JudgeView:
    """One judge. Raises NotAvailable."""
    row = Judge.objects.filter(slug=slug).first()
    if row is None:
        raise NotAvailable("There is no such judge.")
    since = timezone.now().date() - POINTS_WITHIN
    points = list(row.calibration_points.filter(day__gt=since).order_by("day"))
    return JudgeView(
        summary=_summary(row, points[-1] if points else None, _seats().get(slug, ())),
        bases=bases_of(row),
        config=_as_json(row.config),
        prompts=prompts_of(row.kind),
        versions=tuple(
            JudgeVersionLine(one.number, _as_json(one.config), one.prompt_digest, one.created_at)
            for one in row.versions.order_by("-number")[:20]
        ),
        points=tuple(_point(point) for point in points),
        quarantines=tuple(
            QuarantineLine(one.reason, one.created_at, one.lifted_at)
            for one in row.quarantines.order_by("-id")[:20]
        ),
    )


def _as_json(config: Mapping[str, object]) -> str:
    return json.dumps(config, indent=2, ensure_ascii=False) if config else ""


def _seats() -> dict[str, tuple[tuple[str, str], ...]]:
    """By a judge's slug, the Spaces that seat it."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    rows: Iterable[Space] = Space.objects.order_by("id").only("slug", "name", "panel")
    for space in rows:
        for chair in space.panel:
            slug = str(chair["judge"])
            found[slug] = (*found.get(slug, ()), (space.slug, space.name))
    return found


def _summary(
    row: Judge, newest: CalibrationPoint | None, spaces: tuple[tuple[str, str], ...]
) -> JudgeSummary:
    kappa = _kappa(newest) if newest else None
    if row.quarantined_at is not None:
        standing = JudgeStanding.QUARANTINED
    elif row.kind in NEVER_MEASURED:
        standing = JudgeStanding.BY_DESIGN
    else:
        standing = JudgeStanding.MEASURED if kappa and kappa.is_enough else JudgeStanding.NEW
    return JudgeSummary(
        slug=row.slug,
        name=row.name,
        kind=row.kind,
        description=row.description,
        standing=standing,
        trust=row.trust,
        kappa=kappa,
        items_needed=MIN_ITEMS,
        spaces=spaces,
    )


def _kappa(row: CalibrationPoint) -> Kappa | None:
    if row.kappa is None or row.kappa_low is None or row.kappa_high is None:
        return None
    return Kappa(row.kappa, row.kappa_low, row.kappa_high, row.items)


def _point(row: CalibrationPoint) -> Point:
    return Point(
        day=row.day,
        kappa=_kappa(row),
        biases={name: Bias(**values) for name, values in row.biases.items()},
        unsaid_share=row.unsaid_share,
        away_share=row.away_share,
        seconds_median=row.seconds_median,
        seconds_slow=row.seconds_slow,
        cost_micros=row.cost_micros,
    )
