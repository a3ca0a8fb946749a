"""The facts of a match: its events, their JSON, and the digests that chain them. PURE.

Fields are JSON values; `decode` turns lists back into tuples.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from agents.canonical import digest_of
from arena.states import CompletionStatus, PrizeRule


@dataclass(frozen=True)
class Player:
    """Who sits where; entry_id is None for a house seat."""

    seat: int
    agent_id: int
    version_id: int
    user_id: int
    entry_id: str | None
    fee_credits: int


@dataclass(frozen=True)
class MatchSeated:
    space: str
    environment: str
    players: tuple[Player, ...]
    round_count: int
    rake_percent: int
    prize_percents: tuple[int, ...]
    panel: tuple[tuple[str, float], ...]  # (judge slug, weight)
    rounds_at_once: int = 1  # 1 in matches seated before this setting existed
    restricts_moves: bool = False  # models answer with a legal move
    # SHA-256 of the secret that decides the tasks; empty in matches seated before there was one.
    task_commitment: str = ""
    # By difficulty, how often its tasks are drawn; empty: only the easiest.
    difficulty_weights: tuple[float, ...] = ()
    prize_rule: PrizeRule = PrizeRule.PLACES  # so in all matches seated before there were others
    panel_size: int = 0  # of the panel, how many judge a round; 0: all
    least_agreement: float = 0.0  # Krippendorff's alpha below which a round is a tie
    is_practice: bool = False  # nothing follows from the match


@dataclass(frozen=True)
class MatchStarted:
    pass


@dataclass(frozen=True)
class RoundStarted:
    round: int
    task_key: str
    task: dict[str, Any]
    turn_limit: int = (
        1  # turns of all seats together, at most; more than 1: the round is an episode
    )
    order: tuple[int, ...] = ()  # of an episode: the seats in the order in which they move


@dataclass(frozen=True)
class CompletionRecorded:
    round: int
    seat: int
    status: CompletionStatus
    version_id: int
    token_count: int
    # SHA-256 of text, tokens, logprobs and what was allowed: the event vouches for the bulky row.
    content_digest: str
    is_blank: bool = False  # without a single word; False in matches before this was recorded
    turn: int = 0  # of an episode: which of the seat's tries it is, from 0
    problem: str = ""  # of an episode: why it was no legal move


@dataclass(frozen=True)
class EpisodeEnded:
    """Nobody is to move any more."""

    round: int
    payoffs: dict[str, float]  # seat -> [0, 1]; empty if only judges can tell


@dataclass(frozen=True)
class PanelDrawn:
    """Who judges a round, in matches in which not all do; see arena.matches.panel_draws."""

    round: int
    judges: tuple[str, ...]  # slugs in the order in which they were drawn
    passed_over: tuple[str, ...]  # drawn before the last of them, but not allowed to vote


@dataclass(frozen=True)
class VoteRecorded:
    round: int
    judge: str
    scores: dict[str, float]  # seat -> [0, 1]; empty: abstained
    error: str


@dataclass(frozen=True)
class RoundDecided:
    round: int
    scores: dict[str, float]  # seat -> [0, 1]
    ranking: tuple[tuple[int, ...], ...]
    agreement: float
    alpha: float | None = None  # as in judges.panel.PanelVerdict; None also before it was recorded
    is_split: bool = False


@dataclass(frozen=True)
class RoundVoided:
    round: int
    reason: str


@dataclass(frozen=True)
class MatchSettled:
    ranking: tuple[tuple[int, ...], ...]
    totals: dict[str, float]
    prizes: dict[str, int]
    rake_credits: int
    # Fees of seats that answered in no round; none in matches before there were such refunds.
    refunds: dict[str, int] = field(default_factory=dict)
    task_secret: str = ""  # what MatchSeated.task_commitment was made from


@dataclass(frozen=True)
class MatchCancelled:
    reason: str
    task_secret: str = ""  # as in MatchSettled


Event = (
    MatchSeated
    | MatchStarted
    | RoundStarted
    | CompletionRecorded
    | EpisodeEnded
    | PanelDrawn
    | VoteRecorded
    | RoundDecided
    | RoundVoided
    | MatchSettled
    | MatchCancelled
)


_KINDS: dict[str, type[Event]] = {
    "match_seated": MatchSeated,
    "match_started": MatchStarted,
    "round_started": RoundStarted,
    "completion_recorded": CompletionRecorded,
    "episode_ended": EpisodeEnded,
    "panel_drawn": PanelDrawn,
    "vote_recorded": VoteRecorded,
    "round_decided": RoundDecided,
    "round_voided": RoundVoided,
    "match_settled": MatchSettled,
    "match_cancelled": MatchCancelled,
}


_NAMES = {event: kind for kind, event in _KINDS.items()}


def encode(event: Event) -> tuple[str, dict[str, Any]]:
    """(kind, JSON payload) of an event."""
    return _NAMES[type(event)], json.loads(json.dumps(asdict(event)))


def decode(kind: str, payload: Mapping[str, Any]) -> Event:
    """The event that `encode` made the payload from."""
    values = dict(payload)
    if kind == "match_seated":
        values["players"] = tuple(Player(**player) for player in values["players"])
        values["prize_percents"] = tuple(values["prize_percents"])
        values["panel"] = tuple((slug, weight) for slug, weight in values["panel"])
        values["difficulty_weights"] = tuple(values.get("difficulty_weights", ()))
        values["prize_rule"] = PrizeRule(values.get("prize_rule", PrizeRule.PLACES))
    if kind == "completion_recorded":
        values["status"] = CompletionStatus(values["status"])
    if kind == "panel_drawn":
        values["judges"] = tuple(values["judges"])
        values["passed_over"] = tuple(values["passed_over"])
    if "order" in values:
        values["order"] = tuple(values["order"])
    if "ranking" in values:
        values["ranking"] = tuple(tuple(group) for group in values["ranking"])
    return _KINDS[kind](**values)


def event_digest(
    previous_digest: str, *, match_id: int, seq: int, kind: str, payload: Mapping[str, Any]
) -> str:
    """SHA-256 over the previous digest and this event's canonical JSON."""
    return digest_of([previous_digest, match_id, seq, kind, payload])


def content_digest(
    text: str,
    token_ids: Sequence[int],
    logprobs: Sequence[float],
    allowed_token_ids: Sequence[Sequence[int]] = (),
) -> str:
    """SHA-256 over a seat's answer; logprobs with 6 decimals, as stored.

    What was allowed counts in restricted answers only: the others' digests are from before.
    """
    content: list[Any] = [text, list(token_ids), [f"{value:.6f}" for value in logprobs]]
    if allowed_token_ids:
        content.append([list(ids) for ids in allowed_token_ids])
    return digest_of(content)
