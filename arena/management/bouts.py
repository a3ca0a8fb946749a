"""Matches of agents without rows, as commands and benchmarks play them to measure who wins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from django.conf import settings

from agents.inference.client import Inference, Sampling, ServedModel, plain_model
from agents.inference.patience import together
from arena.environments import ENVIRONMENTS
from arena.environments.asking import with_prompt
from arena.environments.episode import Episode, openings, play_out
from arena.seeding.house import HouseMember


@dataclass(frozen=True)
class Contestant:
    """Who sits at the table; `code_share` of its answers come from code."""

    name: str
    model: ServedModel
    prompt: str
    sampling: Sampling
    code_share: float = 0.0


def of_the_house(member: HouseMember, *, max_tokens: int) -> Contestant:
    """A house agent in a Space with this longest answer."""
    sampling = Sampling(temperature=member.temperature, max_tokens=max_tokens)
    model = plain_model(settings.ENV.base_model)
    return Contestant(member.name, model, member.prompt, sampling, member.code_percent / 100)


async def bout(
    space: Mapping[str, Any],
    seated: Sequence[Contestant],
    inference: Inference | None,
    rng: Random,
) -> list[float] | None:
    """Each seat's points over the rounds of a seeded Space; None if only judges can tell.

    A seat's luck in a turn follows from `rng`, the number of the turn and the seat: two bouts from
    the same state of `rng` have the same luck as long as their games take as many turns.
    """
    totals = [0.0] * len(seated)
    luck, turns = rng.random(), count()

    async def answers(episode: Episode, seats: tuple[int, ...]) -> list[str]:
        turn = next(turns)
        return await together(
            answer(space, episode, seat, seated[seat], inference, Random(f"{luck}:{turn}:{seat}"))
            for seat in seats
        )

    for opening in openings(
        ENVIRONMENTS[space["environment"]],
        seat_count=len(seated),
        round_count=space["round_count"],
        seed=str(rng.random()),
    ):
        payoffs = (await play_out(opening, answers)).payoffs()
        if not payoffs:
            return None
        for seat, payoff in payoffs.items():
            totals[seat] += payoff
    return totals


async def answer(
    space: Mapping[str, Any],
    episode: Episode,
    seat: int,
    contestant: Contestant,
    inference: Inference | None,
    rng: Random,
) -> str:
    """What the contestant says in this seat of the Space's episode.

    Without a server, what no code answers is a legal move by chance, or nothing.
    """
    if rng.random() < contestant.code_share:
        return episode.solve(seat, rng)
    if inference is None:
        moves = episode.moves(seat)
        return rng.choice(moves) if moves else ""
    messages = with_prompt(contestant.prompt, episode.observe(seat))
    choices = episode.moves(seat) if space.get("restricts_moves") else ()
    said = await inference.generate(
        contestant.model, messages, contestant.sampling, choices=choices
    )
    return said.text
