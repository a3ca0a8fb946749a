"""What holds for every game: its tasks, its episodes, and the value of its moves."""

import json
from collections.abc import Iterator
from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.environments.base import IllegalTurn, Position, Split, Task
from arena.environments.conformance import GARBAGE
from arena.environments.episode import Episode, Try
from arena.environments.games.auction import SealedBidAuction
from arena.environments.games.base import Game, is_held_out
from arena.environments.games.connectfour import ConnectFour
from arena.environments.games.kuhnpoker import KuhnPoker
from arena.environments.games.liarsdice import LiarsDice
from arena.environments.games.negotiation import SimpleNegotiation
from arena.environments.games.nim import Nim
from arena.environments.games.prisoners import IteratedPrisonersDilemma
from arena.environments.games.public_goods import PublicGoods
from arena.environments.games.tictactoe import TicTacToe

ZERO_SUM: tuple[Game, ...] = (TicTacToe(), ConnectFour(), Nim(), KuhnPoker(), LiarsDice())
MIXED = (IteratedPrisonersDilemma(), SimpleNegotiation(), SealedBidAuction(), PublicGoods())
GAMES: tuple[Game, ...] = (*ZERO_SUM, *MIXED)
EXACT = (TicTacToe(), Nim())  # whose coded moves never lose a drawn position
# Who plays them well gains at others' cost, yet may lose one episode, by chance.
CHANCY: tuple[Game, ...] = (LiarsDice(), SealedBidAuction(), SimpleNegotiation())
GARBAGE_SHARE, SILENT_SHARE = 0.1, 0.05  # of the tries of random episodes

games = st.sampled_from(GAMES)
seeds = st.integers(0, 2**32)
splits = st.sampled_from(list(Split))


def ids(game: Game) -> str:
    return game.slug


each_game = pytest.mark.parametrize("game", GAMES, ids=ids)


def draw(game: Game, seed: int, split: Split) -> Task:
    rng = Random(seed)
    return game.make_task(rng, split, rng.randrange(game.difficulty_count))


def positions(game: Game, task: Task, rng: Random, *, forfeits: float = 0) -> Iterator[Position]:
    """Each position of a game of random legal moves, the last one included, with any number of seats."""
    now = game.begin(task, rng.randint(game.seats.fewest, game.seats.most))
    while movers := game.to_move(now):
        yield now
        for seat in movers:
            if rng.random() < forfeits:
                now = game.forfeit(now, seat)
            else:
                now = game.act(now, seat, rng.choice(game.moves(now, seat)))
    yield now


def random_try(episode: Episode, seat: int, rng: Random) -> Try:
    """Mostly a legal move; sometimes garbage, which may be tried twice, or silence."""
    chance = rng.random()
    if chance < SILENT_SHARE:
        return Try(seat, None)
    if chance < SILENT_SHARE + GARBAGE_SHARE:
        return Try(seat, rng.choice(GARBAGE))
    return Try(seat, rng.choice(episode.moves(seat)))


@each_game
def test_a_thousand_random_episodes_end_within_the_bound_and_share_out_one_win(game: Game) -> None:
    rng = Random(1)
    tasks = [draw(game, seed, split) for seed in range(20) for split in Split]
    counts = range(game.seats.fewest, game.seats.most + 1)
    mended = 0
    for number in range(1000):
        order = rng.sample(range(8), counts[number % len(counts)])
        episode, turns = Episode.begin(game, tasks[number % len(tasks)], order), 0
        while movers := episode.to_move:
            for seat in movers:
                episode, _ = episode.after(random_try(episode, seat, rng))
                # An illegal move is tried once more, in the same turn.
                tries_once_more = seat in [each for each, _, _ in episode.problems]
                turns += not tries_once_more
                mended += tries_once_more
        assert turns <= game.turn_limit
        payoffs = episode.payoffs()
        assert set(payoffs) == set(order)
        assert all(0 <= payoff <= 1 for payoff in payoffs.values())
        if game in ZERO_SUM:
            assert sum(payoffs.values()) == pytest.approx(len(payoffs) / 2)
    assert mended > 100


@each_game
def test_an_episode_ends_when_seats_lose_turns_too(game: Game) -> None:
    rng = Random(2)
    for seed in range(60):
        task = draw(game, seed, list(Split)[seed % 3])
        for forfeits in (0.3, 1.0):
            played = list(positions(game, task, rng, forfeits=forfeits))
            turns = sum(len(game.to_move(now)) for now in played)
            assert turns <= game.turn_limit
            if game in ZERO_SUM:
                assert sum(game.payoffs(played[-1]).values()) == pytest.approx(1)


@each_game
def test_what_a_seat_is_shown_is_never_longer_than_the_environment_says(game: Game) -> None:
    longest = 0
    for seed in range(150):
        rng = Random(seed)
        for position in positions(game, draw(game, seed, list(Split)[seed % 3]), rng):
            for seat in game.to_move(position):
                (message,) = game.observe(position, seat)
                longest = max(longest, len(message["content"].encode()))
    assert longest <= game.max_task_chars <= 1.3 * longest


@given(games, seeds, splits)
def test_the_same_seed_gives_the_same_tasks_and_scores(game: Game, seed: int, split: Split) -> None:
    task = draw(game, seed, split)
    assert task == draw(game, seed, split)
    assert Task.from_json(json.loads(json.dumps(task.as_json()))) == task
    assert task.split is split
    seat, position = task.data["seat"], task.data["position"]
    assert task.prompt == game.observe(position, seat)[0]["content"]


@given(games, seeds, splits)
def test_a_position_stays_as_it_is_and_survives_json(game: Game, seed: int, split: Split) -> None:
    rng = Random(seed)
    for position in positions(game, draw(game, seed, split), rng, forfeits=0.2):
        text = json.dumps(position)
        assert json.loads(text) == position
        game.view(position)
        for seat in game.to_move(position):
            move = rng.choice(game.moves(position, seat))
            assert game.act(position, seat, move) == game.act(json.loads(text), seat, move)
            game.forfeit(position, seat)
        assert json.dumps(position) == text


@given(games, seeds, splits, st.text(max_size=100))
def test_garbage_is_refused_with_a_sentence_and_scores_nothing(
    game: Game, seed: int, split: Split, text: str
) -> None:
    task = draw(game, seed, split)
    position, seat = task.data["position"], task.data["seat"]
    try:
        game.act(position, seat, text)
        return
    except IllegalTurn as refusal:
        sentence = str(refusal)
    score = game.score(task, text)
    assert sentence.endswith(".")
    assert (score.value, score.passed) == (0.0, False)


@each_game
def test_hostile_texts_score_nothing(game: Game) -> None:
    task = draw(game, 1, Split.TRAIN)
    for text in ("", "\ud800\x00", "[" * 65536, "9" * 65536, "no idea", "{}", "*" * 65536):
        assert game.score(task, text).value == 0


@each_game
def test_the_games_own_move_scores_one_and_some_moves_score_less(game: Game) -> None:
    for seed in range(12):
        rng = Random(seed)
        difficulty = rng.randrange(game.difficulty_count)
        task = game.practice_task(rng, list(Split)[seed % 3], difficulty)
        position, seat = task.data["position"], task.data["seat"]
        score = game.score(task, game.solve(position, seat, rng))
        assert score.passed
        assert score.value == pytest.approx(1)
        values = [game.score(task, move).value for move in game.moves(position, seat)]
        assert min(values) < 1 - 1e-9
        assert all(0 <= value <= 1 for value in values)


@each_game
def test_held_out_tasks_and_those_that_are_played_share_no_position(game: Game) -> None:
    drawn: dict[Split, set[str]] = {split: set() for split in Split}
    for split in Split:
        rng = Random(3)
        for number in range(40):
            difficulty = number % game.difficulty_count
            for task in (
                game.make_task(rng, split, difficulty),
                game.practice_task(rng, split, difficulty),
            ):
                drawn[split].add(task.prompt)
                position, seat = task.data["position"], task.data["seat"]
                likeness = game.likeness(position, seat)
                assert task.prompt in game.wordings(task)
                assert all(
                    game.likeness(each, seat) == likeness for each in game.mirrored(position)
                )
                if split is not Split.UNSEEN:
                    assert is_held_out([game.slug, likeness]) == (split is Split.HELDOUT)
    assert not drawn[Split.TRAIN] & drawn[Split.HELDOUT]
    assert not (drawn[Split.TRAIN] | drawn[Split.HELDOUT]) & drawn[Split.UNSEEN]
    assert all(len(prompts) > 20 for prompts in drawn.values())


@each_game
def test_every_opening_is_fair_at_every_difficulty_of_every_split(game: Game) -> None:
    for split in Split:
        for difficulty in range(game.difficulty_count):
            for seed in range(5):
                task = game.make_task(Random(seed), split, difficulty)
                assert game.is_fair(task.data["position"])
                assert task.data["seat"] == 0


@pytest.mark.parametrize("game", EXACT, ids=ids)
def test_the_games_own_moves_never_lose_a_fair_opening(game: Game) -> None:
    for seed in range(60):
        rng, solver = Random(seed), seed % 2
        now = game.begin(draw(game, seed, list(Split)[seed % 3]), 2)
        least = game.value(now, solver)
        while movers := game.to_move(now):
            (seat,) = movers
            own = game.solve(now, seat, rng)
            now = game.act(now, seat, own if seat == solver else rng.choice(game.moves(now, seat)))
        assert game.payoffs(now)[solver] >= least


@pytest.mark.parametrize("game", CHANCY, ids=ids)
def test_a_coded_seat_gets_more_than_random_ones(game: Game) -> None:
    own, others = [], []
    for seed in range(60):
        rng = Random(seed)
        seats = rng.randint(game.seats.fewest, game.seats.most)
        now, solver = game.begin(draw(game, seed, list(Split)[seed % 3]), seats), seed % seats
        while movers := game.to_move(now):
            for seat in movers:
                random = rng.choice(game.moves(now, seat))
                now = game.act(now, seat, game.solve(now, seat, rng) if seat == solver else random)
        payoffs = dict(game.payoffs(now))
        own.append(payoffs.pop(solver))
        others.append(fmean(payoffs.values()))
    assert fmean(own) > fmean(others) + 0.1
