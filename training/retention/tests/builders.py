"""Weights in the store that were made long ago, and what becomes of them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from agents import roster
from agents.adapters.checks import WEIGHTS_FILE
from agents.models import Adapter, Agent, AgentVersion
from training.methods.dpo import DPOConfig
from training.models import TrainingRun
from training.retention.adapters import ADAPTERS
from training.retention.freed import Freed
from training.runs.steering import use_version
from training.states import RunStatus
from training.tests.builders import make_base, make_run, make_space

LONG_AGO = timedelta(days=400)
SIZE = 1000


def make_old(*rows: Any) -> None:
    """As if the rows had been there for long; of versions, which never change, see make_version."""
    for row in rows:
        type(row).objects.filter(pk=row.pk).update(created_at=timezone.now() - LONG_AGO)


def make_version(agent: Agent, *, number: int, monkeypatch: pytest.MonkeyPatch) -> AgentVersion:
    """A trained version of long ago, with its files."""
    digest = f"{agent.pk * 100 + number:064x}"
    then = timezone.now() - LONG_AGO
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: then)
        adapter = Adapter.objects.create(
            digest=digest,
            base_model=make_base(),
            rank=4,
            alpha=8,
            target_modules=["q_proj"],
            size_bytes=SIZE,
        )
        assert agent.current_version is not None
        version = roster.add_trained_version(
            agent.pk, parent_version_id=agent.current_version.pk, adapter_id=adapter.pk
        )
    folder = Path(settings.ADAPTER_STORE) / digest[:2] / digest
    folder.mkdir(parents=True)
    (folder / WEIGHTS_FILE).write_bytes(b"w" * SIZE)
    (folder / "adapter_config.json").write_text("{}")
    return version


def let_the_mark_ripen() -> None:
    Adapter.objects.filter(collected_at__isnull=False).update(
        collected_at=timezone.now() - timedelta(hours=2)
    )


def has_files(version: AgentVersion) -> bool:
    assert version.adapter is not None
    folder = Path(settings.ADAPTER_STORE) / version.adapter.digest[:2]
    return (folder / version.adapter.digest / WEIGHTS_FILE).exists()


def collect_adapters() -> Freed:
    """Mark what is due, then remove what is still marked."""
    first = ADAPTERS.collect()
    let_the_mark_ripen()
    return first + ADAPTERS.collect()


def use(version: AgentVersion) -> None:
    use_version(version.agent.owner_id, agent_id=version.agent_id, version_id=version.pk)


def run_of(version: AgentVersion, status: RunStatus, *, as_parent: bool = False) -> TrainingRun:
    run = make_run(version.agent, make_space(), config=DPOConfig())
    TrainingRun.objects.filter(id=run.pk).update(
        status=status,
        finished_at=timezone.now() - LONG_AGO,
        **({"parent_version": version} if as_parent else {"child_version": version}),
    )
    return run
