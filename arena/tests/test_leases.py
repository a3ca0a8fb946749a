"""One rule for holding a row for a while: matches, judgings and training runs."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from arena import leases
from arena.models import Match
from arena.tests.builders import make_match

pytestmark = pytest.mark.django_db(transaction=True)

PAST, FUTURE = timedelta(seconds=-1), timedelta(seconds=60)
AN_HOUR = timedelta(hours=1)  # by which a clock was set back since the lease was taken


def make_row(*, owner: uuid.UUID | None, expires_in: timedelta | None) -> Match:
    match = make_match()
    match.lease_owner = owner
    match.lease_expires_at = timezone.now() + expires_in if expires_in else None
    match.save()
    return match


@pytest.mark.parametrize(
    ("is_owned", "expires_in", "is_free", "is_expired"),
    [
        (False, None, True, True),
        (True, PAST, True, True),
        (True, FUTURE, False, False),
        (True, AN_HOUR, True, True),
        (False, FUTURE, True, False),  # given back: it rests, and who asks for it may have it
    ],
)
def test_a_row_is_free_without_an_owner_and_sought_when_it_has_expired(
    is_owned: bool, expires_in: timedelta | None, is_free: bool, is_expired: bool
) -> None:
    row = make_row(owner=uuid.uuid4() if is_owned else None, expires_in=expires_in)
    assert leases.is_free(row) == is_free
    assert leases.is_expired(row) == is_expired
    assert Match.objects.filter(leases.expired()).exists() == is_expired


def test_only_its_owner_renews_a_row_or_gives_it_back() -> None:
    owner, other = uuid.uuid4(), uuid.uuid4()
    row = make_row(owner=owner, expires_in=FUTURE)
    rows = Match.objects.filter(id=row.id)
    until = timezone.now() + timedelta(hours=1)
    with pytest.raises(leases.LeaseLost):
        leases.renew(rows, other, until=until)
    leases.give_back(rows, other, until=until)
    assert rows.filter(lease_owner=owner, lease_expires_at__lt=until).exists()
    leases.renew(rows, owner, until=until, attempts=7)
    assert rows.filter(lease_owner=owner, lease_expires_at=until, attempts=7).exists()
    leases.give_back(rows, owner, until=until)
    assert rows.filter(lease_owner=None, lease_expires_at=until).exists()
    with pytest.raises(leases.LeaseLost):
        leases.renew(rows, owner, until=until)
