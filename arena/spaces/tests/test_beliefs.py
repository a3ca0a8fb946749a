"""Ratings of before there was one over all Spaces."""

from math import sqrt

import pytest

from arena.config.tests.rewinding import rewound
from arena.models import OverallRating
from arena.spaces.ratings import Skill
from arena.spaces.trust import starting_skill

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_first_overall_rating_is_what_a_new_agent_would_start_with() -> None:
    with rewound([("agents", "0009_references"), ("arena", "0027_tournaments")]) as apps:
        base = apps.get_model("agents", "BaseModel").objects.create(slug="t", served_name="t")
        owner = apps.get_model("agents", "User").objects.create(username="ann", password="!")
        agents = apps.get_model("agents", "Agent").objects
        mine, house = (
            agents.create(owner=owner, name=name, base_model=base, is_reference=name == "two")
            for name in ("one", "two")
        )
        spaces = [
            apps.get_model("arena", "Space").objects.create(
                slug=slug,
                name=slug,
                environment="constraints",
                base_model=base,
                panel=[],
                entry_fee_credits=0,
                prize_percents=[100],
            )
            for slug in ("a", "b", "c")
        ]
        ratings = apps.get_model("arena", "Rating").objects
        for space, mu, sigma, count in zip(
            spaces, (30, 20, 25), (1, 2, 25 / 3), (8, 3, 0), strict=True
        ):
            for agent in (mine, house):
                ratings.create(agent=agent, space=space, mu=mu, sigma=sigma, match_count=count)
    (row,) = OverallRating.objects.all()
    start = starting_skill([Skill(30, 1), Skill(20, 2)])
    assert row.agent_id == mine.pk
    assert (row.mu, row.sigma) == pytest.approx((start.mu, start.sigma))
    assert row.sigma == pytest.approx(sqrt(2**2 + (25 / 6) ** 2))
    assert row.match_count == 11
