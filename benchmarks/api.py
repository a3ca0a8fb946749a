"""p95 of the API's lists and details on a long history, beside a bare Django view of the same query.

    python -m benchmarks.api [--matches 5000] [--requests 60]

The whole measurement: --matches 100000. Both are asked in turn, in this process and through the site's
own middleware, by the person who has played most. The bare view calls the same read and answers
with its values as JSON: what is left of the ratio is the token, the limit, the ETag and the checks of
the answer against its documentation.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from random import Random
from typing import Any

if __name__ == "__main__":  # a test of it must not set this for its neighbours
    os.environ["TAKEOVER_SECONDS"] = "3600"  # the leases of the history last for the measurement
    os.environ.setdefault("LOG_LEVEL", "WARNING")  # a line for each request would bury the table

import arena.config.testing  # noqa: F401  starts PostgreSQL and Valkey
import django

django.setup()

from django.conf import settings
from django.core.management import call_command
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.urls import clear_url_caches, include, path

from agents.api_tokens import Scope, create_token
from agents.models import User
from arena import queries
from arena.config.supervisor.machine import this_machine
from arena.models import Match, MatchStatus
from benchmarks.pages.history import BUSIEST, SPACE, write_history
from frontend.api import edge
from frontend.api.paging import cursor_at
from training.gate.bootstrap import bootstrap, central
from training.models import TrainingRun
from training.runs.queries import learning_progress, run_view, runs_of_agent

WARM_UPS = 5
PIECE = 20  # entries of a list, as the API gives them
DRAWS_SEED = 1

Read = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """A route of the API, and the read behind it."""

    name: str
    path: str  # below /api/v1
    read: Read


@dataclass(frozen=True)
class Measured:
    """Seconds of each request, in their order."""

    api: list[float]
    bare: list[float]

    def ratio(self) -> tuple[float, float, float]:
        """Of the p95s, with its 95% interval."""
        pairs = list(zip(self.api, self.bare, strict=True))
        drawn = bootstrap([pairs], _ratio_of_p95, rng=Random(DRAWS_SEED))
        low, high = central(drawn, 0.95)
        return p95(self.api) / p95(self.bare), low, high


class _Encoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        return sorted(o) if isinstance(o, frozenset) else super().default(o)


def cases(matches: int) -> tuple[Case, ...]:
    """Lists and details of everything that grows with a site."""
    settled = Match.objects.filter(status=MatchStatus.SETTLED, id__lte=matches).latest("id").pk
    middle = matches // 2
    run = TrainingRun.objects.filter(agent_id=BUSIEST).latest("id").pk
    space_id = queries.space_card(SPACE).space_id
    later = cursor_at("matches", str(middle))
    me = BUSIEST
    return (
        Case("Spaces", "/spaces", queries.space_cards),
        Case("Space", f"/spaces/{SPACE}", lambda: queries.space_card(SPACE)),
        Case(
            "leaderboard of a Space",
            f"/spaces/{SPACE}/leaderboard",
            lambda: queries.leaderboard(space_id, limit=PIECE),
        ),
        Case("leaderboard", "/leaderboard", lambda: queries.overall_leaderboard(limit=PIECE)),
        Case("matches", "/matches", lambda: queries.recent_matches(limit=PIECE + 1)),
        Case(
            "matches, a later piece",
            f"/matches?cursor={later}",
            lambda: queries.recent_matches(limit=PIECE + 1, before_id=middle),
        ),
        Case(
            "matches of a Space",
            f"/matches?space={SPACE}",
            lambda: (
                queries.space_card(SPACE),
                queries.recent_matches(space_slug=SPACE, limit=PIECE + 1),
            ),
        ),
        Case("matches under way", "/matches/live", lambda: queries.live_matches(limit=PIECE)),
        Case("match", f"/matches/{settled}", lambda: queries.match_snapshot(settled)),
        Case("round", f"/matches/{settled}/rounds/1", lambda: queries.round_view(settled, 1)),
        Case(
            "credits of a match",
            f"/matches/{settled}/credits",
            lambda: queries.match_credits(settled, viewer=me),
        ),
        Case("own agents", "/agents", lambda: queries.agent_cards(me)),
        Case(
            "agent",
            f"/agents/{me}",
            lambda: (
                queries.agent_view(me, viewer=me),
                queries.agent_record(me),
                learning_progress([me], viewer=me).get(me, ()),
            ),
        ),
        Case(
            "versions",
            f"/agents/{me}/versions",
            lambda: (
                queries.agent_view(me, viewer=None),
                queries.versions_of(me, viewer=me, limit=PIECE + 1),
            ),
        ),
        Case(
            "matches of an agent",
            f"/agents/{me}/matches",
            lambda: (
                queries.agent_view(me, viewer=None),
                queries.matches_of_agent(me, limit=PIECE),
            ),
        ),
        Case(
            "runs of an agent",
            f"/agents/{me}/runs",
            lambda: (
                queries.agent_view(me, viewer=None),
                runs_of_agent(me, viewer=me, limit=PIECE),
            ),
        ),
        Case("run", f"/runs/{run}", lambda: run_view(run, viewer=me)),
        Case("wallet", "/wallet", lambda: queries.wallet_balance(me)),
        Case("statement", "/wallet/statement", lambda: queries.statement_page(me)),
    )


def asked(matches: int) -> dict[str, tuple[Callable[[], None], Callable[[], None]]]:
    """By name: a request of the API, and one of the bare view. Each asserts status 200."""
    edge.REQUESTS_WITH_TOKEN = 10**9
    token = create_token(BUSIEST, name="Benchmark", scopes=list(Scope))
    headers = {"Authorization": f"Bearer {token}"}
    all_cases = cases(matches)
    reads = {str(place): case.read for place, case in enumerate(all_cases)}
    site = settings.ROOT_URLCONF
    settings.ROOT_URLCONF = (path("bare/<slug:place>", _bare(reads)), path("", include(site)))
    clear_url_caches()
    client = Client(SERVER_NAME="localhost")

    def get(url: str) -> Callable[[], None]:
        def ask() -> None:
            response = client.get(url, headers=headers)
            assert response.status_code == 200, f"{url}: {response.status_code}"

        return ask

    return {
        case.name: (get(f"/api/v1{case.path}"), get(f"/bare/{place}"))
        for place, case in enumerate(all_cases)
    }


def _bare(reads: Mapping[str, Read]) -> Callable[[HttpRequest, str], JsonResponse]:
    def view(request: HttpRequest, place: str) -> JsonResponse:
        return JsonResponse(_values(reads[place]()), encoder=_Encoder, safe=False)

    return view


def _values(read: Any) -> Any:
    if isinstance(read, tuple):
        return [_values(each) for each in read]
    return asdict(read) if is_dataclass(read) and not isinstance(read, type) else read


def measure(api: Callable[[], None], bare: Callable[[], None], requests: int) -> Measured:
    """Both in turn, warm, so that whatever else the machine does meets both."""
    for _ in range(WARM_UPS):
        api()
        bare()
    found = Measured(api=[], bare=[])
    for _ in range(requests):
        for call, seconds in ((api, found.api), (bare, found.bare)):
            started = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - started)
    return found


def p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[18]


def _ratio_of_p95(pairs: Sequence[tuple[float, float]]) -> float:
    return p95([api for api, _ in pairs]) / p95([bare for _, bare in pairs])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matches", type=int, default=5000)
    parser.add_argument("--requests", type=int, default=60)
    options = parser.parse_args()
    print(this_machine())
    call_command("migrate", verbosity=0)
    call_command("flush", interactive=False, verbosity=0)
    write_history(options.matches)
    assert User.objects.filter(id=BUSIEST).exists()
    print(f"{options.matches:,} matches, {options.requests} requests of each, in turn")
    print(f"{'ms':26}{'API p50':>9}{'p95':>8}{'bare p50':>10}{'p95':>8}{'ratio of p95':>24}")
    for name, (api, bare) in asked(options.matches).items():
        found = measure(api, bare, options.requests)
        ratio, low, high = found.ratio()
        figures = [statistics.median(found.api), p95(found.api)]
        figures += [statistics.median(found.bare), p95(found.bare)]
        first, second, third, fourth = (1e3 * each for each in figures)
        print(
            f"{name:26}{first:>9.1f}{second:>8.1f}{third:>10.1f}{fourth:>8.1f}"
            f"{f'{ratio:.2f} [{low:.2f}, {high:.2f}]':>24}",
            flush=True,
        )


if __name__ == "__main__":
    main()
