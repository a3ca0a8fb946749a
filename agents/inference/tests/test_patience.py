"""How requests to an inference server are retried: how often, for how long, and who is notified."""

import asyncio
from itertools import islice

import pytest

from agents.inference import patience
from agents.inference.patience import eager_pauses, patiently
from agents.inference.replies import InferenceUnavailable, RequestRefused


class Server:
    """Fails a given number of times, each with its own error, then answers."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        if self.faults:
            raise self.faults.pop(0)
        return "answer"


def away(name: str) -> InferenceUnavailable:
    return InferenceUnavailable(name)


def test_a_server_that_comes_back_answers_and_each_fault_is_heard() -> None:
    server, heard = Server(away("one"), away("two")), list[str]()
    answer = asyncio.run(
        patiently(server, pauses=[0.0, 0.0], on_fault=lambda fault: heard.append(str(fault)))
    )
    assert (answer, server.asked, heard) == ("answer", 3, ["one", "two"])


def test_patience_ends_after_the_last_pause_with_the_last_fault() -> None:
    server, heard = Server(away("one"), away("two"), away("three")), list[str]()
    with pytest.raises(InferenceUnavailable, match="two"):
        asyncio.run(
            patiently(server, pauses=[0.0], on_fault=lambda fault: heard.append(str(fault)))
        )
    assert (server.asked, heard) == (2, ["one"])


def test_a_refusal_is_not_asked_again() -> None:
    server = Server(RequestRefused("too long"))
    with pytest.raises(RequestRefused):
        asyncio.run(patiently(server, pauses=[0.0]))
    assert server.asked == 1


def test_without_pauses_of_its_own_a_request_is_retried_after_the_usual_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "RETRY_PAUSES_SECONDS", (0.0, 0.0))
    server = Server(*map(away, "abc"))
    with pytest.raises(InferenceUnavailable, match="c"):
        asyncio.run(patiently(server))
    assert server.asked == 3


def test_eager_pauses_grow_repeat_the_last_and_end_in_time() -> None:
    first = list(islice(eager_pauses(within_seconds=60), 7))
    assert first == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert list(eager_pauses(within_seconds=3)) == [0.5, 1.0, 2.0]
    assert list(eager_pauses(within_seconds=0)) == []


def test_the_time_of_eager_pauses_runs_from_their_making(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    pauses = eager_pauses(within_seconds=10)
    assert next(pauses) == 0.5
    now = 109.5
    assert list(pauses) == []
