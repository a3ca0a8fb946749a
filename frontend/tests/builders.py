"""Rows that pages show, made with the verbs of the arena."""

from collections.abc import Mapping
from typing import Any

from django.test import Client

from agents.models import Adapter, Agent, User
from agents.roster import add_trained_version
from arena.matches import play
from arena.matches.runner import task_of
from arena.models import Match, Round, Space
from arena.tests.builders import make_match, play_round
from training.models import Pair, TrainingRun
from training.runs.steering import use_version
from training.states import PairSource, RunStatus

HOSTILE = "<script>alert(1)</script>{{ 7|add:7 }}</textarea><img src=x onerror=alert(2)>"
# As a release stored it that looked at the Space's own tasks only.
GATE = {
    "tasks": 40,
    "parent": {"mean": 0.3, "passed": 9},
    "child": {"mean": 0.4, "passed": 13},
    "difference": 0.1,
    "lower_bound": 0.02,
    "confidence": 0.9,
    "margin": 0.05,
    "adopted": True,
    "examples": [
        {
            "kind": "lowercase",
            "task": HOSTILE,
            "parent": HOSTILE,
            "child": HOSTILE,
            "parent_score": 0.2,
            "child_score": 0.9,
        }
    ],
}


def settled_match(space: Space | None = None, *, text: str = "An answer.") -> Match:
    """Two people's agents, every round played and judged, credits and ratings moved."""
    match = make_match(space)
    play_to_the_end(match, texts={0: text, 1: text})
    return match


def play_to_the_end(
    match: Match, *, texts: Mapping[int, str] | None = None, judge: str = "code"
) -> None:
    """The first seat wins every round."""
    play.start_match(match.id)
    for number in range(1, match.space.round_count + 1):
        play_round(match, number, scores={0: 0.9, 1: 0.4}, texts=texts, judge=judge)
    play.settle_match(match.id)
    match.refresh_from_db()


def running_match() -> Match:
    """The first round is decided, the second is being answered."""
    match = make_match()
    play.start_match(match.id)
    play_round(match, 1, scores={0: 0.9, 1: 0.4})
    task = task_of(match.id, 2)
    play.start_round(match.id, number=2, task=task)
    match.refresh_from_db()
    return match


def make_pair(agent: Agent, match: Match) -> Pair:
    """From the first round of a match in which the agent sat first."""
    first = Round.objects.get(match=match, number=1)
    chosen, rejected = first.completions.order_by("seat__index")
    return Pair.objects.create(
        agent=agent,
        space=match.space,
        round=first,
        chosen=chosen,
        rejected=rejected,
        source=PairSource.OWN_CHOSEN,
        margin=0.5,
        agreement=1.0,
    )


def make_adapter(agent: Agent, *, rank: int = 16, alpha: int = 32) -> Adapter:
    """A trained version of the agent, which it plays."""
    adapter = Adapter.objects.create(
        digest=f"{agent.pk:064x}",
        base_model=agent.base_model,
        rank=rank,
        alpha=alpha,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj"],
        size_bytes=1,
    )
    assert agent.current_version is not None
    version = add_trained_version(
        agent.pk, parent_version_id=agent.current_version.pk, adapter_id=adapter.pk
    )
    use_version(agent.owner_id, agent_id=agent.pk, version_id=version.pk)
    return adapter


def make_run(agent: Agent, space: Space, **changes: Any) -> TrainingRun:
    values: dict[str, Any] = {
        "agent": agent,
        "space": space,
        "parent_version": agent.current_version,
        "status": RunStatus.ADOPTED,
        "config": {"rank": 16, "beta": 0.1},
        "last_pair_id": 0,
        "pair_count": 48,
        "manifest": {"pairs": "ab"},
        "manifest_digest": "c0" * 32,
        "progress": {"stage": "training", "step": 2, "steps": 4, "seconds": 9.0},
        "curve": [{"step": 1, "loss": 0.7, "accuracy": 0.5, "reward_margin": 0.0}],
        "gate": GATE,
        "reason": "Better on the held-out tasks.",
    }
    return TrainingRun.objects.create(**(values | changes))


def make_offer(agent: Agent, space: Space, **changes: Any) -> TrainingRun:
    """A run whose version awaits the owner's decision; the agent plays its parent."""
    make_adapter(agent)
    agent.refresh_from_db()
    assert agent.current_version is not None
    child = add_trained_version(
        agent.pk,
        parent_version_id=agent.current_version.pk,
        adapter_id=agent.current_version.adapter_id or 0,
    )
    return make_run(agent, space, status=RunStatus.OFFERED, child_version=child, **changes)


def page_of(client: Client, run: TrainingRun) -> str:
    return client.get(f"/runs/{run.pk}/").content.decode()


def signed_in(user_id: int) -> Client:
    client = Client()
    client.force_login(User.objects.get(id=user_id))
    return client
