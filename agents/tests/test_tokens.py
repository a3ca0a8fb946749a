"""Prompts are counted in tokens of their base model."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from agents import roster
from agents.errors import PromptTooLong
from agents.models import Agent, BaseModel, User
from agents.prompts import MAX_PROMPT_CHARS, problem_with_prompt
from agents.tokens import TEMPLATE_TOKENS, count_tokens

pytestmark = pytest.mark.django_db(transaction=True)

SAMPLING = {"temperature": 0.8, "top_p": 0.95, "max_tokens": 64}
ROOM = 1000


def save_byte_tokenizer(folder: Path) -> None:
    """A tokenizer of one token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture
def base(tmp_path: Path) -> BaseModel:
    save_byte_tokenizer(tmp_path)
    return BaseModel.objects.create(
        slug="tiny",
        served_name="tiny",
        name="Tiny",
        path=str(tmp_path),
        context_tokens=ROOM + TEMPLATE_TOKENS + 150,
    )


def create(base: BaseModel, prompt: str) -> Agent:
    return roster.create_agent(
        User.objects.create_user(f"owner{User.objects.count()}").pk,
        name="Ada",
        base_model_id=base.pk,
        prompt=prompt,
        sampling=SAMPLING,
        learning={},
        exchange_tokens=150,
    )


def test_a_prompt_that_fits_in_characters_and_not_in_tokens_is_refused(base: BaseModel) -> None:
    emoji = "\N{GRINNING FACE}" * (ROOM // 4 + 1)
    assert len(emoji) < MAX_PROMPT_CHARS
    assert problem_with_prompt(emoji) is None
    with pytest.raises(PromptTooLong, match=r"is 1,004 tokens long; .* there is room for 1,000\."):
        create(base, emoji)
    agent = create(base, emoji[1:])
    with pytest.raises(PromptTooLong):
        roster.edit_agent(
            agent.owner_id,
            agent_id=agent.pk,
            prompt=emoji,
            sampling=SAMPLING,
            exchange_tokens=150,
        )
    assert agent.versions.count() == 1


@pytest.mark.parametrize("is_broken", [False, True])
def test_without_the_bases_tokenizer_the_limit_on_characters_holds_alone(
    base: BaseModel, tmp_path: Path, is_broken: bool
) -> None:
    (tmp_path / "tokenizer.json").unlink()
    if is_broken:
        (tmp_path / "tokenizer.json").write_text("{}")
    assert count_tokens(base, "a") is None
    assert create(base, "\N{GRINNING FACE}" * 2000).current_version is not None


def test_a_tokenizer_that_arrives_later_is_used(base: BaseModel, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").unlink()
    assert count_tokens(base, "four") is None
    save_byte_tokenizer(tmp_path)
    assert count_tokens(base, "four") == 4
