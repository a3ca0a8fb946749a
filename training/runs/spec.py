"""A run as its worker finds it: read once and passed from step to step."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import QuerySet

from agents.models import AgentVersion
from training.configs.configs import LearningConfig
from training.methods import config_from_json
from training.models import TrainingRun
from training.runs.attempts import run_folder


@dataclass(frozen=True)
class RunSpec:
    """What stays the same while a worker holds the run.

    What changes meanwhile (status, progress, gate, child version, the Space's panel and limits) is
    read when it is needed.
    """

    run: TrainingRun
    config: LearningConfig
    parent: AgentVersion  # the version that the run starts from
    folder: Path
    manifest: Mapping[str, Any]  # empty: the dataset has not been written

    @classmethod
    def of(cls, run: TrainingRun) -> "RunSpec":
        """The spec of a run of `whole_runs`. Raises InvalidConfig."""
        return cls(
            run=run,
            config=config_from_json(run.config),
            parent=run.parent_version,
            folder=run_folder(run.pk),
            manifest=run.manifest,
        )

    @property
    def base_folder(self) -> Path:
        """The folder of the agent's base model: weights and tokenizer."""
        folder = self.run.agent.base_model.folder
        assert folder is not None, "no run starts from a base without weights"
        return folder


def whole_runs() -> QuerySet[TrainingRun]:
    """Runs with everything that a spec gives access to: an event loop cannot query later."""
    return TrainingRun.objects.select_related(
        "agent__base_model",
        "space",
        "parent_version__adapter",
        "parent_version__agent__base_model",
        "child_version__adapter",
        "child_version__agent__base_model",
    )
