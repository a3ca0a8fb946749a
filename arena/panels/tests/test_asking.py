"""Judges' endpoints against a real server: what they cost, how they fail, when they are left alone."""

import asyncio
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from pytest_django import Settings

from arena.config.env import Variables
from arena.outbound.tests.web import Scripted, Web
from arena.panels import asking
from arena.panels.asking import servers_of
from arena.panels.tools import build_tools
from judges.call import cast_vote
from judges.endpoints import breaker
from judges.endpoints.keys import seal
from judges.models import Endpoint, EndpointMonth
from judges.tests.builders import make_answer, make_transcript
from judges.tools import CannotJudge, ChatRequest, Reply
from judges.transcript import Ballot

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "sk-very-secret"


def said(text: str, *, usage: tuple[int, int] | None = (100, 10)) -> Scripted:
    value: dict[str, Any] = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    if usage:
        value["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
    return Scripted(body=json.dumps(value).encode())


class Model:
    """A server of a model; what it says next, or always."""

    def __init__(self) -> None:
        self.always = said("VERDICT: A")
        self.next: list[Scripted] = []
        self.web = Web(lambda path, body: self.next.pop(0) if self.next else self.always)


@pytest.fixture
def models(settings: Settings) -> Iterator[list[Model]]:
    cache.clear()  # a server of another test may have failed at the same port
    both = [Model(), Model()]
    settings.ENV = Variables(outbound_allowed_hosts=[f"127.0.0.1:{one.web.port}" for one in both])
    yield both
    for one in both:
        one.web.close()


@pytest.fixture
def model(models: list[Model]) -> Model:
    return models[0]


def endpoint(at: Model, slug: str = "reader", **changes: Any) -> Endpoint:
    values = {
        "url": f"{at.web.url}/v1",
        "model": "big-reader",
        "sealed_key": seal(KEY),
        "timeout_seconds": 30,
        "prompt_price": Decimal(2),
        "completion_price": Decimal(8),
    }
    return Endpoint.objects.create(slug=slug, **(values | changes))


def ask(*slugs: str, times: int = 1, is_repeat: bool = False) -> list[Reply | BaseException]:
    """`times` requests at once."""
    request = ChatRequest(
        [{"role": "user", "content": "Which?"}], 20, endpoints=slugs, is_repeat=is_repeat
    )

    async def all_of_them() -> list[Reply | BaseException]:
        complete = build_tools().complete
        asked = [complete(request) for _ in range(times)]
        return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(all_of_them())


def vote(*slugs: str) -> Ballot:
    two = make_transcript(make_answer(0), make_answer(1, "cats nap"))
    return asyncio.run(cast_vote("pairwise", {"endpoints": list(slugs)}, two, build_tools()))


def spent() -> tuple[int, int, int, int]:
    month = EndpointMonth.objects.get()
    return month.requests, month.prompt_tokens, month.completion_tokens, month.cost_micros


def test_a_vote_costs_what_its_endpoints_prices_say(model: Model) -> None:
    endpoint(model)
    ballot = vote("reader")
    assert ballot.error == ""
    assert ballot.usage.cost_micros == 2 * (100 * 2 + 10 * 8)
    assert spent() == (2, 200, 20, 560)
    _, path, headers, body = model.web.asked[0]
    assert (path, headers["Authorization"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert json.loads(body)["model"] == "big-reader"


def test_a_server_that_does_not_count_costs_its_bound(model: Model) -> None:
    endpoint(model)
    model.always = said("VERDICT: A", usage=None)
    (reply,) = ask("reader")
    assert isinstance(reply, Reply)
    assert reply.cost_micros > 20 * 8
    assert spent()[3] == reply.cost_micros


def test_a_server_that_cannot_be_reached_costs_nothing(settings: Settings) -> None:
    settings.ENV = Variables(outbound_allowed_hosts=["127.0.0.1:9"])
    Endpoint.objects.create(
        slug="away", url="http://127.0.0.1:9/v1", model="m", prompt_price=2, completion_price=8
    )
    (problem,) = ask("away")
    assert "cannot be reached" in str(problem)
    assert spent()[3] == 0


def test_a_judge_over_its_endpoints_cap_abstains_with_a_sentence(model: Model) -> None:
    endpoint(model, monthly_cap=Decimal(0))
    ballot = vote("reader")
    assert ballot.scores == {}
    assert "endpoint reader has reached its cap of this month" in ballot.error
    assert model.web.asked == []


def test_requests_at_once_never_pass_the_cap(model: Model) -> None:
    endpoint(model, completion_price=Decimal(100000), monthly_cap=Decimal(7))
    model.always = said("VERDICT: A", usage=None)  # 20 tokens: a little more than 2
    replies = ask("reader", times=8)
    assert sum(isinstance(reply, Reply) for reply in replies) == 3
    assert len(model.web.asked) == 3
    assert spent()[3] <= 7_000_000


def test_a_request_that_ends_without_a_reply_stays_counted_at_its_bound(model: Model) -> None:
    """As when the worker is killed: the server may have charged for it."""
    endpoint(model, timeout_seconds=1)
    gate = threading.Event()
    model.always = Scripted(until=gate)
    try:
        (problem,) = ask("reader")
    finally:
        gate.set()
    assert "took longer than 1 seconds" in str(problem)
    assert spent()[3] > 20 * 8


def test_a_failing_endpoint_leaves_the_question_to_the_next(models: list[Model]) -> None:
    first, second = models
    endpoint(first)
    endpoint(second, "other", model="small-reader")
    first.always = Scripted(status=401)
    (reply,) = ask("reader", "other")
    assert isinstance(reply, Reply)
    assert json.loads(second.web.asked[0][3])["model"] == "small-reader"


def test_a_reply_that_could_not_be_read_is_asked_for_elsewhere(models: list[Model]) -> None:
    first, second = models
    endpoint(first)
    endpoint(second, "other")
    ask("reader", "other", is_repeat=True)
    assert (len(first.web.asked), len(second.web.asked)) == (0, 1)


def test_a_server_that_fails_again_and_again_is_left_alone_until_one_trial_succeeds(
    model: Model,
) -> None:
    row = endpoint(model)
    model.always = Scripted(status=401)
    for _ in range(breaker.MAX_FAILURES):
        ask("reader")
    (problem,) = ask("reader")
    assert "left alone for a while" in str(problem)
    assert isinstance(problem, CannotJudge)
    assert len(model.web.asked) == breaker.MAX_FAILURES
    (server,) = servers_of([row.slug])
    assert breaker.is_resting(server.health)

    def rested() -> None:
        cache.delete(f"judge-endpoint-rests:{server.health}")  # as time does

    rested()
    replies = ask("reader", times=4)
    assert len(model.web.asked) == breaker.MAX_FAILURES + 1  # one trial, which failed
    assert all(isinstance(reply, CannotJudge) for reply in replies)
    rested()
    model.always = said("VERDICT: A")
    assert isinstance(ask("reader")[0], Reply)
    assert all(isinstance(reply, Reply) for reply in ask("reader", times=4))


def test_a_request_of_its_own_fault_says_nothing_of_the_server(model: Model) -> None:
    endpoint(model)
    model.always = Scripted(status=400)
    for _ in range(breaker.MAX_FAILURES + 1):
        (problem,) = ask("reader")
        assert "answered 400" in str(problem)


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (Scripted(status=401), "endpoint reader answered 401"),
        (Scripted(status=429, headers={"Retry-After": "3600"}), "endpoint reader answered 429"),
        (Scripted(status=500, headers={"Retry-After": "0"}), "endpoint reader answered 500"),
        (Scripted(body=b"<html>Sign in</html>"), "that is no JSON"),
        (
            Scripted(status=302, headers={"Location": "http://169.254.169.254/latest"}),
            "redirects to another host",
        ),
        (Scripted(body=b"[" * 100_000), "that is no JSON"),
        (Scripted(body=b'{"choices": []}'), "has no text"),
    ],
    ids=["401", "429", "500", "html", "redirect", "deep", "no text"],
)
def test_what_an_endpoint_does_wrong_is_an_abstention_that_says_so(
    model: Model, reply: Scripted, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint(model)
    model.always = reply
    ballot = vote("reader")
    assert ballot.scores == {}
    assert sentence in ballot.error
    assert ballot.usage.requests > 0
    shown = ballot.error + Endpoint.objects.get().last_problem + caplog.text
    assert KEY not in shown
    assert model.web.url not in shown


def test_after_ten_minutes_is_too_late(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    row = endpoint(model, timeout_seconds=1)
    gate = threading.Event()
    model.always = Scripted(until=gate)
    try:
        ballot = vote("reader")
    finally:
        gate.set()
    assert "took longer than 1 seconds" in ballot.error
    row.refresh_from_db()
    assert "took longer" in row.last_problem


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"])
def test_an_endpoint_inside_the_network_is_not_asked(
    model: Model, host: str, settings: Settings
) -> None:
    settings.ENV = Variables()
    endpoint(model, url=f"http://{host}:{model.web.port}/v1")
    ballot = vote("reader")
    assert "may not be asked: it leads into a network that is not public" in ballot.error
    assert model.web.asked == []


def test_what_a_server_refuses_costs_nothing(model: Model) -> None:
    endpoint(model)
    model.always = Scripted(status=401)
    ask("reader")
    assert spent() == (1, 0, 0, 0)


def test_a_key_that_can_no_longer_be_read_is_an_abstention(
    model: Model, settings: Settings
) -> None:
    endpoint(model)
    settings.SECRET_KEY = "another"
    assert "the key of endpoint reader can no longer be read" in vote("reader").error


def test_an_endpoint_that_is_gone_or_off_is_not_asked(model: Model) -> None:
    endpoint(model, is_active=False)
    assert "none of its endpoints is in use" in vote("reader", "nobody").error
    assert model.web.asked == []


def test_extras_that_an_endpoint_does_not_understand_are_not_asked_for(model: Model) -> None:
    endpoint(model, gives_schema=False, gives_logprobs=False)
    request = ChatRequest([], 20, top_logprobs=5, schema={"type": "object"}, endpoints=["reader"])
    asyncio.run(asking.complete(request))
    body = json.loads(model.web.asked[0][3])
    assert body.keys().isdisjoint({"logprobs", "top_logprobs", "response_format"})


def test_a_server_never_shows_its_key(model: Model) -> None:
    endpoint(model)
    (server,) = servers_of(["reader"])
    assert (server.key, KEY in repr(server)) == (KEY, False)
    assert asking.JudgeServer.__dataclass_fields__["key"].repr is False


def numbers(name: str, *values: object) -> Scripted:
    rows = [{"index": place, name: value} for place, value in enumerate(values)]
    usage = {"prompt_tokens": 1_000, "total_tokens": 1_000}
    return Scripted(body=json.dumps({"data": rows, "usage": usage}).encode())


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("embedding", numbers("embedding", [1, 0], [0.1, 1.0], [1, 0.1])),
        ("reward", numbers("score", -3.5, 8.25)),
    ],
)
def test_a_judge_of_numbers_asks_the_next_endpoint_if_one_fails_and_its_cost_is_recorded(
    models: list[Model], kind: str, reply: Scripted
) -> None:
    for one, slug in zip(models, ("broken", "whole"), strict=True):
        endpoint(one, slug)
    models[0].always, models[1].always = Scripted(status=404), reply
    config: dict[str, Any] = {"endpoints": ["broken", "whole"]}
    if kind == "reward":
        config["route"] = "score"
    transcript = make_transcript(make_answer(0, "dogs bark"), make_answer(1, "cats purr"))
    ballot: Ballot = asyncio.run(cast_vote(kind, config, transcript, build_tools()))
    assert ballot.error == ""
    assert ballot.scores[1] > ballot.scores[0]
    assert (ballot.usage.requests, ballot.usage.prompt_tokens) == (1, 1_000)
    assert ballot.usage.cost_micros == 2_000
    assert EndpointMonth.objects.get(endpoint__slug="whole").cost_micros == 2_000
