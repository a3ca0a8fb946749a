"""Every change of a rating is explained in one sentence."""

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from arena.queries import Competitor, RatingStep, SeatView
from frontend.rating_words import explained
from frontend.templatetags import ui
from frontend.tests.builders import settled_match

NAMES = ("Quill", "Heron", "Otter", "Ferry")


def seat(index: int, place: int, mu: float, change: float, **changes: Any) -> SeatView:
    step = RatingStep(
        mu_before=mu,
        sigma_before=3.0,
        widened_sigma=None,
        mu_after=mu + change,
        sigma_after=2.0,
        weight=1.0,
        is_fixed=False,
        overall_mu_before=None,
        overall_mu_after=None,
    )
    return SeatView(
        index=index,
        competitor=Competitor(index, NAMES[index], "ann", is_house=False, is_coded=False),
        version_number=1,
        has_adapter=False,
        scores=(),
        total=0.0,
        standing=place,
        rank=place,
        is_silent=False,
        prize_credits=0,
        rating=replace(step, **changes),
    )


def sentences(*seats: SeatView) -> list[str]:
    return [line.sentence for line in explained(seats)]


def test_a_gain_names_those_beaten_above_and_a_loss_those_below() -> None:
    lines = sentences(
        seat(2, 4, 20.0, -0.7), seat(0, 1, 25.0, 1.2), seat(1, 2, 28.0, 1.0), seat(3, 3, 30.0, -2.0)
    )
    known = "its rating is now known to within 3.9."
    assert lines == [
        f"Quill gained 1.2 points: it beat two agents rated above it; {known}",
        f"Heron gained 1.0 point: it beat one agent rated above it; {known}",
        f"Ferry lost 2.0 points: it lost to two agents rated below it; {known}",
        f"Otter lost 0.7 points: it lost to three agents; {known}",
    ]


def test_draws_little_changes_new_versions_and_references_are_said() -> None:
    (drawn, other) = sentences(seat(0, 1, 20.0, 0.5), seat(1, 1, 30.0, -0.5))
    assert "it drew with one agent;" in drawn
    assert "it drew with one agent;" in other
    (little, _) = sentences(seat(0, 1, 40.0, 0.01), seat(1, 2, 10.0, -0.01))
    assert little.startswith("Quill stayed at 40.0: its place was about what")
    (familiar, _) = sentences(seat(0, 1, 40.0, 0.01, weight=0.1), seat(1, 2, 10.0, -0.01))
    assert "whose owners are new count little" in familiar
    (version, _) = sentences(seat(0, 1, 25.0, 1.0, widened_sigma=4.0), seat(1, 2, 25.0, -1.0))
    assert version.endswith("within 3.9, after its new version had widened that to 7.8.")
    (fixed, _) = sentences(seat(0, 1, 25.0, 0.0, is_fixed=True), seat(1, 2, 25.0, -1.0))
    assert fixed == "Quill stays at 25.0: its strength never changes, so others are measured by it."


def test_intervals_before_and_after_share_one_axis_and_silent_seats_are_left_out() -> None:
    silent = replace(seat(2, 3, 25.0, 0.0), rating=None)
    first, second = explained([seat(0, 1, 25.0, 1.0), seat(1, 2, 25.0, -1.0), silent])
    assert first.before == second.before
    assert first.after.width < first.before.width
    assert first.after.mean > second.after.mean
    assert [other.index for other in first.opponents] == [1]


@pytest.mark.django_db(transaction=True)
def test_a_matchs_page_says_why_each_rating_moved_and_leads_to_the_duel(client: Client) -> None:
    match = settled_match()
    winner, loser = (one.agent for one in match.seats.select_related("agent"))
    page = client.get(f"/matches/{match.pk}/").content.decode()
    assert f"{winner.name} gained" in page
    assert f"{loser.name} lost" in page
    assert f'href="/agents/{winner.pk}/against/{loser.pk}/"' in page
    assert "Over all Spaces" in page


@pytest.mark.parametrize(
    ("value", "words"), [(-3.14, "−3.1"), (-0.04, "0.0"), (-0.0, "0.0"), (0.06, "0.1")]
)
def test_a_figure_below_zero_has_a_minus_sign_and_a_rounded_zero_none(
    value: float, words: str
) -> None:
    assert ui.fixed(value) == words
    assert ui.signed(value, 1).removeprefix("+") == words
    assert explained([seat(0, 1, value, 0.0)])[0].sentence.startswith(f"Quill stayed at {words}:")


def test_a_figure_of_unknown_size_has_a_minus_sign_and_zero_none() -> None:
    assert [ui.figure(value) for value in (-0.0123, -0.0, -1234.5)] == ["−0.0123", "0", "−1,234"]
