"""What the card of an export counts, a page at a time. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

MOST_AGENTS = 1000  # that are told apart; the others are counted in their rows only


@dataclass
class ExportTally:
    """Rows by Space and agent, votes by judge and its version, and the range of matches."""

    spaces: Counter[str] = field(default_factory=Counter)
    # By Space, when the first of its matches was entered: seconds since 1970.
    entered: dict[str, float] = field(default_factory=dict)
    agents: Counter[str] = field(default_factory=Counter)  # ids, as JSON has no other keys
    votes: Counter[str] = field(default_factory=Counter)  # "judge" or "judge version-id"
    first_match: int | None = None
    last_match: int | None = None
    otherwise: int = 0  # rows that a tokenizer reads otherwise than they were sampled

    def note_match(self, match_id: int) -> None:
        self.first_match = min(match_id, self.first_match or match_id)
        self.last_match = max(match_id, self.last_match or match_id)

    def note_entered(self, space: str, at: datetime) -> None:
        self._note_entered(space, at.timestamp())

    def is_entered_since(self, space: str, moment: datetime) -> bool:
        """Whether all of the Space's matches were entered at that moment or later."""
        return self.entered.get(space, 0.0) >= moment.timestamp()

    def add(self, other: "ExportTally") -> None:
        self.spaces += other.spaces
        for space, at in other.entered.items():
            self._note_entered(space, at)
        self.votes += other.votes
        self.otherwise += other.otherwise
        for agent, count in other.agents.items():
            if agent in self.agents or len(self.agents) < MOST_AGENTS:
                self.agents[agent] += count
        for match_id in (other.first_match, other.last_match):
            if match_id is not None:
                self.note_match(match_id)

    def _note_entered(self, space: str, at: float) -> None:
        self.entered[space] = min(at, self.entered.get(space, at))

    def judge_votes(self) -> dict[tuple[str, int], int]:
        """By judge and the id of its version; 0: the vote is older than versions are."""
        counted = {}
        for key, votes in self.votes.items():
            judge, _, version_id = key.partition(" ")
            counted[judge, int(version_id or 0)] = votes
        return counted

    def as_json(self) -> dict[str, Any]:
        return {
            "spaces": dict(self.spaces),
            "entered": dict(self.entered),
            "agents": dict(self.agents),
            "votes": dict(self.votes),
            "first_match": self.first_match,
            "last_match": self.last_match,
            "otherwise": self.otherwise,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        if not stored:
            return cls()
        return cls(
            spaces=Counter(stored["spaces"]),
            # An export that an earlier release began does not say: no licence is as old as that.
            entered=dict(stored.get("entered", dict.fromkeys(stored["spaces"], 0.0))),
            agents=Counter(stored["agents"]),
            votes=Counter(stored["votes"]),
            first_match=stored["first_match"],
            last_match=stored["last_match"],
            otherwise=stored["otherwise"],
        )
