"""A scripted model behind the part of vLLM's interface that the arena uses, as a process of its own:

    python -m arena.management.chaos.model PORT BASE_NAME BASE_FOLDER

It answers at a reader's pace, so that there is something to kill; it forgets its adapters when it is
killed, as vLLM does. With an adapter it keeps to the question more often, so that some runs are
adopted and some are not.
"""

import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from tokenizers import Tokenizer

from arena.management.chaos.base import logprob_of_any_token

WORD_SECONDS = 0.02
SAYS_IT_IS, CONTEXT_TOKENS = "0.32.0", 2048
WORDS = [
    "cats",
    "purr",
    "softly",
    "while",
    "seven",
    "rivers",
    "bend",
    "under",
    "old",
    "bridges",
    "and",
    "every",
    "lamp",
    "is",
    "lit",
    "because",
    "somebody",
    "once",
    "promised",
    "to",
    "come",
    "home",
    "before",
    "the",
    "rain,",
    "which",
    "nobody",
    "has",
    "forgotten",
    "since",
]

JSON = dict[str, Any]
Receive = Callable[[], Awaitable[JSON]]
Send = Callable[[JSON], Awaitable[None]]


class ScriptedServer:
    """An ASGI application."""

    def __init__(self, base: str, folder: Path) -> None:
        self._base = base
        self._adapters: set[str] = set()
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._logprob = logprob_of_any_token(folder)
        self._rng = random.Random()

    async def __call__(self, scope: JSON, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        content = await _read(receive)
        body = json.loads(content) if content else {}
        path = scope["path"]
        if path == "/health":
            await _reply(send, {})
        elif path == "/version":
            await _reply(send, {"version": SAYS_IT_IS})
        elif path == "/v1/models":
            about = {"id": self._base, "max_model_len": CONTEXT_TOKENS}
            await _reply(send, {"data": [about]})
        elif path == "/v1/load_lora_adapter" and not body["lora_path"]:
            await _reply(send, {"error": {"message": "no path"}}, status=400)
        elif path == "/v1/load_lora_adapter" and not Path(body["lora_path"]).is_dir():
            said = f"No adapter found for {body['lora_path']}"
            await _reply(send, {"error": {"message": said}}, status=404)
        elif path == "/v1/load_lora_adapter":
            self._adapters.add(body["lora_name"])
            await _reply(send, {})
        elif body.get("model") not in {self._base, *self._adapters}:
            await _reply(send, {"error": {"message": "no such model"}}, status=404)
        elif path == "/tokenize":
            text = body.get("prompt") or _as_text(body["messages"])
            await _reply(send, {"tokens": self._ids(text)})
        elif path == "/v1/completions":
            await _reply(send, self._completion(body))
        elif path == "/v1/chat/completions" and not body.get("stream"):
            await _reply(send, self._whole(body))
        elif path == "/v1/chat/completions":
            await self._stream(send, body)
        else:
            await _reply(send, {"error": {"message": "no such route"}}, status=404)

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _completion(self, body: Mapping[str, Any]) -> JSON:
        if body.get("prompt_logprobs") is not None:
            scored = [{str(token): {"logprob": self._logprob}} for token in body["prompt"]]
            return {"choices": [{"prompt_logprobs": scored}]}
        text = " ".join(self._rng.choices(WORDS, k=8))
        choice = {"text": text, "token_ids": self._ids(text), "finish_reason": "stop"}
        return {"choices": [choice]}

    def _whole(self, body: Mapping[str, Any]) -> JSON:
        ids = self._ids("Yes")[: int(body["max_tokens"])]
        logprobs = {"content": [{"logprob": self._logprob}] * len(ids)}
        message = {"role": "assistant", "content": "Yes"}
        choice = {"message": message, "token_ids": ids, "logprobs": logprobs}
        return {"choices": [choice | {"finish_reason": "stop"}]}

    async def _stream(self, send: Send, body: Mapping[str, Any]) -> None:
        pieces = self._answer(body["messages"], keeps_to_it=body["model"] in self._adapters)
        await _start(send, content_type=b"text/event-stream")
        chunks: list[JSON] = [
            {"prompt_token_ids": self._ids(_as_text(body["messages"])), "choices": []}
        ]
        left = int(body["max_tokens"])
        for number, piece in enumerate(pieces):
            ids = self._ids(piece)[:left]
            left -= len(ids)
            is_last = number == len(pieces) - 1 or not left
            finish = ("length" if not left else "stop") if is_last else None
            choice = {
                "delta": {"content": piece},
                "token_ids": ids,
                "logprobs": {"content": [{"logprob": self._logprob}] * len(ids)},
                "finish_reason": finish,
            }
            chunks.append({"choices": [choice]})
            if is_last:
                break
        for chunk in chunks:
            line = f"data: {json.dumps(chunk)}\n\n".encode()
            await send({"type": "http.response.body", "body": line, "more_body": True})
            await asyncio.sleep(WORD_SECONDS)
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    def _answer(self, messages: Sequence[Mapping[str, str]], *, keeps_to_it: bool) -> list[str]:
        count = self._rng.randint(6, 24)
        chosen = self._rng.choices(WORDS, k=count)
        if self._rng.random() < (0.9 if keeps_to_it else 0.4):
            question = messages[-1]["content"].split()
            chosen[: count // 2] = self._rng.sample(question, min(count // 2, len(question)))
        chosen[-1] += "."
        return [word if not number else f" {word}" for number, word in enumerate(chosen)]


def _as_text(messages: Sequence[Mapping[str, str]]) -> str:
    return "\n".join(message["content"] for message in messages)


async def _read(receive: Receive) -> bytes:
    content = bytearray()
    while True:
        message = await receive()
        content += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(content)


async def _start(send: Send, *, content_type: bytes, status: int = 200) -> None:
    headers = [(b"content-type", content_type)]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _reply(send: Send, content: JSON, *, status: int = 200) -> None:
    await _start(send, content_type=b"application/json", status=status)
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


if __name__ == "__main__":
    port, base_name, base_folder = sys.argv[1:]
    uvicorn.run(ScriptedServer(base_name, Path(base_folder)), port=int(port), log_level="warning")
