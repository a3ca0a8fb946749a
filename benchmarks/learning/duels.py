"""The games of `learn_bench --space`: a learner against each of the house's frozen agents.

Nothing of a game is stored: it is played from the rules, each opening once from both sides.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from django.conf import settings

from agents.inference.client import Inference, Sampling, ServedModel, plain_model
from agents.inference.patience import together
from arena.environments import ENVIRONMENTS
from arena.environments.asking import with_prompt
from arena.environments.base import Split
from arena.environments.episode import Episode, Try, opening_number, order_of, play_out
from arena.seeding.house import HOUSE_AGENTS, HouseMember
from training.gate.bootstrap import wilson

GAMES = 100  # against each opponent
# The coded agents of each strength, and a prompt over the base that the learner began with.
OPPONENTS = tuple(
    member for member in HOUSE_AGENTS if member.code_percent or member.name == "House Plain"
)
LEARNER = 0  # its seat; the opponent's is the other
SEED = "learn_bench: duels"
CONCURRENT = 32  # games per inference server


@dataclass(frozen=True)
class Score:
    """The learner's games against one opponent. A draw is half a point."""

    games: int
    points: float
    turns: int  # of the learner
    illegal: int  # tries of the learner that were no legal move

    @property
    def share(self) -> float:
        return self.points / self.games

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, of the share."""
        return wilson(self.share, self.games)


@dataclass(frozen=True)
class Player:
    """Who sits in a seat: a model with a prompt, and the share of its turns that code plays."""

    model: ServedModel
    prompt: str
    sampling: Sampling
    code_percent: int = 0


async def play(space: Mapping[str, Any], learner: Player, *, games: int = GAMES) -> dict[str, Any]:
    """{opponent: Score as JSON}: `games` games against each. Raises InferenceUnavailable.

    `space` is one of `arena.seeding.spaces.SPACES`, of a game for two.
    """
    slots = asyncio.Semaphore(CONCURRENT * len(settings.VLLM_URLS))

    async def one(inference: Inference, opponent: HouseMember, number: int) -> "_Game":
        async with slots:
            game = _Game(space, (learner, _seated(space, opponent)), inference, number)
            await game.play()
            return game

    async with Inference() as inference:
        found = {
            opponent.name: await together(
                one(inference, opponent, number) for number in range(1, games + 1)
            )
            for opponent in OPPONENTS
        }
    return {name: asdict(_score(played)) for name, played in found.items()}


def scores(duels: Mapping[str, Any]) -> dict[str, Score]:
    """What `play` returned, read from a file."""
    return {name: Score(**values) for name, values in duels.items()}


def sum_of(several: Sequence[Score]) -> Score:
    """All of these games as one figure."""
    return Score(
        games=sum(one.games for one in several),
        points=sum(one.points for one in several),
        turns=sum(one.turns for one in several),
        illegal=sum(one.illegal for one in several),
    )


def _seated(space: Mapping[str, Any], member: HouseMember) -> Player:
    sampling = Sampling(temperature=member.temperature, max_tokens=space["max_tokens"])
    model = plain_model(settings.ENV.base_model)
    return Player(model, member.prompt, sampling, member.code_percent)


def _score(games: Sequence["_Game"]) -> Score:
    return Score(
        games=len(games),
        points=sum(game.points for game in games),
        turns=sum(game.turns for game in games),
        illegal=sum(game.illegal for game in games),
    )


class _Game:
    """One game, and what the learner did in it."""

    def __init__(
        self, space: Mapping[str, Any], players: Sequence[Player], inference: Inference, number: int
    ) -> None:
        self._environment = ENVIRONMENTS[space["environment"]]
        self._is_restricted = space.get("restricts_moves", False)
        self._players = players
        self._inference = inference
        opening = opening_number(
            number, seat_count=len(players), turn_limit=self._environment.turn_limit
        )
        difficulty = opening % self._environment.difficulty_count
        # The openings are the same before and after; what is sampled never is.
        task = self._environment.make_task(Random(f"{SEED}:{opening}"), Split.TRAIN, difficulty)
        self._rng = Random(f"{SEED}:{number}")
        self._episode = Episode.begin(
            self._environment, task, order_of(number, range(len(players)))
        )
        self.points = 0.0
        self.turns = self.illegal = 0

    async def play(self) -> None:
        payoffs = (await play_out(self._episode, self._ask)).payoffs()
        own, other = payoffs[LEARNER], payoffs[1 - LEARNER]
        self.points = 0.5 if own == other else float(own > other)

    async def _ask(self, episode: Episode, seats: Sequence[int]) -> list[str]:
        said = await together(self._answer(episode, seat) for seat in seats)
        for seat, text in zip(seats, said, strict=True):
            if seat == LEARNER:
                _, problem = episode.after(Try(seat, text))
                self.turns += 1
                self.illegal += bool(problem)
        return said

    async def _answer(self, episode: Episode, seat: int) -> str:
        player = self._players[seat]
        if self._rng.random() < player.code_percent / 100:
            return episode.solve(seat, self._rng)
        messages = with_prompt(player.prompt, episode.observe(seat))
        choices = episode.moves(seat) if self._is_restricted else ()
        answer = await self._inference.generate(
            player.model, messages, player.sampling, choices=choices
        )
        return answer.text
