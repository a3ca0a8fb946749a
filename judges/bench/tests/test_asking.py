import asyncio
from collections.abc import Callable, Sequence

import pytest

from judges.bench.asking import Contender, ask, ask_all, check
from judges.bench.figures import PairOutcome
from judges.bench.pairs import LabelledPair
from judges.tests.builders import ScriptedTools, compared
from judges.tools import CannotJudge, ChatRequest, Reply

PAIR = LabelledPair("1", "Cats?", chosen="They purr a lot.", rejected="No.")


class Reader(ScriptedTools):
    def __init__(self, says: Callable[[str, str], str]) -> None:
        super().__init__()
        self._says = says

    async def complete(self, request: ChatRequest) -> Reply:
        self.asked.append(request.messages)
        return Reply(
            f"VERDICT: {self._says(*compared(request.messages))}",
            prompt_tokens=100,
            completion_tokens=4,
            cost_micros=50,
        )


def asked(script: ScriptedTools, kind: str = "pairwise", **config: object) -> PairOutcome:
    return asyncio.run(ask(Contender("reader", kind, config, "", script.tools()), PAIR))


@pytest.mark.parametrize(
    ("says", "first", "second"),
    [
        (lambda a, b: "A" if "purr" in a else "B", 1, 1),
        (lambda a, b: "B" if "purr" in a else "A", -1, -1),
        (lambda a, b: "A", 1, -1),
        (lambda a, b: "B", -1, 1),
        (lambda a, b: "TIE", 0, 0),
        (lambda a, b: "A" if "purr" in a else "TIE", 1, 0),
    ],
)
def test_what_a_reader_of_both_orders_says_in_each_is_told_apart(
    says: Callable[[str, str], str], first: int, second: int
) -> None:
    reader = Reader(says)
    found = asked(reader)
    assert (found.chosen_first, found.chosen_second) == (first, second)
    assert len(reader.asked) == found.requests == 2  # and not twice in each order of seats
    assert (found.prompt_tokens, found.completion_tokens, found.cost_micros) == (200, 8, 100)


def test_a_judge_of_single_answers_is_asked_in_both_orders_of_seats() -> None:
    class FirstIsCloser(ScriptedTools):
        async def relevance(self, prompt: str, texts: Sequence[str]) -> list[float]:
            return [0.9, *[0.3] * (len(texts) - 1)]

    found = asked(FirstIsCloser(), "poem", form_weight=0.0, pmi_weight=0.0, relevance_weight=1.0)
    assert (found.chosen_first, found.chosen_second, found.longer) == (1, -1, 1)


def test_an_abstention_is_kept_with_its_reason_in_each_order() -> None:
    found = asked(ScriptedTools(reply=CannotJudge("the endpoint is away")))
    assert (found.chosen_first, found.chosen_second) == (None, None)
    assert found.reasons == ("the endpoint is away",) * 2


@pytest.mark.parametrize(
    ("kind", "config", "why"),
    [
        ("code", {}, "it scores answers by the code of an environment's task"),
        ("poem", {}, "form_weight of 0"),
        ("pairwise", {"colour": 1}, "unknown names: colour"),
        ("oracle", {}, "no kind of judge named oracle"),
    ],
)
def test_a_judge_that_cannot_judge_free_pairs_says_so(
    kind: str, config: dict[str, object], why: str
) -> None:
    with pytest.raises(CannotJudge, match=why):
        check(kind, config)


def test_no_more_pairs_are_read_than_are_asked_about() -> None:
    """A file of any size is read as it is needed."""
    read: list[str] = []

    def pairs() -> object:
        for number in range(1_000):
            read.append(str(number))
            yield LabelledPair(str(number), "Cats?", "They purr.", "No.")

    async def some() -> list[str]:
        contender = Contender("coin", "coin", {}, "", ScriptedTools().tools())
        found = []
        async for outcome in ask_all(contender, pairs(), at_once=3):  # type: ignore[arg-type]
            found.append(outcome.id)
            if len(found) == 5:
                break
        return found

    assert len(asyncio.run(some())) == 5
    assert len(read) <= 5 + 3
