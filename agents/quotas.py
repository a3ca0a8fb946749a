"""How much one owner's agents may keep.

Retired agents count only with weights that never played, until their files are gone: whoever
brings weights, takes them back before the gate and retires the agent pays nothing.
"""

from django.conf import settings
from django.db.models import F, Q, Sum

from agents.errors import Refused
from agents.models import Adapter, AgentVersion, User


def check_versions(owner_id: int) -> None:
    """Refuse one more version with a sentence if the owner's agents have too many."""
    most = settings.ENV.quota_versions
    count = AgentVersion.objects.filter(
        agent__owner_id=owner_id, agent__owner__is_house=False, agent__retired_at=None
    ).count()
    if count >= most:
        raise Refused(
            f"Your agents have {count:,} versions, and {most:,} may be kept. Retire an agent to make "
            "room for more."
        )


def check_room(owner_id: int, *, more_bytes: int = 0) -> None:
    """Refuse to make one more version and its weights with a sentence if there is no room.

    `more_bytes`: of the weights, where their size is known before they are made.
    """
    check_versions(owner_id)
    most = settings.ENV.quota_adapters_mb
    used = stored_bytes(owner_id) / 1e6
    if (used >= most or used + more_bytes / 1e6 > most) and not User.objects.filter(
        id=owner_id, is_house=True
    ).exists():
        raise Refused(
            f"The weights of your agents take {used:,.0f} MB, and {most:,} MB may be kept. Retire an "
            "agent: what it played with no longer counts, and its other weights are deleted within "
            "hours. Or wait: weights not in play are deleted after "
            f"{settings.ENV.retain_adapters_days} days."
        )


def stored_bytes(owner_id: int) -> int:
    """What the owner's weights take on the disk, but for those that a retired agent played with."""
    versions = AgentVersion.objects.filter(agent__owner_id=owner_id).exclude(adapter=None)
    active, retired = (versions.filter(agent__retired_at__isnull=each) for each in (True, False))
    # By the weights: a version with another prompt may have played with them.
    played = retired.filter(
        Q(agent__current_version=F("pk")) | Q(adapter__replaced_at__isnull=False)
    )
    kept = Adapter.objects.filter(
        Q(id__in=active.values("adapter"))
        | Q(id__in=retired.values("adapter")) & ~Q(id__in=played.values("adapter")),
        is_removed=False,
    )
    return kept.aggregate(total=Sum("size_bytes"))["total"] or 0
