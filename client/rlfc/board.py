"""A match as a terminal shows it: a board that follows its events, and what was said in a round."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from rich.table import Table

from rlfc.terminal import table_of

LINES_OF_TEXT = 8  # of one answer or task


@dataclass
class Board:
    """Who sits in a match, what each round brought, and what happens now."""

    names: Mapping[int, str]
    round_count: int
    points: dict[tuple[int, int], float] = field(default_factory=dict)  # by seat and round
    answered: set[int] = field(default_factory=set)
    now: str = "waiting for a worker"

    @classmethod
    def of(cls, match: Mapping[str, Any]) -> Self:
        names = {seat["index"]: seat["competitor"]["name"] for seat in match["seats"]}
        return cls(names=names, round_count=match["round_count"])

    def take(self, event: Mapping[str, Any]) -> None:
        """Follow one event of the match."""
        payload, number = event["payload"], event["payload"].get("round", 0)
        match event["kind"]:
            case "round_started":
                self.answered = set()
                self.now = f"round {number}: the seats answer"
            case "completion_recorded":
                self.answered.add(payload["seat"])
                if len(self.answered) == len(self.names):
                    self.now = f"round {number}: the judges decide"
            case "round_decided":
                for seat, score in payload["scores"].items():
                    self.points[int(seat), number] = score
                self.now = f"round {number} is decided"
            case "round_voided":
                self.now = f"round {number} is void: nobody could judge it"
            case "match_settled":
                self.now = "over"
            case "match_cancelled":
                self.now = "cancelled"

    def total(self, seat: int) -> float:
        return sum(score for (of, _), score in self.points.items() if of == seat)

    def table(self) -> Table:
        """The seats by their points, a column for each round that is decided."""
        rounds = sorted({number for _, number in self.points})
        seats = sorted(self.names, key=lambda seat: (-self.total(seat), seat))
        rows = [
            [
                self.names[seat],
                *(_points(self.points.get((seat, number))) for number in rounds),
                f"{self.total(seat):.2f}",
                "✓" if seat in self.answered else "",
            ]
            for seat in seats
        ]
        table = table_of(("Agent", *(str(number) for number in rounds), "Points", ""), rows)
        table.title, table.title_justify = self.now, "left"
        return table


def _points(score: float | None) -> str:
    return "" if score is None else f"{score:.2f}"


def words_of(event: Mapping[str, Any], names: Mapping[int, str]) -> str:
    """An event as a line; empty if it is none that one waits for."""
    payload = event["payload"]
    match event["kind"]:
        case "round_started":
            return f"Round {payload['round']}"
        case "completion_recorded":
            return f"  {names.get(payload['seat'], '?')} has answered"
        case "round_decided":
            tied = [
                ", ".join(names.get(seat, "?") for seat in seats) for seats in payload["ranking"]
            ]
            return f"  decided: {' > '.join(tied)}"
        case "round_voided":
            return "  void: nobody could judge it"
        case _:
            return ""


def transcript(round_of: Mapping[str, Any], names: Mapping[int, str]) -> Iterator[tuple[str, str]]:
    """What was said in a round: who, or empty for the task, and the text."""
    yield "", _cut(round_of["prompt"])
    episode = round_of["episode"]
    if episode:
        for turn in episode["turns"]:
            problem = f"  ({turn['problem']})" if turn["problem"] else ""
            yield names.get(turn["seat"], "?"), _cut(turn["text"]) + problem
        return
    for cell in round_of["cells"]:
        score = "" if cell["score"] is None else f"  [{cell['score']:.2f}]"
        yield names.get(cell["seat"], "?"), (_cut(cell["text"]) or cell["error"]) + score


def _cut(text: str) -> str:
    lines: Sequence[str] = text.strip().splitlines()
    more = ["…"] if len(lines) > LINES_OF_TEXT else []
    return "\n".join([*lines[:LINES_OF_TEXT], *more])
