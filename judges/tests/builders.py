"""Small builders that the judges' tests share."""

import re
from collections.abc import Callable, Sequence

from judges.tools import ChatRequest, Message, Reply, Tools
from judges.transcript import Answer, Check, Transcript


def make_answer(
    seat: int, text: str = "cats purr", *, score: float | None = 0.9, failed: str = ""
) -> Answer:
    checks = [Check("rule", True, "holds")]
    if failed:
        checks.append(Check(failed, False, f"fails {failed}"))
    return Answer(seat=seat, text=text, score=score, checks=tuple(checks))


def make_transcript(*answers: Answer, prompt: str = "Tell me about cats.") -> Transcript:
    return Transcript(prompt=prompt, kind="test", data={}, answers=answers)


def compared(messages: Sequence[Message]) -> tuple[str, str]:
    """The texts of A and B in a pairwise judge's prompt, whether or not it lists all answers."""
    shown = messages[-1]["content"]
    texts = dict(re.findall(r"Answer (\w+):\n\[begin \w+\]\n(.*?)\n\[end \w+\]", shown, re.DOTALL))
    named = re.search(r"Call answer (\d+) A, and call answer (\d+) B", shown)
    first, second = named.groups() if named else ("A", "B")
    return texts[first], texts[second]


class ScriptedTools:
    """Tools whose replies are set beforehand; an exception in their place is raised."""

    def __init__(
        self,
        *,
        reply: str | Exception = "VERDICT: TIE",
        is_cut: bool = False,
        cosines: Sequence[float] | Exception | None = None,
        pmi: float | Exception = 1.5,
    ) -> None:
        self.reply, self.is_cut, self.cosines, self.pmi = reply, is_cut, cosines, pmi
        self.asked: list[Sequence[Message]] = []
        self.scored: list[str] = []

    def tools(self) -> Tools:
        return Tools(
            complete=self.complete,
            logprob=self.logprob,
            relevance=self.relevance,
            nonce=lambda: f"nonce{len(self.asked):04}",
        )

    async def complete(self, request: ChatRequest) -> Reply:
        self.asked.append(request.messages)
        if isinstance(self.reply, Exception):
            raise self.reply
        return Reply(self.reply, is_cut=self.is_cut)

    async def logprob(
        self, messages: Sequence[Message], answer: str, *, max_tokens: int
    ) -> tuple[float, int]:
        """A word is a token; the prompt adds `pmi` nats to each of the first eight, then less."""
        if isinstance(self.pmi, Exception):
            raise self.pmi
        self.scored.append(answer)
        tokens = min(max_tokens, max(1, len(answer.split())))
        has_prompt = any(message["content"] for message in messages)
        added = sum(self.pmi * 2.0 ** -(place // 8) for place in range(tokens))
        return -2.0 * tokens + (added if has_prompt else 0.0), tokens

    async def relevance(self, prompt: str, texts: Sequence[str]) -> list[float]:
        if isinstance(self.cosines, Exception):
            raise self.cosines
        return list(self.cosines) if self.cosines is not None else [0.6] * len(texts)


class Reader(ScriptedTools):
    """Replies according to the texts of answers A and B."""

    def __init__(self, decide: Callable[[str, str], str]) -> None:
        super().__init__()
        self.decide = decide
        self.first_reply: str | None = None  # to whatever is asked for the first time
        self.requests: list[ChatRequest] = []

    async def complete(self, request: ChatRequest) -> Reply:
        self.asked.append(request.messages)
        self.requests.append(request)
        if self.first_reply is not None and not request.is_repeat:
            return Reply(self.first_reply)
        return Reply(self.decide(*compared(request.messages)))


def prefer(word: str) -> Callable[[str, str], str]:
    return lambda first, second: (
        "VERDICT: TIE"
        if (word in first) == (word in second)
        else "It purrs.\nVERDICT: A"
        if word in first
        else "It purrs.\nVERDICT: B"
    )
