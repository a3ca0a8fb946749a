"""Verbs on agents: create, edit, train, roll back, retire.

Those that act for a person take `user_id` and look inside their lock whether the agent is theirs;
others' agents look as if they did not exist. The verbs for the system, which act on behalf of a
training run, have no user.
"""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from agents.adapters.store import collected_words
from agents.errors import InvalidName, NotAvailable, PromptTooLong, Refused
from agents.inference.client import Sampling
from agents.models import Adapter, Agent, AgentVersion, BaseModel, Engine, User, VersionOrigin
from agents.names import checked_agent_name, name_key
from agents.prompts import problem_with_prompt
from agents.quotas import check_versions
from agents.tokens import count_tokens, prompt_room

MAX_AGENTS_PER_OWNER = 50


def create_agent(
    user_id: int,
    *,
    name: str,
    base_model_id: int,
    prompt: str,
    sampling: Mapping[str, Any],
    learning: Mapping[str, Any],
    engine: Engine = Engine.MODEL,
    code_percent: int = 60,
    is_reference: bool = False,
    exchange_tokens: int = 0,
) -> Agent:
    """A new agent with its first version. Raises Refused with a sentence.

    `exchange_tokens`: of the longest task and answer that its prompt must leave room for.
    """
    name = checked_agent_name(name)
    _check_prompt(prompt)
    checked = Sampling.from_json(sampling)
    base = BaseModel.objects.filter(id=base_model_id, is_active=True).first()
    if base is None:
        raise Refused("Choose one of the available base models.")
    _check_length(prompt, base, exchange_tokens=exchange_tokens)
    try:
        with transaction.atomic(durable=True):
            _check_not_of_house(user_id, name)
            # The owner's lock, so that agents created at once are counted one by one.
            owner = User.objects.select_for_update(no_key=True).filter(id=user_id).first()
            if owner and owner.leaving_since:
                raise Refused("This account is being deleted.")
            alive = Agent.objects.filter(owner_id=user_id, retired_at=None).count()
            if alive >= MAX_AGENTS_PER_OWNER:
                raise Refused(f"You have {alive} agents; retire one to make room for another.")
            agent = Agent.objects.create(
                owner_id=user_id,
                name=name,
                base_model_id=base_model_id,
                engine=engine,
                code_percent=code_percent,
                is_reference=is_reference,
                learning=dict(learning),
            )
            agent.current_version = AgentVersion.objects.create(
                agent=agent,
                number=1,
                prompt=prompt,
                sampling=checked.as_json(),
                origin=VersionOrigin.CREATED,
            )
            agent.save(update_fields=["current_version"])
    except IntegrityError:
        raise _taken(name) from None
    return agent


def edit_agent(
    user_id: int,
    *,
    agent_id: int,
    prompt: str,
    sampling: Mapping[str, Any],
    exchange_tokens: int = 0,
) -> AgentVersion:
    """A new current version with another prompt or sampling and the same adapter.

    `exchange_tokens`: as for `create_agent`. Raises Refused with a sentence.
    """
    _check_prompt(prompt)
    checked = Sampling.from_json(sampling)
    with transaction.atomic(durable=True):
        agent = _own(user_id, agent_id)
        check_versions(user_id)
        _check_length(prompt, agent.base_model, exchange_tokens=exchange_tokens)
        parent = agent.current_version
        assert parent is not None, "an agent has a version from its creation on"
        if parent.prompt == prompt and parent.sampling == checked.as_json():
            return parent
        version = _add_version(
            agent,
            parent=parent,
            prompt=prompt,
            sampling=checked.as_json(),
            adapter_id=parent.adapter_id,
            origin=VersionOrigin.EDITED,
        )
        _make_current(agent, version)
    return version


def add_trained_version(agent_id: int, *, parent_version_id: int, adapter_id: int) -> AgentVersion:
    """The parent with a new adapter. It is not current yet: the gate decides.

    For the system, without a user. A run adds it in the transaction that says which version it made.
    """
    with transaction.atomic():
        agent = _locked(agent_id)
        parent = AgentVersion.objects.get(id=parent_version_id, agent=agent)
        return _add_version(
            agent,
            parent=parent,
            prompt=parent.prompt,
            sampling=parent.sampling,
            adapter_id=adapter_id,
            origin=VersionOrigin.TRAINED,
        )


def add_uploaded_version(agent: Agent, *, adapter_id: int) -> AgentVersion:
    """The agent's current version with weights that its owner brought. The gate decides whether it plays.

    Inside the caller's transaction, which has locked the agent.
    """
    assert connection.in_atomic_block, "a version is added in its caller's transaction"
    parent = agent.current_version
    assert parent is not None, "an agent has a version from its creation on"
    return _add_version(
        agent,
        parent=parent,
        prompt=parent.prompt,
        sampling=parent.sampling,
        adapter_id=adapter_id,
        origin=VersionOrigin.UPLOADED,
    )


def activate_version(user_id: int, *, agent_id: int, version_id: int) -> AgentVersion:
    """Make the version the one that plays next; a rollback is one step.

    Inside the caller's transaction, which knows whether the gate has judged the version.
    """
    assert connection.in_atomic_block, "a version is activated in its caller's transaction"
    agent = _own(user_id, agent_id)
    version = AgentVersion.objects.filter(id=version_id, agent=agent).first()
    if version is None:
        raise Refused("That version belongs to another agent.")
    if version.adapter and (when := collected_words(version.adapter)):
        raise Refused(f"The weights of version {version.number} {when}. Choose another version.")
    _make_current(agent, version)
    return version


def activate_child(agent_id: int, *, version_id: int) -> bool:
    """Make a version that the gate passed current if its parent still is; False if the owner moved on.

    For the system, without a user. Inside the caller's transaction, so that adopting the run and
    playing its child are one fact.
    """
    assert connection.in_atomic_block, "a child is activated in its caller's transaction"
    agent = _locked(agent_id)
    version = AgentVersion.objects.get(id=version_id, agent=agent)
    if agent.current_version_id == version_id:
        return True
    if agent.current_version_id != version.parent_id:
        return False
    _make_current(agent, version)
    return True


def begin_learning(agent_id: int) -> None:
    """A training run has begun: Spaces that wait for training seat the agent after it ends.

    For the system, without a user. Inside the caller's transaction, which queues the run.
    """
    Agent.objects.filter(id=agent_id, learning_since=None).update(learning_since=timezone.now())


def end_learning(agent_id: int) -> None:
    """The training run is over.

    For the system, without a user. Inside the caller's transaction, which ends or pauses the run.
    """
    Agent.objects.filter(id=agent_id).update(learning_since=None)


def set_learning(
    user_id: int, *, agent_id: int, learning: Mapping[str, Any], is_training_enabled: bool
) -> None:
    """Store training choices that training.methods has validated."""
    with transaction.atomic(durable=True):
        agent = _own(user_id, agent_id)
        agent.learning = dict(learning)
        agent.is_training_enabled = is_training_enabled
        agent.save(update_fields=["learning", "is_training_enabled"])


def rename_agent(user_id: int, *, agent_id: int, name: str) -> None:
    """Rename the agent. Raises Refused when the owner has an agent whose name looks like it."""
    name = checked_agent_name(name)
    try:
        with transaction.atomic(durable=True):
            agent = _own(user_id, agent_id)
            _check_not_of_house(user_id, name)
            agent.name = name
            agent.save(update_fields=["name", "name_key"])
    except IntegrityError:
        raise _taken(name) from None


def retire_agent(user_id: int, *, agent_id: int) -> None:
    """Take the agent out of play for good; its matches and versions stay on record."""
    with transaction.atomic(durable=True):
        agent = _own(user_id, agent_id)
        agent.retired_at = timezone.now()
        agent.save(update_fields=["retired_at"])


def _own(user_id: int, agent_id: int) -> Agent:
    """The user's own agent, locked; anybody else's looks as if it did not exist."""
    agent = _to_lock().filter(id=agent_id, owner_id=user_id).first()
    if agent is None:
        raise NotAvailable("There is no such agent.")
    if agent.retired_at is not None:
        raise NotAvailable("A retired agent cannot be changed.")
    return agent


def _locked(agent_id: int) -> Agent:
    return _to_lock().get(id=agent_id)


def _to_lock() -> QuerySet[Agent]:
    # no_key: seating the agent meanwhile only takes a foreign-key reference to it.
    return Agent.objects.select_for_update(of=("self",), no_key=True)


def _make_current(agent: Agent, version: AgentVersion) -> None:
    # Caller holds the agent's row lock: nobody else replaces its version.
    before = agent.current_version
    agent.current_version = version
    agent.save(update_fields=["current_version"])
    if before and before.adapter_id not in (None, version.adapter_id):
        # From now on its owner may go back to it for as long as weights are kept.
        Adapter.objects.filter(id=before.adapter_id).update(replaced_at=timezone.now())


def _add_version(
    agent: Agent,
    *,
    parent: AgentVersion,
    prompt: str,
    sampling: Mapping[str, Any],
    adapter_id: int | None,
    origin: VersionOrigin,
) -> AgentVersion:
    # Caller holds the agent's row lock: the numbers have no gaps and no duplicates.
    last = agent.versions.aggregate(last=Max("number"))["last"]
    return AgentVersion.objects.create(
        agent=agent,
        number=last + 1,
        prompt=prompt,
        sampling=dict(sampling),
        adapter_id=adapter_id,
        parent=parent,
        origin=origin,
    )


def _check_not_of_house(user_id: int, name: str) -> None:
    of_house = Agent.objects.filter(owner__is_house=True, name_key=name_key(name))
    if of_house.exclude(owner_id=user_id).exists():
        raise InvalidName("That name could be taken for a house agent's. Choose another.")


def _taken(name: str) -> InvalidName:
    return InvalidName(f"You already have an agent named {name}, or one whose name looks like it.")


def _check_length(prompt: str, base: BaseModel, *, exchange_tokens: int) -> None:
    count, room = count_tokens(base, prompt), prompt_room(base, exchange_tokens=exchange_tokens)
    if count is not None and count > room:
        raise PromptTooLong(
            f"The prompt is {count:,} tokens long; with the longest task and answer of the open "
            f"Spaces there is room for {room:,}."
        )


def _check_prompt(prompt: str) -> None:
    if problem := problem_with_prompt(prompt):
        raise Refused(problem)


def code_share_of(agent: Agent) -> float:
    """The share of the agent's answers that come from code, [0, 1]; 0 for a model's agent."""
    return agent.code_percent / 100 if agent.engine == Engine.CODE else 0.0
