"""A tiny base whose tokenizer adds a beginning token, and answers that are sampled from it."""

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from agents.models import Agent, BaseModel
from arena.models import Completion
from training.data.harvest import harvest_matches
from training.data.reading import Reader
from training.tests.builders import make_agent, make_match

BEGIN, START, END = "<s>", "<|im_start|>", "<|im_end|>"
TEMPLATE = (
    "{{ bos_token }}{% for one in messages %}{{ '<|im_start|>' + one['role'] + '\n' "
    "+ one['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def tiny_base(folder: Path) -> BaseModel:
    """A token a byte, except that "ab" is one; every text begins with BEGIN."""
    folder.mkdir(parents=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate([*alphabet, "ab"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("a", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(one, special=True) for one in (BEGIN, START, END)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": END,
        "model_max_length": 100_000,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return BaseModel.objects.create(
        slug=folder.name, served_name=folder.name, name="Tiny", path=str(folder)
    )


def ids_of(base: BaseModel, text: str) -> list[int]:
    assert base.folder is not None
    tokenizer = Tokenizer.from_file(str(base.folder / "tokenizer.json"))
    return tokenizer.encode(text, add_special_tokens=False).ids


def letters_of(base: BaseModel, text: str) -> list[int]:
    """A token a byte, also where the tokenizer would join some, and for control tokens in the text."""
    assert base.folder is not None
    tokenizer = Tokenizer.from_file(str(base.folder / "tokenizer.json"))
    return [id for byte in text for id in tokenizer.encode(byte, add_special_tokens=False).ids]


def play(
    base: BaseModel,
    texts: Sequence[str],
    *,
    ids: Sequence[Sequence[int]] | None = None,
    allowed: bool = False,
) -> Agent:
    """An agent that wins a round with each of these texts, sampled from the base.

    `ids`: of the texts as they were sampled, if not as the tokenizer reads them.
    """
    assert base.folder is not None
    reader = Reader(base.folder)
    agent, rival = make_agent(), make_agent()
    Agent.objects.filter(id__in=[agent.pk, rival.pk]).update(base_model=base)
    match = make_match([agent, rival], [{0: 1.0, 1: 0.2}] * len(texts))
    end = ids_of(base, END)
    for row in Completion.objects.filter(round__match=match).select_related("round", "seat"):
        number = row.round.number - 1
        if row.seat.index == 0:
            row.text = texts[number]
            row.token_ids = [*(ids[number] if ids else ids_of(base, row.text)), *end]
        else:
            row.token_ids = [*ids_of(base, row.text), *end]
        row.prompt_token_ids = ids_of(base, reader.rendered(row.messages, is_asked=True))
        row.logprobs = [-0.5] * len(row.token_ids)
        row.allowed_token_ids = [[each] for each in row.token_ids] if allowed else []
        row.save()
    harvest_matches()
    return agent
