"""Steps end in time, whatever they do, and the report has what is known after each of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import checking
from benchmarks.gpu.checking import Check, run_stage
from benchmarks.gpu.steps import DEMO, LEARNING, REPORT, Step

WELL = f"import json; json.dump({{'loop_closed': True, 'seconds': 1}}, open('{REPORT}', 'w'))"
FAILING = "raise SystemExit('the driver is gone')"
HANGING = "import time; time.sleep(60)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {HANGING}"


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    monkeypatch.setattr(checking, "STOP_SECONDS", 0.5)
    return Check(tmp_path / "report.json", 480, {"machine": "a test"})


def run(
    check: Check, tmp_path: Path, programs: Mapping[str, str], *, seconds: float = 30
) -> dict[str, Any]:
    stage = tuple(
        Step(name, "a step", ("-c", program), share=10) for name, program in programs.items()
    )
    run_stage(check, stage, tmp_path, seconds=seconds, variables={})
    written: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
    return written


def test_a_step_that_fails_is_told_and_its_neighbour_goes_on(check: Check, tmp_path: Path) -> None:
    written = run(check, tmp_path, {DEMO: WELL, "other": FAILING})
    assert written["steps"][DEMO]["outcome"] == "done"
    assert written["reports"] == {DEMO: {"loop_closed": True, "seconds": 1}}
    assert written["steps"]["other"]["outcome"] == "failed"
    assert "the driver is gone" in written["steps"]["other"]["why"]
    assert not written["holds"]


@pytest.mark.parametrize("program", [HANGING, DEAF])
def test_a_step_that_overruns_its_time_is_ended(check: Check, tmp_path: Path, program: str) -> None:
    written = run(check, tmp_path, {"slow": program}, seconds=1.0)
    assert written["steps"]["slow"]["outcome"] == "overran"
    assert written["steps"]["slow"]["why"] == "it had 1 s"
    assert written["steps"]["slow"]["seconds"] < 30


def test_what_a_step_had_written_before_it_overran_is_kept(check: Check, tmp_path: Path) -> None:
    written = run(check, tmp_path, {DEMO: f"{WELL}; {HANGING}"}, seconds=5.0)
    assert written["steps"][DEMO]["outcome"] == "overran"
    assert written["reports"][DEMO]["loop_closed"]


def test_a_report_of_an_earlier_check_does_not_count(check: Check, tmp_path: Path) -> None:
    (tmp_path / f"{DEMO}.json").write_text('{"loop_closed": true}')
    assert run(check, tmp_path, {DEMO: "pass"})["steps"][DEMO]["outcome"] == "failed"


def test_learning_without_time_is_left_out(check: Check, tmp_path: Path) -> None:
    written = run(check, tmp_path, {LEARNING: WELL}, seconds=30)
    assert written["steps"][LEARNING]["outcome"] == "left out"
    assert "only 30 s are left" in written["steps"][LEARNING]["why"]


def test_after_each_step_that_holds_the_whole_holds(check: Check, tmp_path: Path) -> None:
    assert run(check, tmp_path, {DEMO: WELL})["holds"]
