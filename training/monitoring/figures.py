"""The figures of one moment, as they were read. Pure.

Nothing in them was written by a person but slugs, which only the staff choose.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Queue:
    """Entries that wait in a Space; the oldest one's wait in seconds."""

    entries: int
    oldest_seconds: float


@dataclass(frozen=True)
class Matches:
    """`cancelled`: of the last hour, by one of training.monitoring.play.REASONS."""

    queues: Mapping[str, Queue]  # by the Space's slug
    seated: int
    running: int
    claimable: int  # that no worker holds though something is left to play
    claimable_oldest_seconds: float
    settled: int  # ever
    cancelled: Mapping[str, int]
    answers_per_second: float  # of the last minute
    tokens_per_second: float


@dataclass(frozen=True)
class Sweep:
    """A periodic task that ran: seconds since then, and seconds that it took."""

    age_seconds: float
    took_seconds: float


@dataclass(frozen=True)
class Training:
    """Runs by their state (those that are not over, and those offered)."""

    runs: Mapping[str, int]
    oldest_queued_seconds: float
    steps_per_second: float  # of all runs that train now
    tokens_per_second: float


@dataclass(frozen=True)
class JudgeFigures:
    """What a judge said in the last hour."""

    votes: int
    abstentions: int


@dataclass(frozen=True)
class JudgingFigures:
    """`costs`: of this month, in the currency of the endpoint's prices."""

    by_slug: Mapping[str, JudgeFigures]
    quarantined: tuple[str, ...]
    costs: Mapping[str, float]  # by the endpoint's slug
    caps: Mapping[str, float]


@dataclass(frozen=True)
class Ledger:
    """Credits. `audit_age_seconds`: since the last audit; None if there was none."""

    escrow: int
    held: int
    audit_age_seconds: float | None
    audit_problems: int


@dataclass(frozen=True)
class Webhooks:
    """What is to be sent to people's own servers."""

    waiting: int
    oldest_due_seconds: float
    failing: int
    paused: int  # by the site


@dataclass(frozen=True)
class Machine:
    """The database's connections by what holds them, inference servers, the disk."""

    connections: Mapping[tuple[str, str], int]  # by role and state
    max_connections: int
    servers: tuple[bool, ...]  # in the order of VLLM_URL: whether it answers
    left_out: Mapping[str, str]  # servers on which nobody plays, by URL: why
    disk_free_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class Process:
    """Of the web process that answers."""

    sockets: int
    pool_open: int
    pool_idle: int
    pool_waiting: int  # requests for a connection that wait for one


@dataclass(frozen=True)
class SiteFigures:
    """Everything. `sweeps`: by the task's name; None: not known to have run."""

    matches: Matches
    sweeps: Mapping[str, Sweep | None]
    sweep_every_seconds: Mapping[str, float]
    training: Training
    judges: JudgingFigures
    ledger: Ledger
    webhooks: Webhooks
    machine: Machine
    collected_seconds: float
