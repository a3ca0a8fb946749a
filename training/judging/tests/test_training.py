"""A judge from its data to its vote, with the real trainer and scorer on a tiny base."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from judges.models import Judge, LearnedVersion
from training.judging import training
from training.trainers.judging.job import HEAD_FILE
from training.trainers.judging.tests.builders import save_reading_base

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folders(settings: Settings, tmp_path: Path) -> Path:
    settings.RUN_STORE = tmp_path / "runs"
    settings.JUDGE_STORE = tmp_path / "judges"
    settings.BASE_MODEL_PATH = tmp_path / "base"
    return tmp_path


@pytest.mark.slow
def test_a_command_trains_measures_and_records_a_version(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_reading_base(folders / "base")
    monkeypatch.setattr(training, "CODE_GOLD", 6)
    monkeypatch.setattr(training, "_others", lambda gold, rng: {})
    report = folders / "report.json"
    call_command("judge_train", minutes=0.1, json=report)
    version = LearnedVersion.objects.get()
    assert (folders / "judges" / version.digest / HEAD_FILE).exists()
    assert version.reason.startswith("Only 6 held-out prompts")  # too few for the gate
    assert Judge.objects.get(slug="learned").config == {}
    figures = json.loads(report.read_text())
    assert figures["accuracy"]["learned judge"]["attacks"]["pairs"] == 6
    assert figures["accuracy"]["learned judge"]["natural pairs, trained kinds"] == "no pairs"
    assert "Certified for no kind of task" in capsys.readouterr().out


def test_nothing_can_be_rolled_back_before_a_second_version() -> None:
    with pytest.raises(CommandError, match="no earlier version"):
        call_command("judge_train", roll_back=True)
