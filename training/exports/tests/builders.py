"""Small builders for tests of exports: people with pairs, without playing matches."""

from typing import Any
from uuid import uuid4

from agents.models import Agent, Engine
from arena.models import Completion, Entry, Match, Space
from training.data.harvest import harvest_matches
from training.exports.rows import chosen_pairs
from training.exports.selection import Selection
from training.models import Pair
from training.tests.builders import make_agent, make_match, make_space

WINS = {0: 0.9, 1: 0.2}


def play(
    *agents: Agent, space: Space | None = None, rounds: int = 1, dissent: float = 0.0
) -> Match:
    """A settled match whose first agent wins each round; its pairs are made."""
    match = make_match(agents, [WINS] * rounds, space=space, dissent=dissent)
    harvest_matches()
    return match


def entry_of(agent: Agent, match: Match) -> Entry:
    """A free entry with which the agent came into the match."""
    return Entry.objects.create(
        id=uuid4(),
        space=match.space,
        agent=agent,
        user=agent.owner,
        fee_credits=0,
        match=match,
        status="finished",
    )


def make_pair(*, space: Space | None = None, **answers: Any) -> Pair:
    """A pair of a new agent, the winner's, whose worse answer has these values."""
    agent = make_agent()
    match = make_match([agent, make_agent(engine=Engine.CODE)], [WINS], space=space or make_space())
    Completion.objects.filter(round__match=match, seat__index=1).update(**answers)
    harvest_matches()
    return Pair.objects.get(agent=agent)


def found(user_id: int, **filters: Any) -> list[int]:
    """Ids of the pairs that a selection by JSON means."""
    rows = chosen_pairs(Selection.from_json(filters), user_id)
    return sorted(rows.values_list("id", flat=True))
