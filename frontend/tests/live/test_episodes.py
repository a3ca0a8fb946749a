"""What a page shows of an episode, and what each move costs those who watch."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from arena.environments import ENVIRONMENTS
from arena.environments.base import BoardView, Position
from arena.environments.tests.small_games import Count
from arena.matches import play
from arena.matches.runner import task_of
from arena.models import Completion, Match
from arena.queries import round_view
from arena.tests.builders import decide, make_match, make_space
from frontend import drawings
from frontend.templatetags.ui import task_kind
from frontend.tests.live.episodes import PlayedEpisode

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"


class LongBoard(Count):
    """Thirty turns on a board of six rows and seven columns."""

    slug, name = "longboard", "Long board"
    turn_limit = 30

    def to_move(self, position: Position) -> tuple[int, ...]:
        return () if position["total"] >= self.turn_limit else (position["mover"],)

    def view(self, position: Position) -> BoardView:  # type: ignore[override]
        marks = ["XO"[cell % 2] if cell < position["total"] else "" for cell in range(42)]
        rows = tuple(tuple(marks[row : row + 7]) for row in range(0, 42, 7))
        return BoardView(rows, {"X": 0, "O": 1}, caption=EVIL)


@pytest.fixture
def match(monkeypatch: pytest.MonkeyPatch) -> Match:
    monkeypatch.setitem(ENVIRONMENTS._known, "longboard", LongBoard())
    match = make_match(make_space(environment="longboard"))
    play.start_match(match.id)
    return match


def seq_of(match: Match) -> int:
    match.refresh_from_db()
    return match.seq


def test_a_move_costs_those_who_watch_as_much_at_the_end_as_at_the_beginning(
    match: Match, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    episode, sizes = PlayedEpisode(match, 1), []
    for _ in range(LongBoard.turn_limit):
        before = seq_of(match)
        episode.say("1")
        with django_assert_max_num_queries(20):
            drawing = drawings.draw(match.id, before)
        assert drawing.summary == "", "nothing in it has changed"
        assert drawing.rounds[1].count("data-move=") == 1
        sizes.append(len(drawing.line))
    assert max(sizes) < 9_000, "about as much as a round of questions"
    assert sizes[-2] - sizes[1] < 28 * 70, "only its board has filled"


def test_whoever_comes_later_gets_every_move_and_a_verdict_repeats_none(match: Match) -> None:
    episode = PlayedEpisode(match, 1)
    begun = seq_of(match)
    for _ in range(3):
        episode.say("1")
    assert 'data-known="0"' in drawings.draw(match.id, 0).rounds[1]
    assert drawings.draw(match.id, begun).rounds[1].count("data-move=") == 3
    episode.solve()
    played = seq_of(match)
    decide(match, 1, {0: 1.0, 1: 0.0})
    decided = drawings.draw(match.id, played)
    assert decided.rounds[1].count("data-move=") == 0
    assert f'data-known="{len(episode.turns)}"' in decided.rounds[1]
    assert "data-status" in decided.summary


def test_an_illegal_try_is_shown_with_its_reason_and_leaves_the_position(match: Match) -> None:
    episode = PlayedEpisode(match, 1)
    for text in (EVIL, "1", "2"):
        episode.say(text)
    view = round_view(match.id, 1).episode
    assert view is not None
    assert [(turn.seat, turn.problem, bool(turn.view)) for turn in view.turns] == [
        (0, "Say 1 or 2.", False),
        (0, "", True),
        (1, "", True),
    ]
    assert dict(view.tries) == {0: 2, 1: 1}
    html = drawings.round_fragment(match.id, 1).html
    assert "Not legal: Say 1 or 2." in html
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 2, "of the text and of the caption"


def test_a_page_shows_the_seats_marks_in_the_order_of_its_round(
    match: Match, client: Client
) -> None:
    PlayedEpisode(match, 1).solve()
    decide(match, 1, {0: 1.0, 1: 0.0})
    PlayedEpisode(match, 2).say("1")
    assert [view.order for n in (1, 2) if (view := round_view(match.id, n).episode)] == [
        (0, 1),
        (1, 0),
    ]
    page = client.get(f"/matches/{match.id}/?round=2").content.decode()
    assert '<text class="seat-1"' in page, "X is seat 1's"
    assert "data-to-move" in page
    assert "data-to-move" not in client.get(f"/matches/{match.id}/?round=1").content.decode()


def test_a_games_tasks_are_told_by_its_name(match: Match, client: Client) -> None:
    play.start_round(match.id, number=1, task=task_of(match.id, 1))
    page = client.get(f"/matches/{match.id}/").content.decode()
    assert ">Task, Long board<" in page
    page = client.get(f"/spaces/{match.space.slug}/").content.decode()
    assert '<p class="eyebrow">Long board</p>' in page
    assert task_kind("end_phrase") == "end phrase"


def test_a_view_that_cannot_be_drawn_leaves_the_page_whole(match: Match, client: Client) -> None:
    PlayedEpisode(match, 1).say("1")
    for view in ({}, {"kind": "hologram"}, {"kind": "board", "cells": 5}):
        Completion.objects.update(view=view)
        drawings.fragments.clear()
        response = client.get(f"/matches/{match.id}/")
        assert response.status_code == 200
        assert "This position cannot be drawn." in response.content.decode()
