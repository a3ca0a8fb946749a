"""Pages for the staff, which others don't find, and the figures for Prometheus."""

from collections.abc import Mapping
from hmac import compare_digest
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from arena.nudges import (
    ASK_GOLD,
    ASK_SERVERS,
    AUDIT_LEDGER,
    MAKE_ROOM,
    SAMPLE_ATTACK,
    SWEEP_MATCHES,
    SWEEP_TRAINING,
    TRAIN_JUDGE,
)
from frontend.pages.edge import SignedInRequest, not_cached, owner_page
from training.monitoring.collecting import figures
from training.monitoring.metrics import CONTENT_TYPE, as_text
from training.monitoring.overview import site_overview
from training.monitoring.site import process
from training.retention.room import room_taken

SWEEP_WORDS: Mapping[str, str] = {
    SWEEP_MATCHES: "Seats queues, finds waiting matches",
    SWEEP_TRAINING: "Makes pairs, starts runs",
    ASK_GOLD: "Asks judges questions with known answers",
    SAMPLE_ATTACK: "Tries attacks on panels",
    TRAIN_JUDGE: "Trains the judge that learns",
    MAKE_ROOM: "Deletes what is due",
    ASK_SERVERS: "Asks inference servers what they can do",
    AUDIT_LEDGER: "Audits the ledger, once a day",
}

CLOSED = "Metrics are off. Set METRICS_TOKEN or METRICS_NETWORKS to read them here.\n"
REFUSED = "Metrics need the token in METRICS_TOKEN, as Authorization: Bearer.\n"


@owner_page()
def overview(request: SignedInRequest) -> HttpResponse:
    """Whether everything is well, and what to do where it is not."""
    found = site_overview(request.user.pk)
    seen, machine = found.figures, found.figures.machine
    used = sum(machine.connections.values())
    roles: dict[str, int] = {}
    for (role, _), count in machine.connections.items():
        roles[role] = roles.get(role, 0) + count
    context = {
        "found": found,
        "figures": seen,
        "sweeps": [
            (words, seen.sweeps[task], seen.sweep_every_seconds[task])
            for task, words in SWEEP_WORDS.items()
        ],
        "longest_queue": max((one.entries for one in seen.matches.queues.values()), default=0),
        "cancelled": [each for each in seen.matches.cancelled.items() if each[1]],
        "connections": used,
        "roles": sorted(roles.items(), key=lambda each: -each[1]),
        "disk_used": machine.disk_bytes - machine.disk_free_bytes,
    }
    return not_cached(render(request, "site/overview.html", context))


@owner_page()
def room(request: SignedInRequest) -> HttpResponse:
    """What takes room, and what is deleted when."""
    return not_cached(render(request, "site/room.html", {"room": room_taken(request.user.pk)}))


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """/metrics, for Prometheus; 404 while this is off, 401 for who may not read them."""
    if not settings.ENV.metrics_token and not settings.ENV.metrics_networks:
        return HttpResponse(CLOSED, status=404, content_type="text/plain")
    if not (_has_token(request) or _is_near(request)):
        response = HttpResponse(REFUSED, status=401, content_type="text/plain")
        response["WWW-Authenticate"] = "Bearer"
        return response
    return HttpResponse(as_text(figures(), process()), content_type=CONTENT_TYPE)


def _has_token(request: HttpRequest) -> bool:
    token = settings.ENV.metrics_token
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if token is None or scheme.lower() != "bearer":
        return False
    return compare_digest(given.strip().encode(), token.get_secret_value().encode())


def _is_near(request: HttpRequest) -> bool:
    try:
        address = ip_address(request.META.get("REMOTE_ADDR") or "")
    except ValueError:
        return False
    return any(address in ip_network(network) for network in settings.ENV.metrics_networks)
