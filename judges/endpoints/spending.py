"""What endpoints cost: each request is counted at its bound before it is sent, then at its cost.

So a monthly cap holds for any number of workers, and a worker that is killed, or a reply that never
comes, leaves the bound standing: the server may have charged for it.
"""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from judges.endpoints.models import Endpoint, EndpointMonth

MICROS = 1_000_000


@dataclass(frozen=True)
class Reserved:
    """A request that may be sent."""

    endpoint_id: int
    month: date
    bound_micros: int


def cost_micros(
    prompt_tokens: int, completion_tokens: int, *, prompt_price: Decimal, completion_price: Decimal
) -> int:
    """Millionths of the currency, rounded up; prices are for a million tokens."""
    cost = prompt_tokens * prompt_price + completion_tokens * completion_price
    return int(cost.to_integral_value(rounding=ROUND_CEILING))


def reserve(endpoint_id: int, *, bound_micros: int) -> Reserved | None:
    """Count a request at its bound; None if the endpoint's cap of this month leaves no room for it.

    For the system, without a user.
    """
    month = this_month()
    with transaction.atomic(durable=True):
        row, _ = EndpointMonth.objects.get_or_create(endpoint_id=endpoint_id, month=month)
        room = EndpointMonth.objects.filter(id=row.pk)
        cap = Endpoint.objects.values_list("monthly_cap", flat=True).get(id=endpoint_id)
        if cap is not None:
            room = room.filter(cost_micros__lte=int(cap * MICROS) - bound_micros)
        counted = room.update(
            cost_micros=F("cost_micros") + bound_micros, requests=F("requests") + 1
        )
    return Reserved(endpoint_id, month, bound_micros) if counted else None


def settle(
    reserved: Reserved, *, cost_micros: int, prompt_tokens: int = 0, completion_tokens: int = 0
) -> None:
    """Count a request at what it cost; 0 if the server refused it."""
    EndpointMonth.objects.filter(endpoint_id=reserved.endpoint_id, month=reserved.month).update(
        cost_micros=F("cost_micros") + cost_micros - reserved.bound_micros,
        prompt_tokens=F("prompt_tokens") + prompt_tokens,
        completion_tokens=F("completion_tokens") + completion_tokens,
    )


def this_month() -> date:
    """Its first day, in UTC."""
    return timezone.now().date().replace(day=1)
