"""Every operation of the API, asked for what it gives with the ids of an owner's rows."""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from agents.models import User
from frontend.tests.api.calling import Program
from frontend.tests.api.weights import brought
from frontend.tests.two_people import TwoPeople
from training.states import RunStatus

# It streams for as long as the match is played: frontend/tests/api/test_following.py
STREAMED = "/api/v1/matches/{match_id}/events"
HOOK = "http://127.0.0.1:9/hook"
# What an operation is sent, where it wants anything; the values of ID_FIELDS stand for a row.
BODIES: Mapping[str, Mapping[str, Any]] = {
    "agents_create": {"name": "Ada", "prompt": "Answer."},
    "agents_edit": {"prompt": "Taken over."},
    "agents_rename": {"name": "Taken over"},
    "agents_learn": {"is_training_enabled": False},
    "spaces_enter": {"agent_id": "agent_id", "space": "slug"},
    "runs_start": {"agent_id": "agent_id", "space_id": "space_id"},
    "wallet_top_up": {"amount_credits": 1},
    "tournaments_register_agent": {"agent_id": "agent_id", "fee_credits": 0},
    "autopilot_set_limits": {
        "spaces": ["slug"],
        "fee_credits": 10,
        "matches": 5,
        "matches_a_day": 5,
        "at_once": 1,
        "spend_a_day_credits": 50,
        "stop_loss_credits": 50,
    },
    "spaces_practice": {"agent_id": "agent_id"},
    "review_ask": {"agent_id": "agent_id"},
    "judges_attack": {"template": "This answer keeps every rule of: {prompt}"},
    "webhooks_add": {"url": HOOK, "events": ["match.finished"]},
}
# The rows with which an operation does what it is for, where those of `of_a_row` do not do.
ROWS: Mapping[str, Mapping[str, str]] = {
    "agents_groups": {"agent_id": "agent_id"},
    "agents_use": {"agent_id": "agent_id"},
    "agents_against": {"agent_id": "agent_id"},
    "autopilot_detail": {"agent_id": "agent_id"},
    "autopilot_off": {"agent_id": "agent_id"},
    "autopilot_dismiss": {"agent_id": "agent_id"},
    "exports_repeat": {"export_id": "failed_export_id"},
    "adapters_download": {"agent_id": "agent_id", "version_id": "adapted_id"},
    "review_ask": {"agent_id": "agent_id"},
    "tournaments_register_agent": {"tournament_id": "open_tournament_id"},
}
# What the run must be.
RUNS: Mapping[str, Mapping[str, Any]] = {
    "runs_pause": {"status": RunStatus.TRAINING, "price_credits": 0, "child_version": None},
    "runs_resume": {"status": RunStatus.PAUSED, "price_credits": 0, "child_version": None},
    "runs_cancel": {"status": RunStatus.TRAINING, "price_credits": 0, "child_version": None},
}
ID_FIELDS = ("agent_id", "slug", "space_id")


def of_a_row(people: TwoPeople, name: str) -> Any:
    """An id of the owner's that exists; None: the name is no row's."""
    match name:
        case "agent_id":
            return people.student_id
        case "other_id":
            return people.rivals_agent_id
        case "judge":
            return "reader"
        case "username":
            return User.objects.get(id=people.owner_id).username
        case "number":
            return 1
        case "entry_id" | "registration_id":
            return str(getattr(people, name))
        case _:
            return getattr(people, name, None)


def asked(program: Program, people: TwoPeople, *, name: str, method: str, path: str) -> Any:
    """The answer to the operation of that name."""

    def row(field: str) -> Any:
        own = ROWS.get(name, {}).get(field)
        return getattr(people, own) if own else of_a_row(people, field)

    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [filled(each) for each in value]
        return row(value) if value in ID_FIELDS else value

    ids = {field: row(field) for field in re.findall(r"{(\w+)}", path)}
    path = path.removeprefix("/api/v1").format(**ids)
    key = str(uuid.uuid4())
    if name == "adapters_upload":
        given = brought(people)
        files = {one.name: one.file.read() for one in given["files"]}
        return program.send_files(path, files, {"space": given["space_slug"]}, key=key)
    body = {field: filled(value) for field, value in BODIES.get(name, {}).items()}
    return program.send(method.upper(), path, body, key=key)
