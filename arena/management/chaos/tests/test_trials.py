"""Who is struck, and what a trial waits for."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError

from arena.management.chaos import trials
from arena.management.chaos.processes import TRAINER, Processes
from arena.management.chaos.trials import TrialRecord, Trials, earlier_trials, report
from arena.management.commands.chaos_play import _earlier
from arena.tests.builders import make_agent, make_space
from training.methods.dpo import DPOConfig
from training.states import RunStatus
from training.tests.builders import make_run


class LateTrainer(Processes):
    """A product whose trainer is there at the third look."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.looks = 0

    def of(self, victim: str) -> list[int]:
        self.looks += 1
        return [1] if self.looks >= 3 else []

    def kill(self, victim: str) -> bool:
        return bool(self.of(victim))


@pytest.mark.django_db(transaction=True)
def test_a_trainer_that_is_drawn_is_waited_for_while_a_run_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "TRAINER_POLL_SECONDS", 0.0)
    run = make_run(make_agent(), make_space(), config=DPOConfig())
    product = LateTrainer(tmp_path)
    assert Trials([], product, seed=1)._strike(TRAINER)
    run.status = RunStatus.CANCELLED
    run.save()
    product.looks = 0
    assert not Trials([], product, seed=1)._strike(TRAINER), "nothing to wait for"


def test_a_report_says_what_the_trials_waited_for() -> None:
    waited = [{"matches are not over": 6.0}, {"matches are not over": 8.0, "the web is down": 5.0}]
    done = [TrialRecord(number, waited=each) for number, each in enumerate(waited)]
    assert report(done, [])["waited_for"] == {
        "matches are not over": {"trials": 2, "mean_seconds": 7.0},
        "the web is down": {"trials": 1, "mean_seconds": 5.0},
    }


def test_a_run_that_was_stopped_goes_on_from_its_report() -> None:
    first = json.loads(json.dumps(report([TrialRecord(1, killed=[(0.5, "web")])], [])))
    done = [*earlier_trials(first), TrialRecord(2, problems=["A hold is left."])]
    both = report(done, [], first)
    assert (both["trials"], both["passed"], both["sittings"]) == (2, 1, 2)
    assert both["killed"] == {"web": 1}


@pytest.mark.parametrize("content", ["{", "[]", '{"seed": 2}'])
def test_a_file_that_is_no_report_of_the_seed_is_not_written_over(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(CommandError, match="is no report of seed 1"):
        _earlier(path, seed=1)
    assert path.read_text() == content
