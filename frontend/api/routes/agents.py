"""Agents and their versions."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status
from ninja.errors import HttpError

from agents import roster
from agents.api_tokens import Scope
from arena.access import agent_for_owner
from arena.queries import (
    AgentCard,
    AgentRecord,
    AgentView,
    Competitor,
    DuelMatch,
    DuelRecord,
    MatchCard,
    RatingPoint,
    VersionLine,
    agent_cards,
    agent_record,
    agent_view,
    base_models,
    duel,
    longest_exchange,
    matches_of_agent,
    rating_histories,
    versions_of,
)
from frontend.api.edge import answers, needs, user_id, viewer
from frontend.api.paging import Cursor, Limit, Page, cursor_at, id_of, page_of
from frontend.api.values import Learning, NewAgent, NewName, NewVersion, RowId
from frontend.pages.downloads import groups_of, pairs_of
from training.methods import METHODS, config_from_json
from training.runs.queries import LearningProgress, RunLine, learning_progress, runs_of_agent
from training.runs.steering import use_version

router = Router()


class BaseModelLine(Schema):
    """An open model that agents are built on."""

    base_model_id: int
    name: str


class Setting(Schema):
    """A training setting of one method."""

    method: str
    name: str
    label: str
    help: str
    default: Any


class AgentDetail(Schema):
    """An agent with its record."""

    agent: AgentView
    record: AgentRecord
    learning: list[LearningProgress]


class Created(Schema):
    """The id of what was made."""

    id: int


class HeadToHead(Schema):
    """Two agents’ matches against each other, as the first one sees them; newest first."""

    agent: Competitor
    other: Competitor
    total: DuelRecord
    by_space: list[DuelRecord]
    is_complete: bool  # else only the newest few thousand were looked through
    items: list[DuelMatch]
    next_cursor: str | None


class RatingCurve(Schema):
    """An agent's rating in one Space, match by match."""

    space_id: int
    space_slug: str
    points: list[RatingPoint]


class Number(Schema):
    """The version that plays from the next match on."""

    version: int


@router.get("", response=answers(list[AgentCard]), **needs(Scope.READ), summary="Your agents")
def own_agents(request: HttpRequest) -> Any:
    return list(agent_cards(user_id(request)))


@router.post(
    "", response=answers(Created, status=201), **needs(Scope.AGENTS), summary="Create an agent"
)
def create(request: HttpRequest, new: NewAgent) -> Any:
    bases = [base_id for base_id, _ in base_models()]
    base_id = new.base_model_id or next(iter(bases), None)
    if base_id not in bases:
        raise HttpError(422, "There is no such base model.")
    agent = roster.create_agent(
        user_id(request),
        name=new.name,
        base_model_id=base_id,
        prompt=new.prompt,
        sampling=new.sampling.model_dump(),
        learning=config_from_json(new.learning).as_json(),
        exchange_tokens=longest_exchange(base_id),
    )
    return Status(201, {"id": agent.pk})


@router.get("/base-models", response=answers(list[BaseModelLine]), summary="Base models")
def bases(request: HttpRequest) -> Any:
    return [{"base_model_id": base_id, "name": name} for base_id, name in base_models()]


@router.get("/learning", response=answers(list[Setting]), summary="Training settings")
def settings(request: HttpRequest) -> Any:
    return [
        {
            "method": method,
            "name": one.name,
            "label": one.label,
            "help": one.explanation,
            "default": getattr(spec.config_class(), one.name),
        }
        for method, spec in METHODS.items()
        for one in spec.config_class.described()
    ]


@router.get("/{agent_id}", response=answers(AgentDetail), summary="An agent")
def detail(request: HttpRequest, agent_id: RowId) -> Any:
    seen_by = viewer(request)
    return {
        "agent": agent_view(agent_id, viewer=seen_by),
        "record": agent_record(agent_id),
        "learning": list(learning_progress([agent_id], viewer=seen_by).get(agent_id, ())),
    }


@router.get(
    "/{agent_id}/versions", response=answers(Page[VersionLine]), summary="An agent’s versions"
)
def versions(request: HttpRequest, agent_id: RowId, cursor: Cursor, limit: Limit) -> Any:
    before = id_of(cursor, noun="versions")
    agent_view(agent_id, viewer=None)
    rows = versions_of(agent_id, viewer=viewer(request), before=before, limit=limit + 1)
    return page_of(rows, limit, mark=lambda row: str(row.number), noun="versions")


@router.post(
    "/{agent_id}/versions",
    response=answers(Number, status=201),
    **needs(Scope.AGENTS),
    summary="Edit an agent’s prompt and sampling",
)
def edit(request: HttpRequest, agent_id: RowId, new: NewVersion) -> Any:
    base_id = agent_view(agent_id, viewer=user_id(request)).base_model_id
    version = roster.edit_agent(
        user_id(request),
        agent_id=agent_id,
        prompt=new.prompt,
        sampling=new.sampling.model_dump(),
        exchange_tokens=longest_exchange(base_id),
    )
    return Status(201, {"version": version.number})


@router.post(
    "/{agent_id}/versions/{version_id}/use",
    response=answers(Number),
    **needs(Scope.AGENTS),
    summary="Play with a version",
)
def use(request: HttpRequest, agent_id: RowId, version_id: RowId) -> Any:
    version = use_version(user_id(request), agent_id=agent_id, version_id=version_id)
    return {"version": version.number}


@router.put(
    "/{agent_id}/name", response=answers(NewName), **needs(Scope.AGENTS), summary="Rename an agent"
)
def rename(request: HttpRequest, agent_id: RowId, new: NewName) -> Any:
    roster.rename_agent(user_id(request), agent_id=agent_id, name=new.name)
    return new


@router.get(
    "/{agent_id}/learning",
    response=answers(Learning),
    **needs(Scope.READ),
    summary="How an agent learns",
)
def learns(request: HttpRequest, agent_id: RowId) -> Any:
    """Its training settings, those with their default values too."""
    agent = agent_for_owner(user_id(request), agent_id)
    return {
        "is_training_enabled": agent.is_training_enabled,
        "settings": config_from_json(agent.learning).as_json(),
    }


@router.put(
    "/{agent_id}/learning",
    response=answers(Learning),
    **needs(Scope.AGENTS),
    summary="Choose how an agent learns",
)
def learn(request: HttpRequest, agent_id: RowId, new: Learning) -> Any:
    chosen = config_from_json(new.settings).as_json()
    roster.set_learning(
        user_id(request),
        agent_id=agent_id,
        learning=chosen,
        is_training_enabled=new.is_training_enabled,
    )
    return {"is_training_enabled": new.is_training_enabled, "settings": chosen}


@router.post(
    "/{agent_id}/retire",
    response=answers(None, status=204),
    **needs(Scope.AGENTS),
    summary="Retire an agent for good",
)
def retire(request: HttpRequest, agent_id: RowId) -> Any:
    roster.retire_agent(user_id(request), agent_id=agent_id)
    return Status(204, None)


@router.get(
    "/{agent_id}/ratings",
    response=answers(list[RatingCurve]),
    summary="How an agent’s ratings went, by Space",
)
def ratings(request: HttpRequest, agent_id: RowId) -> Any:
    agent_view(agent_id, viewer=None)
    spaces = agent_record(agent_id).spaces
    points = rating_histories(agent_id, space_ids=[space.space_id for space in spaces])
    return [
        {
            "space_id": space.space_id,
            "space_slug": space.space_slug,
            "points": list(points.get(space.space_id, ())),
        }
        for space in spaces
    ]


@router.get(
    "/{agent_id}/against/{other_id}",
    response=answers(HeadToHead),
    summary="Two agents head to head",
)
def against(
    request: HttpRequest, agent_id: RowId, other_id: RowId, cursor: Cursor, limit: Limit
) -> Any:
    before = id_of(cursor, noun="duel")
    found = duel(agent_id, other_id, limit=limit, before_id=before)
    return {
        "agent": found.agent,
        "other": found.other,
        "total": found.total,
        "by_space": list(found.by_space),
        "is_complete": found.is_complete,
        "items": list(found.matches),
        "next_cursor": cursor_at("duel", str(found.next_before)) if found.next_before else None,
    }


@router.get(
    "/{agent_id}/matches", response=answers(list[MatchCard]), summary="An agent’s last matches"
)
def matches(request: HttpRequest, agent_id: RowId, limit: Limit) -> Any:
    agent_view(agent_id, viewer=None)
    return list(matches_of_agent(agent_id, limit=limit))


@router.get(
    "/{agent_id}/runs", response=answers(list[RunLine]), summary="An agent’s last training runs"
)
def runs(request: HttpRequest, agent_id: RowId, limit: Limit) -> Any:
    agent_view(agent_id, viewer=None)
    return list(runs_of_agent(agent_id, viewer=viewer(request), limit=limit))


@router.get(
    "/{agent_id}/pairs",
    response=answers(None),
    **needs(Scope.READ, sends="application/x-ndjson"),
    summary="An agent’s preference pairs, as JSON Lines",
)
def pairs(request: HttpRequest, agent_id: RowId) -> Any:
    """As TRL's DPOTrainer reads them."""
    return pairs_of(agent_id, user_id(request))


@router.get(
    "/{agent_id}/groups",
    response=answers(None),
    **needs(Scope.READ, sends="application/x-ndjson"),
    summary="The groups that an agent practised on, as JSON Lines",
)
def groups(request: HttpRequest, agent_id: RowId) -> Any:
    """Each answer with its reward."""
    return groups_of(agent_id, user_id(request))
