"""All figures at once, remembered for a moment, so that many readers cost no more than one.

For the system: whoever shows them asks who may see them.
"""

import threading
import time

from django.db import connection, transaction
from django.utils import timezone

from arena.credits.verdicts import last_verdict
from training.monitoring import play, site
from training.monitoring.figures import SiteFigures

REMEMBERED_SECONDS = 10.0
STATEMENT_SECONDS = 5  # then the database gives up, and whoever asked is told so

_lock = threading.Lock()
_known: tuple[float, SiteFigures] | None = None


def figures() -> SiteFigures:
    """The site's, at most REMEMBERED_SECONDS old."""
    global _known
    with _lock:  # so that readers who come together wait for one collection
        if _known is None or time.monotonic() - _known[0] > REMEMBERED_SECONDS:
            _known = time.monotonic(), collect()
        return _known[1]


def forget() -> None:
    """Have the next reader collect anew; tests do."""
    global _known
    _known = None


def collect() -> SiteFigures:
    """Read everything now."""
    now, begun = timezone.now(), time.monotonic()
    servers, verdict = site.servers_that_answer(), last_verdict()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
        parts = play.matches(now), site.training(now), play.judges(now), site.webhooks(now)
        matches, training, judges, webhooks = parts
        ledger = site.ledger(verdict)
        machine = site.machine(servers)
        cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    return SiteFigures(
        matches=matches,
        sweeps=site.sweeps(),
        sweep_every_seconds=site.sweep_every_seconds(),
        training=training,
        judges=judges,
        ledger=ledger,
        webhooks=webhooks,
        machine=machine,
        collected_seconds=time.monotonic() - begun,
    )
