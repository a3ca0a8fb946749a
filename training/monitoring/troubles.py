"""What is wrong, in sentences for an operator: what it is, and what to do. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from training.monitoring.figures import SiteFigures

# A sweep that is this many times later than it should be; at least so many seconds.
LATE_TIMES, LATE_SECONDS = 6.0, 60.0
CLAIM_SECONDS = 120.0  # that a match may wait for a worker
RUN_SECONDS = 3_600.0  # that a run may wait for the trainer
SILENT_SHARE, SILENT_VOTES = 0.5, 6  # of a judge's last hour
SPENT_SHARE = 0.9  # of a month's cap
WEBHOOK_SECONDS = 300.0
CONNECTIONS_SHARE = 0.85
DISK_SHARE, DISK_BYTES = 0.05, 2_000_000_000
AUDIT_SECONDS = 2 * 86_400.0
CANCELLED_SHARE = 20  # matches cancelled in an hour


class Severity(StrEnum):
    """How soon somebody should look."""

    BROKEN = "broken"  # somebody waits or loses something now
    WATCH = "watch"  # it will be, or it only slows things down


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong. `where`: the part of the page that it belongs to."""

    where: str
    severity: Severity
    what: str
    remedy: str


def troubles(found: SiteFigures) -> tuple[Trouble, ...]:
    """The worst first."""
    every = [*_sweeps(found), *_play(found), *_training(found), *_judges(found), *_rest(found)]
    return tuple(sorted(every, key=lambda one: one.severity != Severity.BROKEN))


def _sweeps(found: SiteFigures) -> Iterator[Trouble]:
    unseen = [task for task, sweep in found.sweeps.items() if sweep is None]
    often = [task for task in unseen if found.sweep_every_seconds[task] <= LATE_SECONDS]
    late = [
        task
        for task, sweep in found.sweeps.items()
        if sweep and sweep.age_seconds > _bound(found.sweep_every_seconds[task])
    ]
    if often or late:
        names = ", ".join(sorted({*often, *late}))
        yield Trouble(
            "sweeps",
            Severity.BROKEN,
            f"Not done in time: {names}. Queues are seated and dead workers' tasks found by these.",
            "See whether beat and the sweep worker run (a part's log is in RLFC_HOME/logs).",
        )


def _play(found: SiteFigures) -> Iterator[Trouble]:
    it = found.matches
    if it.claimable and it.claimable_oldest_seconds > CLAIM_SECONDS:
        yield Trouble(
            "matches",
            Severity.BROKEN,
            f"{it.claimable} matches wait for a worker, the oldest for {in_words(it.claimable_oldest_seconds)}.",
            "Start more match workers, raise MATCH_THREADS, or see whether they run at all.",
        )
    away = [str(number + 1) for number, is_up in enumerate(found.machine.servers) if not is_up]
    if away:
        yield Trouble(
            "matches",
            Severity.BROKEN if len(away) == len(found.machine.servers) else Severity.WATCH,
            f"Inference servers that do not answer: number {', '.join(away)} of VLLM_URL.",
            "Restart them. Matches wait for some minutes and are then refunded.",
        )
    for url, problem in found.machine.left_out.items():
        yield Trouble(
            "matches",
            Severity.BROKEN
            if len(found.machine.left_out) >= len(found.machine.servers)
            else Severity.WATCH,
            f"Nobody plays on the inference server {url}. {problem}",
            "Matches go to the others; it is asked again every few seconds.",
        )
    cancelled = sum(it.cancelled.values())
    if cancelled >= CANCELLED_SHARE:
        worst = max(it.cancelled, key=lambda reason: it.cancelled[reason])
        yield Trouble(
            "matches",
            Severity.WATCH,
            f"{cancelled} matches were cancelled in the last hour, most of them: {worst.replace('_', ' ')}.",
            "Look at one of them in the list of matches; its page says why.",
        )


def _training(found: SiteFigures) -> Iterator[Trouble]:
    it = found.training
    if it.oldest_queued_seconds > RUN_SECONDS:
        yield Trouble(
            "training",
            Severity.WATCH,
            f"A training run has waited for {in_words(it.oldest_queued_seconds)}.",
            "See whether the training worker runs; one more, or TRAINING_TOGETHER, makes waits shorter.",
        )


def _judges(found: SiteFigures) -> Iterator[Trouble]:
    it = found.judges
    if it.quarantined:
        yield Trouble(
            "judges",
            Severity.WATCH,
            f"Quarantined: {', '.join(it.quarantined)}.",
            "Its page says why; mend its configuration, then lift the quarantine.",
        )
    for slug, judge in it.by_slug.items():
        asked = judge.votes + judge.abstentions
        if asked >= SILENT_VOTES and judge.abstentions >= SILENT_SHARE * asked:
            yield Trouble(
                "judges",
                Severity.WATCH,
                f"{slug} abstained on {judge.abstentions} of its last {asked} rounds.",
                "See the last problem of its endpoint under Judges and endpoints.",
            )
    for slug, cap in it.caps.items():
        if it.costs[slug] >= SPENT_SHARE * cap:
            yield Trouble(
                "judges",
                Severity.WATCH,
                f"The endpoint {slug} has spent {it.costs[slug]:.2f} of its {cap:.2f} this month.",
                "Over its cap its judges abstain: raise the cap or name a second endpoint.",
            )


def _rest(found: SiteFigures) -> Iterator[Trouble]:
    ledger, hooks, machine = found.ledger, found.webhooks, found.machine
    if ledger.audit_problems:
        yield Trouble(
            "ledger",
            Severity.BROKEN,
            f"Differences that the last audit of the ledger found: {ledger.audit_problems}.",
            "Run manage.py ledger_audit, which names the accounts, and stop matches until it is clear why.",
        )
    elif ledger.audit_age_seconds is not None and ledger.audit_age_seconds > AUDIT_SECONDS:
        yield Trouble(
            "ledger",
            Severity.WATCH,
            f"The ledger was last audited {in_words(ledger.audit_age_seconds)} ago.",
            "Run manage.py ledger_audit, and see whether beat runs.",
        )
    if hooks.oldest_due_seconds > WEBHOOK_SECONDS:
        yield Trouble(
            "webhooks",
            Severity.WATCH,
            f"Webhooks are {in_words(hooks.oldest_due_seconds)} late.",
            "Match workers send them: start more of these.",
        )
    used = sum(machine.connections.values())
    if used >= CONNECTIONS_SHARE * machine.max_connections:
        yield Trouble(
            "machine",
            Severity.WATCH,
            f"{used} of the database's {machine.max_connections} connections are open.",
            "Raise max_connections, or start fewer processes.",
        )
    free = machine.disk_free_bytes
    if free < DISK_BYTES or free < DISK_SHARE * machine.disk_bytes:
        yield Trouble(
            "machine",
            Severity.BROKEN if free < DISK_BYTES / 2 else Severity.WATCH,
            f"Only {free / 1e9:.1f} GB of the disk are free.",
            "See What takes room; manage.py collect deletes at once what is due.",
        )


def _bound(every_seconds: float) -> float:
    return max(LATE_SECONDS, LATE_TIMES * every_seconds)


def in_words(seconds: float) -> str:
    """3 hours, 45 seconds: in the largest unit of which there are two."""
    for size, word in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} seconds"
