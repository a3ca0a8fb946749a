"""The games of `learn_bench --space`: a learner against each of the house's frozen agents.

Nothing of a game is stored: it is played from the rules, each opening once from both sides.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from django.conf import settings

from agents.inference.client import Inference
from agents.inference.patience import together
from arena.environments import ENVIRONMENTS
from arena.environments.base import Split
from arena.environments.episode import Episode, Try, opening_number, order_of, play_out
from arena.management.bouts import Contestant, answer, of_the_house
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
    turns: int  # tries of the learner to move
    illegal: int  # of these: no legal move

    @property
    def share(self) -> float:
        return self.points / self.games

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, of the share."""
        return wilson(self.share, self.games)


async def play(
    space: Mapping[str, Any], learner: Contestant, *, games: int = GAMES
) -> dict[str, Any]:
    """{opponent: Score as JSON}: `games` games against each. Raises InferenceUnavailable.

    `space` is one of `arena.seeding.spaces.SPACES`, of a game for two.
    """
    slots = asyncio.Semaphore(CONCURRENT * len(settings.VLLM_URLS))

    async def one(inference: Inference, member: HouseMember, number: int) -> Score:
        async with slots:
            opponent = of_the_house(member, max_tokens=space["max_tokens"])
            return await _game(space, (learner, opponent), inference, number)

    async with Inference() as inference:
        found = {
            member.name: await together(
                one(inference, member, number) for number in range(1, games + 1)
            )
            for member in OPPONENTS
        }
    return {name: asdict(sum_of(played)) for name, played in found.items()}


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


async def _game(
    space: Mapping[str, Any], seated: Sequence[Contestant], inference: Inference, number: int
) -> Score:
    environment = ENVIRONMENTS[space["environment"]]
    opening = opening_number(number, seat_count=len(seated), turn_limit=environment.turn_limit)
    difficulty = opening % environment.difficulty_count
    # The openings are the same before and after; what is sampled never is.
    task = environment.make_task(Random(f"{SEED}:{opening}"), Split.TRAIN, difficulty)
    rng = Random(f"{SEED}:{number}")
    tries: list[bool] = []  # of the learner: whether each was a legal move

    async def answers(episode: Episode, seats: Sequence[int]) -> list[str]:
        said = await together(
            answer(space, episode, seat, seated[seat], inference, rng) for seat in seats
        )
        for seat, text in zip(seats, said, strict=True):
            if seat == LEARNER:
                _, problem = episode.after(Try(seat, text))
                tries.append(not problem)
        return said

    begun = Episode.begin(environment, task, order_of(number, range(len(seated))))
    payoffs = (await play_out(begun, answers)).payoffs()
    own, other = payoffs[LEARNER], payoffs[1 - LEARNER]
    return Score(
        games=1,
        points=0.5 if own == other else float(own > other),
        turns=len(tries),
        illegal=tries.count(False),
    )
