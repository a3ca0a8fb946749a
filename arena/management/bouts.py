"""Matches of house agents and templates without rows, as commands play them to measure who wins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from django.conf import settings

from agents.inference.client import Inference, Sampling, plain_model
from agents.inference.patience import together
from arena.environments import ENVIRONMENTS
from arena.environments.asking import with_prompt
from arena.environments.episode import Episode, openings, play_out
from arena.seeding.house import HouseMember


@dataclass(frozen=True)
class Contestant:
    """Who sits at the table; `code_share` of its answers come from code."""

    name: str
    prompt: str
    sampling: Sampling
    code_share: float = 0.0


def of_the_house(member: HouseMember, *, max_tokens: int) -> Contestant:
    """A house agent in a Space with this longest answer."""
    sampling = Sampling(temperature=member.temperature, max_tokens=max_tokens)
    return Contestant(member.name, member.prompt, sampling, member.code_percent / 100)


async def bout(
    space: Mapping[str, Any],
    seated: Sequence[Contestant],
    inference: Inference | None,
    rng: Random,
) -> list[float] | None:
    """Each seat's points over the rounds of a seeded Space; None if only judges can tell.

    Without a server, what no code answers is a legal move by chance, or nothing.
    """
    totals = [0.0] * len(seated)

    async def answers(episode: Episode, seats: tuple[int, ...]) -> list[str]:
        return await together(
            _answer(space, episode, seat, seated[seat], inference, rng) for seat in seats
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


async def _answer(
    space: Mapping[str, Any],
    episode: Episode,
    seat: int,
    contestant: Contestant,
    inference: Inference | None,
    rng: Random,
) -> str:
    if rng.random() < contestant.code_share:
        return episode.solve(seat, rng)
    moves = episode.moves(seat)
    if inference is None:
        return rng.choice(moves) if moves else ""
    messages = with_prompt(contestant.prompt, episode.observe(seat))
    choices = moves if space.get("restricts_moves") else ()
    model = plain_model(settings.ENV.base_model)
    return (await inference.generate(model, messages, contestant.sampling, choices=choices)).text
