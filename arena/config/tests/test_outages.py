"""Valkey away, whether it refuses or accepts and stays silent: sentences, and nobody waits long."""

import socket
from collections.abc import Iterator
from typing import Any

import celery
import pytest
import redis
from django.conf import settings as real_settings
from django.core.cache import cache
from django.db import connections
from django.test import Client

from agents.models import User
from arena import nudges
from arena.live import stream
from arena.models import Entry, EntryStatus
from arena.tests.builders import enter, make_agent, make_space, make_user

SOON = {"socket_connect_timeout": 0.2, "socket_timeout": 0.2}


@pytest.fixture(params=["refuses", "is silent"])
def away(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a Valkey that does not answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "is silent":
            listener.listen()  # the kernel accepts; nobody ever reads
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.fixture
def without_valkey(away: str, settings: Any) -> str:
    cache = settings.CACHES["default"] | {"LOCATION": away, "OPTIONS": SOON}
    settings.CACHES = {"default": cache}
    settings.VALKEY_URL = away
    return away


@pytest.mark.django_db
@pytest.mark.usefixtures("without_valkey")
@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/accounts/login/", {"login": "quill", "password": "a long enough word"}),
        (
            "/accounts/signup/",
            {"username": "quill2", "email": "q@rlfc.invalid", "password1": "a long enough word"},
        ),
        ("/accounts/password/reset/", {"email": "quill@rlfc.invalid"}),
    ],
)
def test_what_needs_its_limits_says_that_it_is_not_available(
    client: Client, path: str, form: dict[str, str]
) -> None:
    User.objects.create_user("quill", "quill@rlfc.invalid", "a long enough word")
    answer = client.post(path, form)
    assert answer.status_code == 503
    assert "Nothing was changed" in answer.content.decode()
    assert int(answer.headers["Retry-After"]) > 0
    assert "_auth_user_id" not in client.session, "limits do not vanish with Valkey"
    assert User.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("without_valkey")
@pytest.mark.parametrize("path", ["/", "/spaces/", "/matches/", "/accounts/login/"])
def test_pages_work_without_valkey(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_a_lost_nudge_makes_a_request_wait_once(away: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []
    with celery.Celery(broker=away, set_as_current=False) as app:
        app.conf.broker_transport_options = SOON
        send = app.send_task

        def try_to_send(task: str, **options: Any) -> None:
            tries.append(task)
            send(task, **options)

        monkeypatch.setattr(app, "send_task", try_to_send)
        monkeypatch.setattr(nudges, "current_app", app)
        for _ in range(3):
            nudges.nudge(nudges.SWEEP_MATCHES)
    assert len(tries) == 1


def test_a_live_line_that_is_lost_breaks_nothing(
    without_valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_settings, "VALKEY_TIMEOUTS", SOON)
    stream._sync_client.cache_clear()
    stream.publish("match:1", "{}")
    stream._sync_client.cache_clear()


def test_every_client_of_valkey_gives_up_in_time() -> None:
    assert real_settings.CACHES["default"]["OPTIONS"] == real_settings.VALKEY_TIMEOUTS
    assert real_settings.CELERY_BROKER_TRANSPORT_OPTIONS == real_settings.VALKEY_TIMEOUTS
    assert max(real_settings.VALKEY_TIMEOUTS.values()) <= 5


@pytest.fixture
def full_valkey() -> Iterator[None]:
    """The real one, without room for another byte."""
    with redis.Redis.from_url(real_settings.VALKEY_URL) as client:
        client.config_set("maxmemory", 1)
        yield
        client.config_set("maxmemory", 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("full_valkey")
def test_a_full_valkey_loses_nothing_and_says_what_is_not_available(client: Client) -> None:
    user = make_user(credits=100)
    space = make_space()
    assert cache_is_full()
    entry_id = enter(make_agent(user), space)
    assert Entry.objects.get(id=entry_id).status == EntryStatus.QUEUED, "only the nudge is lost"
    client.force_login(user)
    for path in (
        "/agents/",
        "/spaces/",
        f"/spaces/{space.slug}/",
        f"/entries/{entry_id}/",
        "/wallet/",
    ):
        assert client.get(path).status_code == 200, path
    client.logout()
    form = {"login": user.username, "password": "a long enough word"}
    answer = client.post("/accounts/login/", form)
    assert answer.status_code == 503
    assert "Nothing was changed" in answer.content.decode()


def cache_is_full() -> bool:
    try:
        cache.set("another", "byte")
    except redis.RedisError:
        return True
    return False


@pytest.mark.django_db(transaction=True)
def test_a_full_pool_is_a_503_that_says_when_to_come_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only connection of a real pool is taken, so that no page gets one."""
    user = User.objects.create_user("quill", "quill@rlfc.invalid", "a long enough word")
    client.force_login(user)
    client.raise_request_exception = False
    database: Any = connections["default"]
    database.close()
    options = database.settings_dict["OPTIONS"]
    pool = {"min_size": 0, "max_size": 1, "timeout": 0.2}
    monkeypatch.setitem(database.settings_dict, "OPTIONS", options | {"pool": pool})
    database.close_pool()
    database.pool.open()
    try:
        with database.pool.connection():
            answers = [client.get(path) for path in ("/", "/spaces/", "/wallet/", "/admin/")]
            client.cookies["theme"] = "dark"
            answers.append(client.post("/wallet/", {"amount": "5"}))
        found = client.get("/wallet/")
    finally:
        database.close()
        database.close_pool()
    for answer in answers:
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        is_form = answer is answers[-1]
        # Another look at what a form was sent to may well be refused.
        assert ("Try again" in answer.content.decode()) is not is_form
        assert ("happens only once" in answer.content.decode()) is is_form
        assert ('data-theme="ember"' in answer.content.decode()) is is_form, "as chosen"
    assert found.status_code == 200


@pytest.mark.django_db
def test_a_fault_of_ours_is_still_a_500(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    client.raise_request_exception = False
    monkeypatch.setattr("frontend.pages.home.render", broken)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "broke on our side" in answer.content.decode()
