"""What every installation starts with can be played at once, and is created once."""

import pytest

from agents.models import Agent, Engine, User
from arena.models import Space
from arena.seeding import SPACES, seed
from judges.models import Judge

pytestmark = pytest.mark.django_db(transaction=True)


def test_seeding_twice_creates_everything_once_and_keeps_changes() -> None:
    seed()
    Space.objects.filter(slug="constraints").update(entry_fee_credits=99)
    seed()
    assert Space.objects.count() == len(SPACES)
    assert Space.objects.get(slug="constraints").entry_fee_credits == 99
    assert User.objects.filter(is_house=True).count() == 1


def test_seeded_spaces_are_valid_and_seat_judges_that_exist() -> None:
    seed()
    for space in Space.objects.all():
        space.full_clean()
        for seat in space.panel:
            assert Judge.objects.filter(slug=seat["judge"]).exists()


def test_the_house_can_fill_every_seat_but_one_and_does_not_train() -> None:
    seed()
    house = Agent.objects.filter(owner__is_house=True)
    most_seats = max(space.seat_count for space in Space.objects.all())
    assert house.filter(engine=Engine.MODEL).count() >= most_seats - 2
    assert house.filter(engine=Engine.CODE).exists()
    assert not house.filter(is_training_enabled=True).exists()


def test_nobody_can_log_in_as_the_house() -> None:
    seed()
    assert not User.objects.get(is_house=True).has_usable_password()
