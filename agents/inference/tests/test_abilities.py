"""What is concluded from a server's answers. Those of vLLM 0.32.0 were recorded from real servers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from agents.inference.abilities import Abilities, Asker, Wanted

RECORDED = json.loads((Path(__file__).parent / "recorded" / "vllm-0.32.0.json").read_text())
FULL = RECORDED["full"]
IDS = FULL["/tokenize"][1]["tokens"]
WANTED = Wanted("smol", 2048, IDS)

Answers = Mapping[str, tuple[int, Any]]


def asked(changes: Answers, wanted: Wanted = WANTED) -> Abilities:
    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/chat/completions" and b"response_format" in request.content:
            path = "schema" if "schema" in changes else path
        if path == "/v1/load_lora_adapter" and not json.loads(request.content)["lora_name"]:
            path = "nameless"
        status, body = (FULL | dict(changes))[path]
        if isinstance(body, str):
            return httpx.Response(status, text=body)
        return httpx.Response(status, json=body)

    return Asker("", transport=httpx.MockTransport(answer)).abilities("http://one", wanted)


def test_a_server_that_can_do_everything_has_no_problem() -> None:
    assert asked({}) == Abilities(version="0.32.0", context_tokens=2048)


@pytest.mark.parametrize(
    ("case", "flag"),
    [
        ("without VLLM_ALLOW_RUNTIME_LORA_UPDATING", "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"),
        ("without --enable-lora", "--enable-lora"),
    ],
)
def test_what_real_servers_lacked_is_named_with_its_flag(case: str, flag: str) -> None:
    assert flag in asked(RECORDED[case]).problem


@pytest.mark.parametrize("version", ["0.22.0", "0.23.1rc1.dev12+g1234", "0.24.9"])
def test_versions_that_mix_adapters_are_refused(version: str) -> None:
    found = asked({"/version": (200, {"version": version})})
    assert found.problem.startswith(f"vLLM {version} may answer with another agent's adapter")


@pytest.mark.parametrize("version", ["0.21.3", "0.25.0", "1.0.0", "0.32.0+cpu"])
def test_other_versions_are_judged_by_what_they_do(version: str) -> None:
    assert asked({"/version": (200, {"version": version})}).problem == ""


SHORT = {"data": [{"id": "smol", "max_model_len": 1024}]}
OTHER = {"data": [{"id": "llama"}, {"id": "agent-1.v2"}]}
CHOICE = FULL["/v1/chat/completions"][1]["choices"][0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"/version": (404, "no")}, "It does not say which version of vLLM it is (/version)."),
        ({"/version": (200, "<html>")}, "It does not say which version of vLLM it is (/version)."),
        ({"/v1/models": (401, {"error": "Unauthorized"})}, "It refuses the key in VLLM_API_KEY."),
        ({"/v1/models": (200, OTHER)}, "It serves agent-1.v2, llama, not smol."),
        ({"/v1/models": (200, [])}, "It serves nothing, not smol."),
        ({"/v1/models": (200, SHORT)}, "Start it with --max-model-len 2048"),
        ({"/tokenize": (200, {"tokens": [1, *IDS]})}, "it has another base model."),
        ({"/tokenize": (404, {})}, "It does not tokenize texts (/tokenize)."),
        (
            {"/v1/chat/completions": (200, {"choices": [CHOICE | {"logprobs": None}]})},
            "It gives no log-probabilities",
        ),
        (
            {"/v1/chat/completions": (200, {"choices": [CHOICE | {"token_ids": None}]})},
            "It gives no token ids",
        ),
        (
            {"/v1/chat/completions": (400, {"error": {"message": "no chat template"}})},
            "It refuses to chat: 400 no chat template",
        ),
        ({"/v1/completions": (200, {"choices": [{"text": "2"}]})}, "It does not score given tokens"),
        ({"/v1/completions": (400, {"error": {"message": "max"}})}, "(prompt_logprobs): 400 max"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_a_sentence(changes: Answers, sentence: str) -> None:
    found = asked(changes)
    assert sentence in found.problem
    assert not found.is_away


def test_a_base_whose_tokenizer_is_elsewhere_is_not_compared() -> None:
    other = {"/tokenize": (200, {"tokens": [9, 9]})}
    scores: dict[str, Any] = {"prompt_logprobs": [None, {"2": {}}, {"3": {}}]}
    answers = other | {"/v1/completions": (200, {"choices": [scores]})}
    assert asked(answers, Wanted("smol", 2048)).problem == ""


def test_judges_can_do_without_schemas() -> None:
    found = asked({"schema": (400, {"error": {"message": "no backend"}})})
    assert (found.problem, found.note) == (
        "",
        "It takes no schema for answers, so judges ask without one.",
    )


@pytest.mark.parametrize("path", ["/version", "/v1/models", "/tokenize", "/v1/chat/completions"])
def test_a_server_that_is_failing_is_away_and_not_judged(path: str) -> None:
    assert asked({path: (503, "")}).is_away


def test_a_server_whose_metrics_are_off_is_asked_for_an_adapter_that_is_not_there() -> None:
    off = {"/metrics": (404, {"detail": "Not Found"})}
    assert asked(off).problem == ""
    assert "--enable-lora" in asked(RECORDED["without --enable-lora"] | off).problem


def test_a_server_that_cannot_be_reached_is_away() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    asker = Asker("key", transport=httpx.MockTransport(refuse))
    assert asker.abilities("http://one", WANTED) == Abilities(is_away=True)
    assert asker.version("http://one") is None
