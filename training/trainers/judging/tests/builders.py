"""A tiny base that can read, and groups whose order is obvious."""

from pathlib import Path
from random import Random
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from agents.tests.forks import Fork, Program
from training.trainers.judging.job import JUDGE_FOLDER, JudgedGroup, JudgeJob, write_groups
from training.trainers.tests.builders import TIMEOUT_SECONDS, save_tiny_base, start, trainers

PROGRAM = ("-m", "training.trainers.judging")
TOPICS = ("cats", "rivers", "lamps", "trains")
GOOD, BAD = ("yes", "fine", "true"), ("no", "wrong", "false")
_WORDS = ("<unk>", "<|user|>", "<|end|>", "<", "|", "end", ">", "about", *TOPICS, *GOOD, *BAD)
_TEMPLATE = (
    "{% for message in messages %}<|user|> {{ message['content'] }} <|end|>{% endfor %}"
    "{% if add_generation_prompt %}{% endif %}"
)


def save_reading_base(folder: Path) -> Path:
    """The tiny base with a tokenizer of a few words."""
    save_tiny_base(folder)
    words = Tokenizer(models.WordLevel({w: n for n, w in enumerate(_WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        unk_token="<unk>",
        eos_token="<|end|>",
        additional_special_tokens=["<|user|>"],
    )
    tokenizer.chat_template = _TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


def obvious_groups(count: int, *, seed: int = 0) -> list[JudgedGroup]:
    """What says yes is better than what says no, whatever it is about."""
    source = Random(seed)

    def said(words: tuple[str, ...]) -> str:
        return " ".join((source.choice(words), *source.choices(TOPICS, k=source.randint(1, 4))))

    return [
        JudgedGroup(
            prompt=f"about {source.choice(TOPICS)}",
            better=said(GOOD),
            worse=tuple(said(BAD) for _ in range(3)),
            is_absolute=bool(number % 2),
        )
        for number in range(count)
    ]


def write_judge_job(
    folder: Path, base: Path, *, groups: list[JudgedGroup] | None = None, **job: Any
) -> Path:
    folder.mkdir(parents=True)
    write_groups(folder, obvious_groups(40) if groups is None else groups)
    values = {"rank": 4, "alpha": 8, "learning_rate": 1e-2, "epochs": 3, "threads": 1} | job
    JudgeJob(base_path=str(base), device="cpu", worker_pid=trainers().pid, **values).write(folder)
    return folder


def start_judge(folder: Path, *, program: Program = PROGRAM) -> Fork:
    return start(folder, program=program)


def train_judge_of(folder: Path) -> None:
    process = start_judge(folder)
    status = process.wait(timeout_seconds=TIMEOUT_SECONDS)
    assert status == 0, process.output[-3000:]


def judge_bits(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / JUDGE_FOLDER).iterdir())}
