"""An episode: turns, illegal moves, and the same end when it is played again from its records."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.environments import ENVIRONMENTS
from arena.environments.base import Environment, EnvironmentFault, Position, Split, view_json
from arena.environments.episode import Episode, Try, opening_number, order_of
from arena.environments.tests.small_games import Count, Odds


def begin(environment: Environment, *order: int) -> Episode:
    return Episode.begin(environment, environment.make_task(Random(1), Split.TRAIN), order)


def test_seats_of_the_match_move_in_the_order_of_the_round() -> None:
    episode = begin(Count(), 1, 0)
    assert episode.to_move == (1,)
    episode, problem = episode.after(Try(1, "2"))
    assert (episode.to_move, problem) == ((0,), "")
    episode = episode.replayed([Try(0, "1"), Try(1, "2")])
    assert episode.to_move == ()
    assert episode.payoffs() == {0: 0.0, 1: 1.0}


def test_an_illegal_move_is_told_and_tried_once_more_and_then_counts_as_the_game_says() -> None:
    episode, problem = begin(Count(), 0, 1).after(Try(0, "three"))
    assert problem == "Say 1 or 2."
    assert episode.to_move == (0,)
    assert [one["role"] for one in episode.observe(0)] == ["user", "assistant", "user"]
    assert "Say 1 or 2." in episode.observe(0)[-1]["content"]
    episode, problem = episode.after(Try(0, "four"))
    assert problem == "Say 1 or 2."
    assert episode.to_move == (1,), "the turn is over"
    assert episode.position["total"] == 1, "it counts as 1"
    assert len(episode.observe(1)) == 1, "the others are told nothing of it"


def test_a_seat_that_cannot_answer_loses_its_turn_at_once() -> None:
    episode, problem = begin(Count(), 0, 1).after(Try(0, None))
    assert "could not answer" in problem
    assert episode.to_move == (1,)


def test_an_answered_question_is_an_episode_of_one_turn() -> None:
    environment = ENVIRONMENTS["arithmetic"]
    episode = begin(environment, 0, 1)
    assert episode.to_move == (0, 1)
    right = episode.solve(0, Random(1))
    episode = episode.replayed([Try(1, "no idea"), Try(0, right)])
    assert episode.to_move == ()
    assert episode.payoffs() == {0: 1.0, 1: 0.0}
    assert view_json(episode.view())["kind"] == "text"


@given(st.lists(st.sampled_from(["1", "2", "x", None]), min_size=8, max_size=8), st.booleans())
def test_seats_of_one_moment_may_answer_in_any_order(
    texts: list[str | None], first_is_one: bool
) -> None:
    """Also across a replay: the records of a dead worker lead to the same position."""
    first = episode = begin(Odds(), 0, 1)
    said = []
    for text in texts:
        if not episode.to_move:
            break
        seat = episode.to_move[-1 if first_is_one else 0]
        said.append(Try(seat, text))
        episode, _ = episode.after(said[-1])
    assert first.replayed(said) == episode


def test_each_opening_is_played_once_from_each_side() -> None:
    rounds = [
        (opening_number(number, seat_count=2, turn_limit=9), order_of(number, {0, 1}))
        for number in range(1, 5)
    ]
    assert rounds == [(1, (0, 1)), (1, (1, 0)), (2, (0, 1)), (2, (1, 0))]
    assert [opening_number(number, seat_count=2, turn_limit=1) for number in (1, 2)] == [1, 2]


class OfStrangers(Count):
    """Speaks of a third seat where there are two."""

    def to_move(self, position: Position) -> tuple[int, ...]:
        return (2,)

    def payoffs(self, position: Position) -> dict[int, float]:
        return {0: 1.0} if position["total"] else {0: 0.5, 2: 0.5}


def test_a_seat_that_does_not_play_is_the_environments_fault() -> None:
    episode = begin(OfStrangers(), 1, 0)
    with pytest.raises(EnvironmentFault, match=r"^Count speaks of seat 2 of 2\.$"):
        _ = episode.to_move
    with pytest.raises(EnvironmentFault, match="speaks of seat 2"):
        episode.payoffs()
    after, _ = episode.after(Try(1, "1"))
    with pytest.raises(EnvironmentFault, match="pays 1 seats of 2"):
        after.payoffs()
