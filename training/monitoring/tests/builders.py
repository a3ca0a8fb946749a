"""SiteFigures of a site where everything is well."""

from dataclasses import replace

from training.monitoring.figures import (
    JudgeFigures,
    JudgingFigures,
    Ledger,
    Machine,
    Matches,
    Queue,
    SiteFigures,
    Sweep,
    Training,
    Webhooks,
)
from training.monitoring.site import sweep_every_seconds

WELL = SiteFigures(
    matches=Matches(
        queues={"haiku": Queue(2, 10.0)},
        seated=1,
        running=3,
        claimable=1,
        claimable_oldest_seconds=2.0,
        settled=100,
        cancelled={"other": 1},
        answers_per_second=2.0,
        tokens_per_second=90.0,
    ),
    sweeps={},
    sweep_every_seconds={},
    training=Training({"queued": 1}, 60.0, 0.5, 400.0),
    judges=JudgingFigures({"code": JudgeFigures(20, 0)}, (), {"gpu": 1.5}, {"gpu": 10.0}),
    ledger=Ledger(120, 30, 3600.0, 0),
    webhooks=Webhooks(0, 0.0, 0, 0),
    machine=Machine({("web", "idle"): 4}, 100, (True,), {}, 50_000_000_000, 100_000_000_000),
    collected_seconds=0.01,
)


def well() -> SiteFigures:
    """With every sweep in time."""
    every = sweep_every_seconds()
    return replace(
        WELL, sweeps={task: Sweep(1.0, 0.1) for task in every}, sweep_every_seconds=every
    )
