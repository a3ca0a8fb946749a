"""What the staff see and change of judges: configurations, versions, endpoints, what they cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from agents.errors import NotAvailable
from arena.access import require_staff
from arena.models import Space
from arena.panels.asking import server_of
from judges import versions
from judges.call import KINDS
from judges.endpoints import breaker
from judges.endpoints.spending import MICROS, this_month
from judges.models import Endpoint, EndpointMonth, Judge
from judges.tools import CannotJudge


@dataclass(frozen=True)
class StaffJudge:
    """A judge as it stands."""

    slug: str
    name: str
    kind: str
    config: Mapping[str, Any]
    version: int | None  # the newest one's number
    version_at: datetime | None
    is_quarantined: bool
    trust: float


@dataclass(frozen=True)
class StaffEndpoint:
    """An endpoint and what it was asked this month, without its key."""

    id: int
    slug: str
    model: str
    is_active: bool
    has_key: bool
    is_resting: bool
    last_problem: str
    last_problem_at: datetime | None
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    monthly_cap: Decimal | None


@dataclass(frozen=True)
class JudgeOffice:
    """All judges, all endpoints."""

    judges: tuple[StaffJudge, ...]
    endpoints: tuple[StaffEndpoint, ...]


def judge_office(staff_id: int) -> JudgeOffice:
    """Raises NotAvailable for everybody who is not of the staff."""
    require_staff(staff_id)
    judges = Judge.objects.prefetch_related("versions").order_by("name")
    months = {
        month.endpoint_id: month for month in EndpointMonth.objects.filter(month=this_month())
    }
    return JudgeOffice(
        tuple(_staff_judge(judge) for judge in judges),
        tuple(
            _staff_endpoint(row, months.get(row.pk)) for row in Endpoint.objects.order_by("slug")
        ),
    )


def staff_judge(staff_id: int, slug: str) -> StaffJudge:
    """Raises NotAvailable."""
    require_staff(staff_id)
    return _staff_judge(_judge(slug))


def panel_spaces(staff_id: int) -> tuple[tuple[str, str], ...]:
    """(slug, name) of the Spaces on whose rounds a judge can be tried."""
    require_staff(staff_id)
    return tuple(Space.objects.order_by("name").values_list("slug", "name"))


def configure_judge(staff_id: int, *, slug: str, kind: str, config: Mapping[str, Any]) -> int:
    """Give the judge another kind or configuration; its version's number. Raises BadConfig."""
    require_staff(staff_id)
    if kind not in KINDS:
        raise NotAvailable("There is no such kind of judge.")
    return versions.configure(_judge(slug).pk, kind=kind, config=config).number


def _judge(slug: str) -> Judge:
    row = Judge.objects.prefetch_related("versions").filter(slug=slug).first()
    if row is None:
        raise NotAvailable("There is no such judge.")
    return row


def _staff_judge(judge: Judge) -> StaffJudge:
    newest = max(judge.versions.all(), key=lambda version: version.number, default=None)
    return StaffJudge(
        slug=judge.slug,
        name=judge.name,
        kind=judge.kind,
        config=judge.config,
        version=newest.number if newest else None,
        version_at=newest.created_at if newest else None,
        is_quarantined=judge.quarantined_at is not None,
        trust=judge.trust,
    )


def _staff_endpoint(row: Endpoint, month: EndpointMonth | None) -> StaffEndpoint:
    return StaffEndpoint(
        id=row.pk,
        slug=row.slug,
        model=row.model,
        is_active=row.is_active,
        has_key=bool(row.sealed_key),
        is_resting=_is_resting(row),
        last_problem=row.last_problem,
        last_problem_at=row.last_problem_at,
        requests=month.requests if month else 0,
        prompt_tokens=month.prompt_tokens if month else 0,
        completion_tokens=month.completion_tokens if month else 0,
        cost=Decimal(month.cost_micros if month else 0) / MICROS,
        monthly_cap=row.monthly_cap,
    )


def _is_resting(row: Endpoint) -> bool:
    try:
        return breaker.is_resting(server_of(row).health)
    except CannotJudge:
        return False  # its key can no longer be read, so it is not asked at all
