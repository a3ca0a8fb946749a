"""A prompt must leave room for the longest task and answer of the Space that it enters."""

from pathlib import Path
from random import Random

import pytest

from agents.errors import Refused
from agents.models import Agent, AgentVersion, Engine, VersionOrigin
from agents.tests.test_tokens import save_byte_tokenizer
from agents.tokens import TEMPLATE_TOKENS
from arena.environments import ENVIRONMENTS
from arena.environments.asking import exchange_tokens
from arena.environments.base import Split
from arena.models import Entry, Space
from arena.queries import longest_exchange
from arena.spaces.entering import close_space
from arena.tests.builders import SAMPLING, enter, make_agent, make_space, make_user

pytestmark = pytest.mark.django_db(transaction=True)

QUESTIONS = sorted(slug for slug in ENVIRONMENTS if ENVIRONMENTS[slug].turn_limit == 1)
TASK_AND_ANSWER = 120 + 32  # of the Constraints Space, for an agent that answers with 32 at most


def make_entrant(tmp_path: Path, *, prompt_tokens: int, engine: Engine = Engine.MODEL) -> Agent:
    """An agent of a version from before prompts were counted."""
    save_byte_tokenizer(tmp_path)
    agent = make_agent(make_user(credits=100), engine=engine)
    agent.base_model.path = str(tmp_path)
    agent.base_model.context_tokens = 500
    agent.base_model.save()
    agent.current_version = AgentVersion.objects.create(
        agent=agent,
        number=2,
        prompt="a" * prompt_tokens,
        sampling=SAMPLING,
        origin=VersionOrigin.EDITED,
    )
    agent.save()
    return agent


def test_a_prompt_that_leaves_no_room_is_refused_when_it_enters(tmp_path: Path) -> None:
    room = 500 - TEMPLATE_TOKENS - TASK_AND_ANSWER
    agent, space = make_entrant(tmp_path, prompt_tokens=room + 1), make_space()
    sentence = rf"is {room + 1} tokens long; .* of {space.name} there is room for {room}\."
    with pytest.raises(Refused, match=sentence):
        enter(agent, space)
    assert not Entry.objects.exists()
    enter(make_entrant(tmp_path, prompt_tokens=room), space)


def test_an_agent_of_code_needs_no_room(tmp_path: Path) -> None:
    enter(make_entrant(tmp_path, prompt_tokens=1000, engine=Engine.CODE), make_space())


def test_the_longest_exchange_is_that_of_the_open_spaces_on_the_base() -> None:
    short, long = make_space(max_tokens=50), make_space(max_tokens=400)
    base_id = short.base_model_id
    assert longest_exchange(base_id) == 120 + 400
    close_space(long.pk)
    assert longest_exchange(base_id) == 120 + 50
    assert Space.objects.count() == 2
    assert longest_exchange(base_id + 1) == 0


# The turns of games and debates are measured in those folders' tests.
@pytest.mark.parametrize("slug", QUESTIONS)
def test_no_task_of_any_split_is_longer_than_its_environment_says(slug: str) -> None:
    environment, rng = ENVIRONMENTS[slug], Random(1)
    longest = max(
        len(environment.make_task(rng, split).prompt.encode())
        for split in Split
        for _ in range(4000)
    )
    assert longest <= environment.max_task_chars <= 2 * longest
    assert exchange_tokens(environment, max_tokens=9) >= 9 + environment.max_task_chars // 2
