import io
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from arena.tests.judge_server import Body, JudgeServer, completion, serving
from judges.models import Judge
from judges.tests.builders import compared


def prefers_purring(body: Body) -> bytes:
    first, _ = compared(body["messages"])
    return completion(f"It purrs.\nVERDICT: {'A' if 'purr' in first else 'B'}")


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with serving(prefers_purring) as server:
        yield server


def write_pairs(path: Path, count: int, *, first: int = 0) -> Path:
    pairs = (
        {
            "id": number,
            "prompt": f"Cats {number}?",
            "chosen": f"They purr {number}.",
            "rejected": f"They sleep all day long {number}.",
        }
        for number in range(first, first + count)
    )
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return path


def bench(pairs: Path, **options: Any) -> str:
    told = io.StringIO()
    call_command("judge_bench", pairs=pairs, stdout=told, stderr=told, **options)
    return told.getvalue()


def at(server: JudgeServer) -> dict[str, str]:
    return {"url": server.url, "model": "reader"}


def test_any_endpoint_is_measured_without_a_database(
    server: JudgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "sesame")
    report = tmp_path / "report.json"
    told = bench(
        write_pairs(tmp_path / "pairs.jsonl", 30),
        json=report,
        key_env="A_KEY",
        prompt_price=1.0,
        completion_price=10.0,
        **at(server),
    )
    assert "accuracy, both orders   100.0% [88.6, 100.0] of 30" in told
    assert "2.0 requests, 200 prompt and 20 completion tokens" in told
    assert "0.0120 in all" in told
    assert set(server.keys) == {"Bearer sesame"}
    assert "sesame" not in told + report.read_text()
    (judge,) = json.loads(report.read_text())["judges"]
    assert judge["is_complete"]
    assert judge["follows_position"]["value"] == 0.0
    assert judge["length_bias"]["value"] == pytest.approx(0.0)


def test_after_a_stop_it_goes_on_where_it_was(tmp_path: Path) -> None:
    pairs, report = write_pairs(tmp_path / "pairs.jsonl", 40), tmp_path / "report.json"
    stopping = threading.Event()

    def reply(body: Body) -> bytes:
        if "Cats 25?" in str(body["messages"]) and not stopping.is_set():
            stopping.set()
            os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C
        return prefers_purring(body)

    with serving(reply) as server:
        with pytest.raises(CommandError, match=r"Stopped after \d+ of 40 pairs\. Run the same"):
            bench(pairs, json=report, **at(server))
        (judge,) = json.loads(report.read_text())["judges"]
        assert not judge["is_complete"]
        done = judge["pairs"]
        assert 10 <= done < 40
        told = bench(pairs, json=report, **at(server))
        assert f"reader (pairwise): {done} pairs were asked about before." in told
        assert "40 pairs, 40 judged" in told
        again = len(server.requests)
        bench(pairs, json=report, **at(server))
        assert len(server.requests) == again  # everything was known


def test_other_pairs_do_not_go_on_with_what_was_asked_of_these(
    server: JudgeServer, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    bench(write_pairs(tmp_path / "pairs.jsonl", 3), json=report, **at(server))
    with pytest.raises(CommandError, match="outcomes of another file of pairs"):
        bench(write_pairs(tmp_path / "pairs.jsonl", 4), json=report, **at(server))


def test_bad_lines_are_told_before_anything_is_asked(server: JudgeServer, tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs.jsonl", 3)
    pairs.write_text(pairs.read_text() + "{}\nnonsense\n")
    with pytest.raises(CommandError) as refused:
        bench(pairs, **at(server))
    assert "2 lines are no labelled pairs" in str(refused.value)
    assert "Line 4: it has no id, prompt, chosen and rejected." in str(refused.value)
    assert "Line 5: it is not JSON" in str(refused.value)
    assert server.requests == []
    assert "3 pairs, 2 bad lines left out" in bench(pairs, skip_bad=True, **at(server))


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (lambda body: completion("I like both."), "too few of its comparisons could be read"),
        (lambda body: b"<html>", "answered something that is no JSON"),
    ],
)
def test_a_judge_that_never_says_anything_is_not_asked_on(
    tmp_path: Path, reply: Callable[[Body], bytes], reason: str
) -> None:
    pairs, report = write_pairs(tmp_path / "pairs.jsonl", 50), tmp_path / "report.json"
    with serving(reply) as server:
        with pytest.raises(CommandError, match=f"nothing of the first 10 pairs: .*{reason}"):
            bench(pairs, json=report, **at(server))
        assert len(server.requests) <= 4 * 16
        server.reply = prefers_purring
        assert "50 pairs, 50 judged" in bench(pairs, json=report, **at(server))


def test_a_server_that_failed_for_a_while_is_asked_about_every_further_pair(
    tmp_path: Path,
) -> None:
    """Whoever measures it does not want pairs unasked because those before them failed."""
    asked: list[Body] = []

    def reply(body: Body) -> bytes:
        asked.append(body)
        return b"<html>" if 20 < len(asked) <= 32 else prefers_purring(body)

    with serving(reply) as server:
        told = bench(write_pairs(tmp_path / "pairs.jsonl", 40), at_once=1, **at(server))
    assert "left alone" not in told
    assert "accuracy, both orders   100.0%" in told


def test_whoever_keeps_asking_a_silent_judge_gets_its_reasons(tmp_path: Path) -> None:
    with serving(lambda body: completion("Hm.")) as server:
        told = bench(write_pairs(tmp_path / "p.jsonl", 12), keep_asking=True, **at(server))
    assert "12 of 12 pairs" in told
    assert "24 x too few of its comparisons could be read" in told


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "http://localhost/v1"}, "--url and --model belong together"),
        ({"url": "localhost:8000", "model": "m"}, "--url takes an address such as"),
        ({"url": "http://me:pw@localhost", "model": "m"}, "a key goes into --key-env"),
        ({"url": "http://h/v1", "model": "m", "key_env": "NOT_SET"}, "NOT_SET is not set"),
        ({"url": "http://h/v1", "model": "m", "config": "[]"}, "--config takes a JSON object"),
        ({"url": "http://h/v1", "model": "m", "config": '{"x": 1}'}, "unknown names: x"),
        ({"url": "http://h/v1", "model": "m", "kind": "code"}, "cannot judge free pairs"),
        ({"key_env": "A"}, "--key-env is for the endpoint of --url"),
        ({"at_once": 0}, "--at-once takes 1 to"),
        ({"first": 0}, "--first takes at least 1"),
        ({"prompt_price": 1.0}, "belong together"),
        ({"prompt_price": 1.0, "completion_price": float("nan")}, "A price is a number"),
        ({"json": Path("/nowhere/report.json")}, "There is no folder /nowhere"),
    ],
)
def test_wrong_options_are_answered_by_a_sentence(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        bench(write_pairs(tmp_path / "pairs.jsonl", 1), **options)


def test_a_file_that_is_not_there_or_holds_nothing_is_answered_by_a_sentence(
    tmp_path: Path,
) -> None:
    with pytest.raises(CommandError, match=r"none\.jsonl does not exist"):
        bench(tmp_path / "none.jsonl", url="http://h/v1", model="m")
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(CommandError, match="holds no pairs"):
        bench(tmp_path / "empty.jsonl", url="http://h/v1", model="m")
    with pytest.raises(CommandError, match="is no file"):
        bench(tmp_path, url="http://h/v1", model="m")


def test_a_reward_model_of_the_command_line_is_measured(tmp_path: Path) -> None:
    def reply(body: Body) -> bytes:
        assert body["model"] == "reader"
        text = body["messages"][-1]["content"]
        return json.dumps({"data": [{"probs": [2.5 if "purr" in text else -1.0]}]}).encode()

    with serving(reply) as server:
        told = bench(write_pairs(tmp_path / "pairs.jsonl", 12), kind="reward", **at(server))
    assert "accuracy, both orders   100.0%" in told
    assert len(server.requests) == 4 * 12  # two answers in two orders of seats


@pytest.mark.django_db
def test_a_judge_of_this_installation_is_measured_by_its_slug(tmp_path: Path) -> None:
    Judge.objects.create(slug="tosser", name="Tosser", kind="coin")
    Judge.objects.create(slug="checker", name="Checker", kind="code")
    pairs = write_pairs(tmp_path / "pairs.jsonl", 200)
    told = bench(pairs, judge=["tosser"])
    assert "tosser: 200 pairs, 200 judged" in told
    with pytest.raises(CommandError, match="checker: it cannot judge free pairs"):
        bench(pairs, judge=["checker"])
    with pytest.raises(
        CommandError, match=r"no judge 'nobody'\. This installation has checker, tosser"
    ):
        bench(pairs, judge=["nobody"])
