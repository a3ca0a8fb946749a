"""What the card of an export counts, a page at a time. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

MOST_AGENTS = 1000  # that are told apart; the others are counted in their rows only


@dataclass
class ExportTally:
    """Rows by Space and agent, votes by judge and its version, and the range of matches."""

    spaces: Counter[str] = field(default_factory=Counter)
    agents: Counter[str] = field(default_factory=Counter)  # ids, as JSON has no other keys
    votes: Counter[str] = field(default_factory=Counter)  # "judge" or "judge version-id"
    first_match: int | None = None
    last_match: int | None = None
    otherwise: int = 0  # rows that a tokenizer reads otherwise than they were sampled

    def note_match(self, match_id: int) -> None:
        self.first_match = min(match_id, self.first_match or match_id)
        self.last_match = max(match_id, self.last_match or match_id)

    def add(self, other: "ExportTally") -> None:
        self.spaces += other.spaces
        self.votes += other.votes
        self.otherwise += other.otherwise
        for agent, count in other.agents.items():
            if agent in self.agents or len(self.agents) < MOST_AGENTS:
                self.agents[agent] += count
        for match_id in (other.first_match, other.last_match):
            if match_id is not None:
                self.note_match(match_id)

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
            agents=Counter(stored["agents"]),
            votes=Counter(stored["votes"]),
            first_match=stored["first_match"],
            last_match=stored["last_match"],
            otherwise=stored["otherwise"],
        )
