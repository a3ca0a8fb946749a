"""Weights of trained judges go if they never voted."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from judges.learned.records import record_training, roll_back
from judges.models import Judge, JudgeKind, LearnedVersion
from training.retention.freed import Freed
from training.retention.judges import JUDGES

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> Path:
    settings.JUDGE_STORE = tmp_path
    return tmp_path


def train(store: Path, letter: str, *, is_adopted: bool) -> None:
    judge, _ = Judge.objects.get_or_create(slug="learned", kind=JudgeKind.LEARNED)
    folder = store / (letter * 64)
    folder.mkdir()
    (folder / "head.safetensors").write_bytes(b"w" * 10)
    record_training(
        judge.pk,
        digest=folder.name,
        base="base",
        is_adopted=is_adopted,
        reason="It was measured.",
        kinds=[],
        figures={},
    )


def test_only_weights_that_were_refused_long_ago_and_never_voted_go(store: Path) -> None:
    train(store, "a", is_adopted=True)
    train(store, "b", is_adopted=True)
    train(store, "c", is_adopted=False)
    roll_back(Judge.objects.get(slug="learned").pk)
    train(store, "f", is_adopted=False)
    then = timezone.now() - timedelta(days=8)
    LearnedVersion.objects.update(created_at=then)
    for letter in "abc":  # not f: its weights have just been made once more
        os.utime(store / (letter * 64), (then.timestamp(), then.timestamp()))
    train(store, "d", is_adopted=False)
    (store / ("e" * 64)).mkdir()  # is being trained
    assert JUDGES.due() == JUDGES.collect() == Freed(1, 10)
    assert [path.name[0] for path in sorted(store.iterdir())] == ["a", "b", "d", "e", "f"]
    assert JUDGES.collect() == Freed()
    assert LearnedVersion.objects.count() == 5
