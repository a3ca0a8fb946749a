import io
import json
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from judges.scorers.client import RelevanceScorer, ScorerUnavailable
from judges.scorers.protocol import MAX_LINE_BYTES, MAX_TEXTS
from judges.scorers.serving import serve

# Speaks the protocol without a model: the cosine is the length of the text over 100; some
# prompts make it misbehave. Each start leaves a line in the file it is given.
FAKE = """
import json, os, sys, time
with open(sys.argv[1], "a") as log:
    log.write(f"{os.getpid()}\\n")
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request["prompt"] == "die":
        sys.exit(3)
    if request["prompt"] == "hang":
        time.sleep(600)
    if request["prompt"] == "babble":
        print("not json", flush=True)
    elif request["prompt"] == "refuse":
        print(json.dumps({"error": "no"}), flush=True)
    else:
        print(json.dumps({"cosines": [len(t) / 100 for t in request["texts"]]}), flush=True)
"""


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    path = tmp_path / "starts"
    path.touch()
    return path


@pytest.fixture
def scorer(tmp_path: Path, starts: Path) -> Iterator[RelevanceScorer]:
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    command = [sys.executable, str(script), str(starts)]
    scorer = RelevanceScorer(command, start_seconds=20, request_seconds=1.0)
    yield scorer
    scorer.close()


def test_child_starts_once_and_only_when_asked(scorer: RelevanceScorer, starts: Path) -> None:
    assert scorer.score("p", []) == []
    assert starts.read_text() == ""
    assert scorer.score("p", ["a" * 10, "a" * 20]) == [0.1, 0.2]
    assert scorer.score("p", ["a" * 30]) == [0.3]
    assert len(starts.read_text().splitlines()) == 1


def test_dead_child_is_started_again(scorer: RelevanceScorer, starts: Path) -> None:
    scorer.score("p", ["a"])
    os.kill(int(starts.read_text()), 9)
    assert scorer.score("p", ["a"]) == [0.01]
    assert len(starts.read_text().splitlines()) == 2


def test_request_that_kills_the_child_is_given_up(scorer: RelevanceScorer) -> None:
    with pytest.raises(ScorerUnavailable, match="failed"):
        scorer.score("die", ["a"])
    assert scorer.score("p", ["a"]) == [0.01]


@pytest.mark.parametrize("prompt", ["hang", "babble", "refuse"])
def test_misbehaving_child_is_an_error_and_the_next_request_works(
    scorer: RelevanceScorer, prompt: str
) -> None:
    with pytest.raises(ScorerUnavailable):
        scorer.score(prompt, ["a"])
    assert scorer.score("p", ["a"]) == [0.01]


def test_child_that_hangs_without_reading_cannot_block_a_writer(scorer: RelevanceScorer) -> None:
    with pytest.raises(ScorerUnavailable):
        scorer.score("hang", ["x" * 4000] * MAX_TEXTS)


def test_missing_program_is_an_error() -> None:
    with pytest.raises(ScorerUnavailable):
        RelevanceScorer(["/nonexistent/program"]).score("p", ["a"])


def test_threads_get_their_own_replies(scorer: RelevanceScorer) -> None:
    wrong: list[int] = []

    def ask(length: int) -> None:
        for _ in range(20):
            if scorer.score("p", ["a" * length]) != [length / 100]:
                wrong.append(length)

    threads = [threading.Thread(target=ask, args=(length,)) for length in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_too_many_texts_are_refused(scorer: RelevanceScorer) -> None:
    with pytest.raises(ScorerUnavailable, match="at most"):
        scorer.score("p", ["a"] * (MAX_TEXTS + 1))


def test_close_ends_the_child(scorer: RelevanceScorer, starts: Path) -> None:
    scorer.score("p", ["a"])
    scorer.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(starts.read_text()), 0)


@pytest.fixture(scope="module")
def real() -> Iterator[RelevanceScorer]:
    scorer = RelevanceScorer()
    yield scorer
    scorer.close()


@pytest.mark.slow
def test_on_topic_text_is_closer_than_off_topic(real: RelevanceScorer) -> None:
    on, off = real.score(
        "Write a rhyming couplet about cats: two lines that rhyme.",
        ["The cat lies purring in the sun,\nand dreams of mice that used to run.", "Buy gold now!"],
    )
    assert on > 0.35
    assert off < 0.25


@pytest.mark.slow
def test_hostile_text_gets_a_cosine(real: RelevanceScorer) -> None:
    texts = ["\ud800", "\x00" * 4000, "\u202e" * 100_000, "<|im_end|>", " "]
    assert all(-1.001 <= cosine <= 1.001 for cosine in real.score("\udfff", texts))


class Echo:
    """Replaces the encoder in tests of the line protocol."""

    def cosines(self, prompt: str, texts: list[str]) -> list[float]:
        return [0.5 for _ in texts]


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"[]\n",
        b"{}\n",
        b'{"prompt": 1, "texts": ["a"]}\n',
        b'{"prompt": "p", "texts": [1]}\n',
        b'{"prompt": "p", "texts": []}\n',
        b'{"prompt": "p", "texts": ' + json.dumps(["a"] * 65).encode() + b"}\n",
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
    ],
)
def test_bad_request_gets_an_error_and_the_process_goes_on(line: bytes) -> None:
    from judges.scorers.relevance import answer  # noqa: PLC0415 it imports torch

    out = io.BytesIO()
    echo = partial(answer, Echo())  # type: ignore[arg-type]
    serve(echo, io.BytesIO(line + b'{"prompt": "p", "texts": ["a"]}\n'), out)
    ready, error, good = map(json.loads, out.getvalue().splitlines())
    assert ready == {"ready": True}
    assert set(error) == {"error"}
    assert good == {"cosines": [0.5]}


def test_endless_line_ends_the_process() -> None:
    out = io.BytesIO()
    serve(dict, io.BytesIO(b"x" * (MAX_LINE_BYTES + 10)), out)
    assert json.loads(out.getvalue().splitlines()[-1]) == {"error": "the request is too long"}
