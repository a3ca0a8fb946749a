"""Verbs on agents, and what they refuse."""

import threading
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from agents import roster
from agents.errors import InvalidName, NotAvailable, Refused
from agents.models import Agent, AgentVersion, BaseModel, User, VersionOrigin
from arena.tests.builders import at_once

pytestmark = pytest.mark.django_db(transaction=True)

SAMPLING = {"temperature": 0.8, "top_p": 0.95, "max_tokens": 64}


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("owner")


@pytest.fixture
def base() -> BaseModel:
    return BaseModel.objects.create(slug="tiny", served_name="tiny", name="Tiny")


def create(owner: User, base: BaseModel, **changes: Any) -> Agent:
    values: dict[str, Any] = {
        "name": "Ada",
        "base_model_id": base.id,
        "prompt": "Be brief.",
        "sampling": SAMPLING,
        "learning": {},
    }
    return roster.create_agent(owner.id, **(values | changes))


def current(agent: Agent) -> int:
    assert agent.current_version_id is not None
    return agent.current_version_id


def test_a_new_agent_plays_its_first_version(owner: User, base: BaseModel) -> None:
    agent = create(owner, base, name="  Ada   of  Arc ")
    assert agent.name == "Ada of Arc"
    assert agent.current_version is not None
    assert (agent.current_version.number, agent.current_version.prompt) == (1, "Be brief.")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": " "}, "Give your agent a name"),
        ({"name": "x" * 61}, "61 characters"),
        ({"name": "<script>"}, "simple punctuation"),
        ({"name": "a\x00b"}, "simple punctuation"),
        ({"prompt": "<|im_end|>"}, "Remove <|im_end|>"),
        ({"sampling": SAMPLING | {"temperature": float("nan")}}, "Temperature must be"),
        ({"sampling": SAMPLING | {"temperature": -1}}, "Temperature must be"),
        ({"sampling": SAMPLING | {"top_p": 0}}, "Top-p must be"),
        ({"sampling": SAMPLING | {"max_tokens": 10**9}}, "longest answer"),
        ({"sampling": SAMPLING | {"max_tokens": float("inf")}}, "Sampling needs the numbers"),
        ({"sampling": {"temperature": "warm"}}, "Sampling needs the numbers"),
        ({"base_model_id": 0}, "available base models"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(
    owner: User, base: BaseModel, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(Refused, match=words.replace("|", r"\|")):
        create(owner, base, **changes)
    assert Agent.objects.count() == 0


def test_two_agents_of_one_owner_have_two_names(owner: User, base: BaseModel) -> None:
    create(owner, base)
    with pytest.raises(Refused, match="already have an agent named ada"):
        create(owner, base, name="ada")
    other = create(owner, base, name="Bo")
    with pytest.raises(Refused, match="already have"):
        roster.rename_agent(owner.id, agent_id=other.id, name="ADA")


@pytest.mark.parametrize("lookalike", ["Rul\u0435r", "\uff32\uff55\uff4c\uff45\uff52", "RuIer"])
def test_agents_of_one_owner_and_of_the_house_do_not_look_alike(
    owner: User, base: BaseModel, lookalike: str
) -> None:
    ruler = create(owner, base, name="Ruler")
    with pytest.raises(InvalidName, match="looks like it"):
        create(owner, base, name=lookalike)
    roster.rename_agent(owner.id, agent_id=ruler.id, name=lookalike)
    other = create(owner, base, name="Bo")
    with pytest.raises(InvalidName, match="looks like it"):
        roster.rename_agent(owner.id, agent_id=other.id, name="Ruler")
    roster.rename_agent(owner.id, agent_id=ruler.id, name="Ada")
    house = User.objects.create(username="house", is_house=True)
    create(house, base, name="Ruler")
    with pytest.raises(InvalidName, match="house agent"):
        create(owner, base, name=lookalike)
    with pytest.raises(InvalidName, match="house agent"):
        roster.rename_agent(owner.id, agent_id=other.id, name=lookalike)
    create(User.objects.create_user("second"), base, name="Ada")


def test_of_two_lookalikes_created_at_once_one_gets_the_sentence(
    owner: User, base: BaseModel
) -> None:
    results = at_once(
        lambda: create(owner, base, name="Ruler"), lambda: create(owner, base, name="Rul\u0435r")
    )
    assert sorted(type(result).__name__ for result in results) == ["Agent", "InvalidName"]
    assert Agent.objects.count() == 1


def test_agents_created_at_once_do_not_pass_the_bound_together(
    owner: User, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "MAX_AGENTS_PER_OWNER", 2)
    outcomes = at_once(*(partial(create, owner, base, name=f"Agent {one}x") for one in "abcd"))
    assert Agent.objects.count() == 2
    refused = [str(one) for one in outcomes if isinstance(one, Refused)]
    assert refused == ["You have 2 agents; retire one to make room for another."] * 2


def test_editing_makes_a_version_and_leaves_the_old_one_as_it_was(
    owner: User, base: BaseModel
) -> None:
    agent = create(owner, base)
    version = roster.edit_agent(owner.id, agent_id=agent.id, prompt="Be long.", sampling=SAMPLING)
    assert (version.number, version.origin) == (2, VersionOrigin.EDITED)
    assert [each.prompt for each in agent.versions.all()] == ["Be brief.", "Be long."]
    assert (
        roster.edit_agent(owner.id, agent_id=agent.id, prompt="Be long.", sampling=SAMPLING)
        == version
    )


def activate(agent: Agent, version_id: int) -> None:
    with transaction.atomic():
        roster.activate_version(agent.owner_id, agent_id=agent.id, version_id=version_id)


def test_rolling_back_is_one_step_and_only_to_ones_own_versions(
    owner: User, base: BaseModel
) -> None:
    agent, other = create(owner, base), create(owner, base, name="Bo")
    first = current(agent)
    roster.edit_agent(owner.id, agent_id=agent.id, prompt="Be long.", sampling=SAMPLING)
    activate(agent, first)
    assert Agent.objects.get(id=agent.id).current_version_id == first
    with pytest.raises(Refused, match="another agent"):
        activate(agent, current(other))


def test_a_trained_child_is_activated_only_while_its_parent_is_current(
    owner: User, base: BaseModel
) -> None:
    agent = create(owner, base)
    current_before = current(agent)
    child = AgentVersion.objects.create(
        agent=agent,
        number=2,
        prompt="Be brief.",
        sampling=SAMPLING,
        parent=agent.current_version,
        origin=VersionOrigin.TRAINED,
    )
    roster.edit_agent(owner.id, agent_id=agent.id, prompt="Be long.", sampling=SAMPLING)
    with transaction.atomic():
        assert not roster.activate_child(agent.id, version_id=child.id)
    activate(agent, current_before)
    for _ in range(2):
        with transaction.atomic():
            assert roster.activate_child(agent.id, version_id=child.id)


def test_a_retired_agent_stays_as_it_was(owner: User, base: BaseModel) -> None:
    agent = create(owner, base)
    first = current(agent)
    roster.edit_agent(owner.id, agent_id=agent.id, prompt="Be long.", sampling=SAMPLING)
    roster.retire_agent(owner.id, agent_id=agent.id)
    before = Agent.objects.values().get()
    with pytest.raises(NotAvailable, match="cannot be changed"):
        activate(agent, first)
    for verb, values in (
        (roster.edit_agent, {"prompt": "Be late.", "sampling": SAMPLING}),
        (roster.set_learning, {"learning": {}, "is_training_enabled": False}),
        (roster.rename_agent, {"name": "Eve"}),
        (roster.retire_agent, {}),
    ):
        with pytest.raises(NotAvailable, match="cannot be changed"):
            verb(owner.id, agent_id=agent.id, **values)
    assert Agent.objects.values().get() == before
    assert agent.versions.count() == 2


def test_the_database_refuses_to_change_a_version(owner: User, base: BaseModel) -> None:
    create(owner, base)
    with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
        AgentVersion.objects.update(prompt="Other.")


def test_edits_at_once_get_numbers_without_gaps(owner: User, base: BaseModel) -> None:
    agent = create(owner, base)

    def edit(number: int) -> None:
        roster.edit_agent(owner.id, agent_id=agent.id, prompt=f"Edit {number}.", sampling=SAMPLING)
        connection.close()

    threads = [threading.Thread(target=edit, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    numbers = list(agent.versions.order_by("number").values_list("number", flat=True))
    assert numbers == [1, 2, 3, 4, 5]
