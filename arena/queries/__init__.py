"""Reads for pages and the API: plain frozen values, never model instances."""

from arena.queries.agents import (
    AgentCard,
    AgentRecord,
    RatingPoint,
    VersionLine,
    agent_cards,
    agent_record,
    live_entry_of,
    rating_history,
    versions_of,
)
from arena.queries.lists import (
    Competitor,
    MatchCard,
    SeatLine,
    Standing,
    leaderboard,
    live_matches,
    matches_of_agent,
    recent_matches,
)
from arena.queries.matches import (
    Cell,
    MatchSnapshot,
    RoundView,
    SeatView,
    match_snapshot,
    round_view,
)
from arena.queries.settlement import CreditLine, Settlement, settlement_of
from arena.queries.spaces import QueueState, SpaceCard, queue_state, space_card, space_cards
from arena.queries.statement import (
    StatementLine,
    StatementPage,
    statement_page,
    wallet_balance,
)

__all__ = [
    "AgentCard",
    "AgentRecord",
    "Cell",
    "Competitor",
    "CreditLine",
    "MatchCard",
    "MatchSnapshot",
    "QueueState",
    "RatingPoint",
    "RoundView",
    "SeatLine",
    "SeatView",
    "Settlement",
    "SpaceCard",
    "Standing",
    "StatementLine",
    "StatementPage",
    "VersionLine",
    "agent_cards",
    "agent_record",
    "leaderboard",
    "live_entry_of",
    "live_matches",
    "match_snapshot",
    "matches_of_agent",
    "queue_state",
    "rating_history",
    "recent_matches",
    "round_view",
    "settlement_of",
    "space_card",
    "space_cards",
    "statement_page",
    "versions_of",
    "wallet_balance",
]
