"""The figures in Prometheus' text format. What each means: docs/operating.md"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from training.monitoring.figures import Process, SiteFigures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "rlfc_"


def as_text(found: SiteFigures, process: Process) -> bytes:
    """What a scrape is answered."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(found, process))
    return generate_latest(registry)


class _Given(Collector):
    def __init__(self, found: SiteFigures, process: Process) -> None:
        self._found, self._process = found, process

    def collect(self) -> Iterator[Metric]:
        found = self._found
        yield from _matches(found)
        yield from _sweeps(found)
        yield from _training(found)
        yield from _judges(found)
        yield from _ledger(found)
        yield from _webhooks(found)
        yield from _machine(found)
        yield from _process(self._process)
        yield _one(
            "collection_seconds", "Time that reading these figures took", found.collected_seconds
        )


def _matches(found: SiteFigures) -> Iterator[Metric]:
    it = found.matches
    entries = {slug: queue.entries for slug, queue in it.queues.items()}
    oldest = {slug: queue.oldest_seconds for slug, queue in it.queues.items()}
    yield _by("queue_entries", "Entries that wait, by Space", "space", entries)
    yield _by("queue_oldest_seconds", "Wait of the oldest entry, by Space", "space", oldest)
    yield _one("matches_seated", "Matches that have not begun", it.seated)
    yield _one("matches_running", "Matches that are played", it.running)
    yield _one("matches_claimable", "Matches that wait for a worker", it.claimable)
    yield _one(
        "matches_claimable_oldest_seconds", "Age of the oldest of them", it.claimable_oldest_seconds
    )
    yield CounterMetricFamily(f"{PREFIX}matches_settled", "Settled matches", value=it.settled)
    yield _by(
        "matches_cancelled_last_hour", "Matches voided in the last hour", "reason", it.cancelled
    )
    yield _one("answers_per_second", "Answers in matches, last minute", it.answers_per_second)
    yield _one("tokens_per_second", "Tokens of these answers, last minute", it.tokens_per_second)


def _sweeps(found: SiteFigures) -> Iterator[Metric]:
    ran = {task: sweep for task, sweep in found.sweeps.items() if sweep is not None}
    ages = {task: sweep.age_seconds for task, sweep in ran.items()}
    took = {task: sweep.took_seconds for task, sweep in ran.items()}
    yield _by("sweep_age_seconds", "Since a periodic task last ended", "task", ages)
    yield _by("sweep_seconds", "How long it took", "task", took)
    every = found.sweep_every_seconds
    yield _by("sweep_interval_seconds", "How often it should run", "task", every)


def _training(found: SiteFigures) -> Iterator[Metric]:
    it = found.training
    yield _by("runs", "Training runs by state", "status", it.runs)
    yield _one("runs_oldest_queued_seconds", "Wait of the oldest run", it.oldest_queued_seconds)
    yield _one("training_steps_per_second", "Steps of the runs that train", it.steps_per_second)
    yield _one("training_tokens_per_second", "Tokens that they learn from", it.tokens_per_second)


def _judges(found: SiteFigures) -> Iterator[Metric]:
    it = found.judges
    votes = {slug: judge.votes for slug, judge in it.by_slug.items()}
    silent = {slug: judge.abstentions for slug, judge in it.by_slug.items()}
    yield _by("judge_votes_last_hour", "Votes in the last hour", "judge", votes)
    yield _by("judge_abstentions_last_hour", "Abstentions in the last hour", "judge", silent)
    yield _one("judges_quarantined", "Judges that may not vote", len(it.quarantined))
    yield _by("endpoint_cost_this_month", "Cost of a judge's server", "endpoint", it.costs)


def _ledger(found: SiteFigures) -> Iterator[Metric]:
    it = found.ledger
    yield _one("ledger_escrow_credits", "Credits in escrow", it.escrow)
    yield _one("ledger_held_credits", "Credits of open holds", it.held)
    ages = [] if it.audit_age_seconds is None else [((), it.audit_age_seconds)]
    yield _family("ledger_audit_age_seconds", "Since the last audit", (), ages)
    yield _one("ledger_audit_problems", "Differences that it found", it.audit_problems)


def _webhooks(found: SiteFigures) -> Iterator[Metric]:
    it = found.webhooks
    yield _one("webhook_deliveries_waiting", "Deliveries that are not sent yet", it.waiting)
    yield _one("webhook_oldest_due_seconds", "How long the oldest is due", it.oldest_due_seconds)
    yield _one("webhooks_failing", "Webhooks whose last try failed", it.failing)
    yield _one("webhooks_paused", "Webhooks that the site paused", it.paused)


def _machine(found: SiteFigures) -> Iterator[Metric]:
    it = found.machine
    held = it.connections.items()
    yield _family("database_connections", "Connections of the database", ("role", "state"), held)
    yield _one("database_max_connections", "How many it allows", it.max_connections)
    servers = {str(number): int(is_up) for number, is_up in enumerate(it.servers)}
    yield _by("inference_server_up", "Whether a server answers", "server", servers)
    yield _one("disk_free_bytes", "Free room on the disk of RLFC_HOME", it.disk_free_bytes)
    yield _one("disk_bytes", "All room on it", it.disk_bytes)


def _process(it: Process) -> Iterator[Metric]:
    yield _one("live_sockets", "Spectators of this web process", it.sockets)
    pool = {"open": it.pool_open, "idle": it.pool_idle}
    yield _by("database_pool_connections", "Connections of this process", "state", pool)
    yield _one("database_pool_waiting", "Requests that wait for one", it.pool_waiting)


def _one(name: str, words: str, value: float) -> Metric:
    return _family(name, words, (), [((), value)])


def _by(name: str, words: str, label: str, values: Mapping[str, float]) -> Metric:
    return _family(name, words, (label,), [((key,), value) for key, value in values.items()])


def _family(
    name: str,
    words: str,
    labels: Sequence[str],
    values: Iterable[tuple[tuple[str, ...], float]],
) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}{name}", words, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family
