"""Whether a tokenizer reads a text as it was sampled.

Trainers put messages through the base's chat template and its tokenizer. Neither has to give the ids
that the model sampled: another split of the same letters, a template that strips spaces, control
tokens that stood in the text. Without the training libraries, so that a worker stays light.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import structlog
from django.utils import timezone
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from agents.errors import Refused
from agents.models import BaseModel
from agents.prompts import neutralised
from arena.models import Completion
from arena.states import CUT_OFF
from training.models import Pair

Messages = Sequence[Mapping[str, str]]
_ASKED = [{"role": "user", "content": "?"}]
_NAMED_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")

log = structlog.get_logger(__name__)


class Sampled(NamedTuple):
    """An answer's text, as a chat template gets it, and its ids as they were sampled."""

    said: str
    ids: Sequence[int]
    is_cut: bool


class Reader:
    """The tokenizer and the chat template of one base, as transformers uses them."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError, ValueError or TemplateError if there is none to be read."""
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = json.loads((folder / "tokenizer_config.json").read_text())
        named = {name: config.get(name) or "" for name in _NAMED_TOKENS}
        self._named = {
            name: token["content"] if isinstance(token, dict) else token
            for name, token in named.items()
        }
        file = folder / "chat_template.jinja"
        source = file.read_text() if file.exists() else config.get("chat_template")
        if not isinstance(source, str):
            raise ValueError("The base has no chat template.")
        self._template = _environment().from_string(source)
        # What stands before the last control token is read by itself: it changes no answer's ids.
        asked = self.rendered(_ASKED, is_asked=True)
        added = self._tokenizer.get_added_tokens_decoder().values()
        cut = max((asked.rfind(one.content) for one in added if one.special), default=-1)
        self._passed, self._opening = asked[: max(cut, 0)], asked[max(cut, 0) :]
        self._before = self._ids([self._opening])[0]
        self._end = self._end_of_turn()
        # What the tokenizer puts before every text by itself.
        bare = self._tokenizer.encode("a", add_special_tokens=False).ids
        whole = self._tokenizer.encode("a").ids
        self._beginning = whole[: whole.index(bare[0])] if bare and bare[0] in whole else []

    def rendered(self, messages: Messages, *, is_asked: bool) -> str:
        """The messages as one text; `is_asked`: up to where the answer begins.

        Raises TemplateError.
        """
        return self._template.render(
            messages=messages, add_generation_prompt=is_asked, **self._named
        )

    def reads(self, answers: Sequence[Sampled], *, is_plain: bool = False) -> list[bool]:
        """For each answer, whether its message gives its ids, after whatever prompt.

        `is_plain`: as a text after a prompt that is one, see `plain_prompt` and `plain_answer`.
        """
        if is_plain:
            texts = [self._opening + self.plain_answer(one) for one in answers]
        else:
            texts = [self._answered(one.said) for one in answers]
        wanted = [[*self._before, *one.ids] for one in answers]
        return [
            found[: len(ids)] == ids for found, ids in zip(self._ids(texts), wanted, strict=True)
        ]

    def plain_prompt(self, messages: Messages) -> str:
        """The prompt as a text to which a tokenizer adds its beginning token by itself."""
        text = self.rendered(messages, is_asked=True)
        beginning = self._named["bos_token"]
        return text.removeprefix(beginning) if self._beginning and beginning else text

    def reads_prompts(self, prompts: Sequence[str], ids: Sequence[Sequence[int]]) -> list[bool]:
        """For each plain prompt, whether a tokenizer reads it as these ids."""
        return [
            [*self._beginning, *found] == list(wanted)
            for found, wanted in zip(self._ids(prompts), ids, strict=True)
        ]

    def plain_answer(self, answer: Sampled) -> str:
        """The answer with the end of its turn, unless it was cut off before."""
        return answer.said if answer.is_cut else answer.said + self._end

    def _end_of_turn(self) -> str:
        """What follows a message of an assistant, up to the token that ends it."""
        mark = "\u2021"
        text = self.rendered([*_ASKED, {"role": "assistant", "content": mark}], is_asked=False)
        after = text.rpartition(mark)[2]
        end = self._named["eos_token"]
        return after[: after.index(end) + len(end)] if end and end in after else after

    def _answered(self, said: str) -> str:
        """The message of an assistant from its first control token on; empty if there is none."""
        try:
            message = {"role": "assistant", "content": said}
            text = self.rendered([*_ASKED, message], is_asked=False)
        except TemplateError:
            return ""
        return text.removeprefix(self._passed) if text.startswith(self._passed) else ""

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        found = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [one.ids for one in found]


def read_as_sampled(answers: Mapping[int, tuple[int, Sampled]]) -> dict[int, bool | None]:
    """For answers with their bases, by any key: whether the base reads the message as it was sampled.

    None where the base's tokenizer is not here to ask.
    """
    found: dict[int, bool | None] = dict.fromkeys(answers)
    by_base: dict[int, list[int]] = defaultdict(list)
    for key, (base_id, _) in answers.items():
        by_base[base_id].append(key)
    for base_id, keys in by_base.items():
        if reader := reader_of(base_id):
            read = reader.reads([answers[key][1] for key in keys])
            found |= dict(zip(keys, read, strict=True))
    return found


def note_readings(pairs: Sequence[Pair]) -> None:
    """Write into rows that are not stored yet whether their answers are read as they were sampled."""
    ids = {pair.chosen_id for pair in pairs} | {pair.rejected_id for pair in pairs}
    rows = Completion.objects.filter(id__in=ids).values_list(
        "id", "version__agent__base_model", "text", "token_ids", "finish_reason"
    )
    found = read_as_sampled(
        {
            key: (base_id, Sampled(neutralised(text), token_ids, reason == CUT_OFF))
            for key, base_id, text, token_ids, reason in rows
        }
    )
    for pair in pairs:
        pair.chosen_reads, pair.rejected_reads = found[pair.chosen_id], found[pair.rejected_id]


def needed_reader(base_id: int) -> Reader:
    """Of the base. Raises Refused with a sentence if there is none here."""
    if reader := reader_of(base_id):
        return reader
    name = BaseModel.objects.get(id=base_id).name
    raise Refused(
        f"The tokenizer of {name} is not on this server, so that nobody can write its prompts as plain "
        "texts. Choose a format with messages."
    )


def reader_of(base_id: int) -> Reader | None:
    """Of the base, or None if its tokenizer or its template cannot be read here."""
    folder = BaseModel.objects.get(id=base_id).folder
    try:
        return _reader(folder, (folder / "tokenizer.json").stat().st_mtime_ns) if folder else None
    except OSError:
        return None


@lru_cache(maxsize=8)
def _reader(folder: Path, stamp: int) -> Reader | None:
    try:
        return Reader(folder)
    except Exception:
        log.warning("tokenizer_unreadable", folder=str(folder), exc_info=True)
        return None


def _environment() -> ImmutableSandboxedEnvironment:
    """As transformers has it: a template comes with a model, so that it may do nothing."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: timezone.now().strftime(form)
    return environment


def _tojson(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
