"""What a vLLM server can do, asked of the server itself before anybody plays on it.

Each ability is tried with the smallest request that uses it, so nothing is concluded from a version
number, but for the versions that are known to answer with another version's adapter.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx

from agents.inference.tls import certificates

TIMEOUT_SECONDS = 30.0  # a server that compiles answers late
CONNECT_TIMEOUT_SECONDS = 3.0
MAX_VERSION_CHARS = 60
# A request in flight is answered with whichever adapter took its slot: vllm-project/vllm#47724
MIXES_ADAPTERS_FROM, MIXES_ADAPTERS_BELOW = (0, 22), (0, 25)
# Among the metrics of a server that takes adapters.
LORA_METRIC = "vllm:lora_requests_info"
# No adapter has this name: asking for it shows whether adapters can be loaded at all.
NO_ADAPTER = {"lora_name": "rlfc-no-adapter", "lora_path": "/nonexistent/rlfc-no-adapter"}
# Digits, marks, two scripts and an emoji: tokenizers that differ at all differ here.
PROBE_TEXT = "In 2048, na\u00efve caf\u00e9s paid 3.14159 \u20ac\u2026 \u0434\u0430! \u6771\u4eac \U0001f980\tfor(i=0;i<10;i++)"


class _Away(Exception):
    """The server does not answer now: nothing is known about its abilities."""


@dataclass(frozen=True)
class Wanted:
    """What the arena needs of a server. `probe_ids`: tokens of PROBE_TEXT; None: not known here."""

    served_name: str
    context_tokens: int
    probe_ids: Sequence[int] | None = None


@dataclass(frozen=True)
class Abilities:
    """What a server answered. `problem` is why nobody may play on it, `note` what is done without."""

    version: str = ""
    context_tokens: int | None = None
    problem: str = ""
    note: str = ""
    is_away: bool = False


class Asker:
    """Asks servers; one key for all."""

    def __init__(self, api_key: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            transport=transport,
            verify=certificates(),
            trust_env=False,  # as in agents/inference/servers.py
        )

    def version(self, url: str) -> str | None:
        """A cheap sign of life; None: away. Empty: it answers, but says no version."""
        try:
            return _version(self._get(url, "/version"))
        except _Away:
            return None

    def abilities(self, url: str, wanted: Wanted) -> Abilities:
        """Everything, by about eight small requests. Never raises."""
        try:
            return self._asked(url, wanted)
        except _Away:
            return Abilities(is_away=True)

    def _asked(self, url: str, wanted: Wanted) -> Abilities:
        found = Abilities(version=_version(self._get(url, "/version")))
        models = self._get(url, "/v1/models")
        if models.status_code in {401, 403}:
            return replace(found, problem="It refuses the key in VLLM_API_KEY.")
        if problem := _problem_with_version(found.version):
            return replace(found, problem=problem)
        served = {str(one.get("id")): one for one in _list(_object(models).get("data"))}
        if wanted.served_name not in served:
            names = ", ".join(sorted(served)) or "nothing"
            return replace(
                found,
                problem=f"It serves {names[:100]}, not {wanted.served_name}. Start it with"
                f" --served-model-name {wanted.served_name}",
            )
        length = served[wanted.served_name].get("max_model_len")
        if isinstance(length, int):
            found = replace(found, context_tokens=length)
            if length < wanted.context_tokens:
                return replace(
                    found,
                    problem=f"Its context is {length} tokens; {wanted.context_tokens} are needed."
                    f" Start it with --max-model-len {wanted.context_tokens}",
                )
        for check in (self._other_base, self._no_adapters, self._no_logprobs, self._no_scores):
            if problem := check(url, wanted):
                return replace(found, problem=problem)
        return replace(found, note=self._no_structure(url, wanted))

    def _other_base(self, url: str, wanted: Wanted) -> str:
        body = {"model": wanted.served_name, "prompt": PROBE_TEXT, "add_special_tokens": False}
        answer = self._post(url, "/tokenize", body)
        tokens = _object(answer).get("tokens")
        if answer.status_code != 200 or not isinstance(tokens, list):
            return "It does not tokenize texts (/tokenize)."
        if wanted.probe_ids is not None and tokens != list(wanted.probe_ids):
            return (
                f"It calls its model {wanted.served_name}, but reads a text as other tokens: it has"
                " another base model."
            )
        return ""

    def _no_adapters(self, url: str, wanted: Wanted) -> str:
        nameless = self._post(url, "/v1/load_lora_adapter", {"lora_name": "", "lora_path": ""})
        if nameless.status_code in {404, 405}:
            return (
                "It loads no adapters while it runs. Start it with"
                " VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment."
            )
        if LORA_METRIC in self._get(url, "/metrics").text:
            return ""
        # Asked only where the metrics don't say: vLLM logs it as an error.
        if "not enabled" in self._post(url, "/v1/load_lora_adapter", NO_ADAPTER).text:
            return "It takes no adapters. Start it with --enable-lora"
        return ""

    def _no_logprobs(self, url: str, wanted: Wanted) -> str:
        body = {
            "model": wanted.served_name,
            "messages": [{"role": "user", "content": "Yes?"}],
            "max_tokens": 1,
            "logprobs": True,
            "return_token_ids": True,
        }
        answer = self._post(url, "/v1/chat/completions", body)
        if answer.status_code != 200:
            return f"It refuses to chat: {_said(answer)}"
        choice = _first_choice(answer)
        if not _list((choice.get("logprobs") or {}).get("content")):
            return "It gives no log-probabilities: --max-logprobs must be at least 1."
        if not choice.get("token_ids"):
            return "It gives no token ids (return_token_ids), which vLLM 0.10.2 and later do."
        return ""

    def _no_scores(self, url: str, wanted: Wanted) -> str:
        ids = list(wanted.probe_ids or [])[:4] or [1, 2, 3]
        body = {
            "model": wanted.served_name,
            "prompt": ids,
            "max_tokens": 1,
            "prompt_logprobs": 0,
            "logprobs": 0,
            "logprob_token_ids": ids[:2],
        }
        answer = self._post(url, "/v1/completions", body)
        choice = _first_choice(answer) if answer.status_code == 200 else {}
        if len(_list(choice.get("prompt_logprobs"), of=object)) != len(ids):
            return f"It does not score given tokens (prompt_logprobs): {_said(answer)}"
        return ""

    def _no_structure(self, url: str, wanted: Wanted) -> str:
        """Only judges ask for it, and they can do without."""
        schema = {"type": "object", "properties": {"a": {"enum": [1]}}, "required": ["a"]}
        body = {
            "model": wanted.served_name,
            "messages": [{"role": "user", "content": "Yes?"}],
            "max_tokens": 8,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "probe", "schema": schema},
            },
        }
        answer = self._post(url, "/v1/chat/completions", body)
        if answer.status_code == 200:
            return ""
        return "It takes no schema for answers, so judges ask without one."

    def _get(self, url: str, path: str) -> httpx.Response:
        return self._sent(self._http.build_request("GET", url + path))

    def _post(self, url: str, path: str, body: Mapping[str, Any]) -> httpx.Response:
        return self._sent(self._http.build_request("POST", url + path, json=body))

    def _sent(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = self._http.send(request)
        except httpx.HTTPError as error:
            raise _Away from error
        # vLLM answers 500 to an adapter that it cannot load, which may be all there is to know.
        if answer.status_code >= 500 and request.url.path != "/v1/load_lora_adapter":
            raise _Away
        return answer

    def close(self) -> None:
        self._http.close()


def _version(answer: httpx.Response) -> str:
    return str(_object(answer).get("version", ""))[:MAX_VERSION_CHARS]


def _problem_with_version(version: str) -> str:
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        return "It does not say which version of vLLM it is (/version)."
    if MIXES_ADAPTERS_FROM <= (int(numbers[1]), int(numbers[2])) < MIXES_ADAPTERS_BELOW:
        return f"vLLM {version} may answer with another agent's adapter (vllm#47724). Install 0.25 or later."
    return ""


def _object(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _list(value: object, *, of: type = dict) -> list[Any]:
    return [one for one in value if isinstance(one, of)] if isinstance(value, list) else []


def _first_choice(answer: httpx.Response) -> Mapping[str, Any]:
    return next(iter(_list(_object(answer).get("choices"))), {})


def _said(answer: httpx.Response) -> str:
    error = _object(answer).get("error")
    message = error.get("message") if isinstance(error, dict) else None
    return f"{answer.status_code} {str(message or '')[:120]}".strip()
