"""Pages of ratings: over all Spaces, and without the length of answers."""

import pytest
from django.test import Client

from arena.models import RatingChange
from arena.spaces import lengths
from arena.tests.builders import make_space
from frontend.pages import spaces
from frontend.tests.builders import settled_match
from judges.models import Judge, JudgeKind

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_leaderboard_over_all_spaces_is_in_the_navigation_and_links_each_space(
    client: Client,
) -> None:
    match = settled_match()
    page = client.get("/leaderboard/").content.decode()
    for seat in match.seats.select_related("agent"):
        assert seat.agent.name in page
    assert f'href="/spaces/{match.space.slug}/#board-title"' in page
    assert 'href="/leaderboard/"' in client.get("/matches/").content.decode()
    agent = match.seats.select_related("agent")[0].agent
    assert "Over all Spaces" in client.get(f"/agents/{agent.pk}/").content.decode()


def test_where_a_model_judges_the_page_shows_ratings_without_length(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    spaces.length_controls.clear()
    by_code = settled_match()
    assert "Answer length" not in client.get(f"/spaces/{by_code.space.slug}/").content.decode()
    Judge.objects.create(slug="pairs", name="Pairs", kind=JudgeKind.PAIRWISE)
    panel = [{"judge": "code", "weight": 1.0}, {"judge": "pairs", "weight": 1.0}]
    space = make_space(panel=panel)
    match = settled_match(space, text="Four words stand here.")
    chars = RatingChange.objects.filter(seat__match=match).values_list("answer_chars", flat=True)
    assert list(chars) == [22, 22]
    page = client.get(f"/spaces/{space.slug}/").content.decode()
    assert f"After {lengths.MIN_MATCHES} matches" in page
    monkeypatch.setattr(lengths, "MIN_MATCHES", 1)
    spaces.length_controls.clear()
    page = client.get(f"/spaces/{space.slug}/").content.decode()
    assert "In the last 1 match," in page
    assert "came first 50% of the time, which may be chance" in page
    assert "Without length" in page


def test_a_duels_page_is_reached_from_leaderboards_and_shows_its_matches(client: Client) -> None:
    match = settled_match()
    winner, loser = (seat.agent for seat in match.seats.select_related("agent"))
    board = client.get("/leaderboard/").content.decode()
    assert 'action="/leaderboard/compare/"' in board
    for query in ("", "?one=1", "?one=x&other=2", f"?one={winner.pk}&other={winner.pk}"):
        assert client.get(f"/leaderboard/compare/{query}").headers["Location"] == "/leaderboard/"
    led = client.get(f"/leaderboard/compare/?one={winner.pk}&other={loser.pk}")
    assert led.headers["Location"] == f"/agents/{winner.pk}/against/{loser.pk}/"
    page = client.get(led.headers["Location"]).content.decode()
    assert f'href="/matches/{match.pk}/"' in page
    assert "100%" in page
    assert client.get(f"{led.headers['Location']}?before={match.pk}").status_code == 200
    assert client.get(f"/agents/{winner.pk}/against/{winner.pk}/").status_code == 404
