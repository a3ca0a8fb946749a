"""What the benchmark asks for, by name: pages and polls, sweeps and their parts."""

import uuid
from collections.abc import Callable
from urllib.parse import quote

from django.test import Client

import training.tasks
from agents.models import User
from arena import sweeping, tasks
from arena.matches import claiming, play
from arena.models import Entry, EntryStatus, Match, MatchStatus
from arena.queries import StatementMark
from benchmarks.pages.history import BUSIEST, SPACE
from training.data.harvest import harvest_matches
from training.models import TrainingRun
from training.runs.claiming import waiting_runs
from training.runs.nudges import nudge_waiting_runs
from training.runs.starting import start_due_runs
from training.runs.steering import cancel_runs_of_retired


def pages(client: Client, matches: int) -> dict[str, Callable[[], None]]:
    """What people ask for, by name."""
    waiting = Entry.objects.filter(user_id=BUSIEST, status=EntryStatus.QUEUED).latest("created_at")
    running = Match.objects.filter(status=MatchStatus.RUNNING).latest("id")
    settled = Match.objects.filter(status=MatchStatus.SETTLED, id__lte=matches).latest("id")
    run = TrainingRun.objects.filter(agent_id=BUSIEST).latest("id")
    house = User.objects.get(is_house=True).agents.latest("id")
    later = StatementMark(settled.created_at, uuid.UUID(int=0))
    stranger = Client(SERVER_NAME="localhost")

    def get(path: str, *, by: Client = client, polls: bool = False) -> Callable[[], None]:
        headers = {"HX-Request": "true"} if polls else {}

        def ask() -> None:
            response = by.get(path, headers=headers)
            assert response.status_code == 200, f"{path}: {response.status_code}"

        return ask

    return {
        "home": get("/", by=stranger),
        "own agents": get("/agents/"),
        "Spaces": get("/spaces/"),
        "Space and leaderboard": get(f"/spaces/{SPACE}/"),
        "seasons of a Space": get(f"/spaces/{SPACE}/seasons/"),
        "owner's results": get(f"/spaces/{SPACE}/people/person0/"),
        "leaderboard of all Spaces": get("/leaderboard/"),
        "head to head": get(f"/agents/{BUSIEST}/against/{house.pk}/"),
        "matches": get("/matches/"),
        "matches of a Space": get(f"/matches/?space={SPACE}"),
        "matches, poll": get(f"/matches/live/?space={SPACE}", polls=True),
        "match, running": get(f"/matches/{running.pk}/"),
        "match, settled": get(f"/matches/{settled.pk}/"),
        "match, its credits": get(f"/matches/{settled.pk}/credits/"),
        "match, its events": get(f"/matches/{settled.pk}/events.json"),
        "match, round": get(f"/matches/{running.pk}/rounds/1/", polls=True),
        "agent, its owner": get(f"/agents/{BUSIEST}/"),
        "agent, poll": get(f"/agents/{BUSIEST}/state/", polls=True),
        "agent of the house": get(f"/agents/{house.pk}/", by=stranger),
        "run": get(f"/runs/{run.pk}/"),
        "run, poll": get(f"/runs/{run.pk}/state/", polls=True),
        "wallet": get("/wallet/"),
        "wallet, later page": get(f"/wallet/?before={quote(str(later))}"),
        "waiting room": get(f"/entries/{waiting.pk}/"),
        "waiting room, poll": get(f"/entries/{waiting.pk}/", polls=True),
    }


def sweeps() -> dict[str, Callable[[], object]]:
    """What runs every few seconds, whole and in its parts."""

    return {
        "sweep of the arena": tasks.sweep,
        "- seat queues": sweeping.seat_queues,
        "- matches to play": sweeping.matches_to_play,
        "- rounds to judge": sweeping.rounds_to_judge,
        "- settle finished": sweeping.settle_finished,
        "- close seasons": sweeping.close_seasons,
        "claim a match": _claim_and_release,
        "sweep of training": training.tasks.sweep,
        "- make pairs": harvest_matches,
        "- end runs of the retired": cancel_runs_of_retired,
        "- start due runs": start_due_runs,
        "- nudge waiting runs": nudge_waiting_runs,
        "choose a run": lambda: waiting_runs().first(),
    }


def _claim_and_release() -> None:
    owner = uuid.uuid4()
    match_id = claiming.claim_next(owner=owner)
    if match_id is not None:
        play.release_lease(match_id, owner=owner)
