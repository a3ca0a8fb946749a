"""The headless demo in short form: a program that shows the loop and reports what it did."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arena.config.env import REPOSITORY
from arena.tests.system.product import Product

pytestmark = pytest.mark.vllm

MINUTES = 20  # on two cores with nothing else to do it takes about three


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo makes its own folder; the database's user can reach it."""
    made = Path(tempfile.mkdtemp(prefix="rlfc-demo-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_the_headless_demo_closes_the_loop_and_leaves_nothing_behind(
    product: Product, folder: Path
) -> None:
    report = folder / "report.json"
    # It uses the vLLM that is already running: a second one takes a minute and 4 GB.
    done = subprocess.run(
        [
            *(sys.executable, "manage.py", "demo", "--headless"),
            *("--json", str(report), "--minutes", str(MINUTES)),
        ],
        cwd=REPOSITORY,
        env={**product.environ_of_another, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=(MINUTES + 3) * 60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr + _log_ends(folder)
    check_report(json.loads(report.read_text()))
    assert processes_naming(str(folder)) == []
    assert list(folder.glob("rlfc-*")) == []


def check_report(told: dict[str, Any]) -> None:
    """Every field that a reader is promised, and that they fit together."""
    assert told["loop_closed"] is True
    assert set(told["matches_by_space"]) == {"constraints", "tiny-poems"}
    assert all(count >= 1 for count in told["matches_by_space"].values())
    assert told["matches_settled"] >= 3  # one in each Space, and one after the gate
    assert told["rounds"] >= told["matches_settled"]
    assert told["completions"] >= told["rounds"]
    assert told["votes"] >= told["matches_settled"]
    assert told["pairs"] >= 8
    assert told["tokens_per_second"] > 0
    assert told["ledger_audit"]["ok"] is True
    assert told["ledger_audit"]["problems"] == []
    credits = told["credits"]
    assert credits["issued"] > 0
    # A match that is stopped in its course keeps its fees in escrow until it is taken up again.
    assert credits["fees_in"] >= credits["prizes_out"] + credits["rake"] + credits["refunds_out"]
    learner = told["trained_agent"]
    run = next(run for run in told["training_runs"] if run["id"] == learner["run"])
    assert run["status"] == learner["verdict_of_gate"]
    assert run["status"] in {"adopted", "rejected"}
    assert run["method"] == "dpo"
    assert run["steps"] >= 1
    assert run["rehearsed_texts"] > 0
    assert run["seconds"] > 0
    assert all(isinstance(run[name], float) for name in ("loss_first", "loss_last"))
    held_out = run["held_out"]
    assert held_out["tasks"] >= 6
    for side in ("parent", "child"):
        assert 0 <= held_out[side]["mean"] <= 1
        assert 0 <= held_out[side]["passed"] <= held_out["tasks"]
    assert held_out["passed"] == (run["status"] == "adopted")
    assert held_out["passed"] == (not held_out["refusals"])
    assert {probe["space"] for probe in held_out["probes"]} >= {"arithmetic"}
    assert held_out["drift"]["sequences"] > 0
    assert held_out["drift"]["drifted"] is False, held_out["drift"]
    plays = learner["child_version"] if held_out["passed"] else learner["parent_version"]
    assert learner["last_match_version"] == plays
    assert bool(learner["last_match_adapter"]) == held_out["passed"]


def processes_naming(text: str) -> list[str]:
    """Command lines of processes that have the text in their arguments or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            known = command + (process / "environ").read_bytes()
        except OSError:
            continue  # it has just ended
        if text.encode() in known:
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


def _log_ends(folder: Path) -> str:
    logs = sorted(folder.glob("rlfc-*/logs/*.log"))
    return "".join(f"\n== {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in logs)
