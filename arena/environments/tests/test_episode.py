"""An episode: turns, illegal moves, and the same end when it is played again from its records."""

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.environments import ENVIRONMENTS
from arena.environments.base import Environment, EnvironmentFault, Position, Split, view_json
from arena.environments.episode import (
    TRIES_PER_TURN,
    Episode,
    Try,
    opening_number,
    openings,
    order_of,
    play_out,
)
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


def test_tries_that_do_not_follow_from_the_rules_are_not_replayed() -> None:
    with pytest.raises(EnvironmentFault, match="have changed since this was played"):
        begin(Count(), 0, 1).replayed([Try(0, "1"), Try(0, "2")])


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


def test_in_an_episode_of_one_turn_an_illegal_answer_counts_at_once() -> None:
    class Once(Count):
        turn_limit = 1

    episode, problem = begin(Once(), 0, 1).after(Try(0, "three"))
    assert (problem, episode.problems) == ("Say 1 or 2.", ())
    assert episode.position["total"] == 1, "it counts as 1"


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


def played_out(
    episode: Episode, texts: dict[int, list[str | None]]
) -> tuple[Episode, list[tuple[int, ...]]]:
    """The episode in which each seat gives its texts in turn, and who was asked at each moment."""
    asked: list[tuple[int, ...]] = []

    async def answers(now: Episode, seats: tuple[int, ...]) -> list[str | None]:
        assert now.to_move == seats
        asked.append(seats)
        return [texts[seat].pop(0) for seat in seats]

    return asyncio.run(play_out(episode, answers)), asked


def test_an_episode_is_played_out_with_all_seats_of_a_moment_asked_at_once() -> None:
    ended, asked = played_out(begin(Odds(), 1, 0), {0: ["1", "x", "2"], 1: ["2", "2"]})
    assert asked == [(1, 0), (1, 0), (0,)], "only who made an illegal move tries once more"
    assert ended.position["shown"] == [3, 4]
    assert ended.payoffs() == {1: 0.5, 0: 0.5}


def test_an_episode_that_does_not_end_is_not_played_for_ever() -> None:
    class Endless(Count):
        target = 10**6

    game = Endless()
    tries = TRIES_PER_TURN * game.turn_limit + 1
    with pytest.raises(EnvironmentFault, match="Count did not end after 5 turns"):
        played_out(begin(game, 0, 1), {0: ["1"] * tries, 1: ["1"] * tries})


def test_openings_are_those_of_a_match_and_the_same_for_the_same_seed() -> None:
    game = ENVIRONMENTS["tictactoe"]

    def drawn(seed: str) -> list[Episode]:
        return list(openings(game, seat_count=2, round_count=4, seed=seed))

    rounds = drawn("a")
    assert [one.order for one in rounds] == [(0, 1), (1, 0)] * 2
    assert rounds[0].position == rounds[1].position, "one opening, from both sides"
    assert drawn("a") == rounds


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
