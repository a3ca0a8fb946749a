"""The arena's rows, one file for each noun."""

from arena.models.attacks import AttackTrial, Bounty, BountyStatus
from arena.models.autopilot import Autopilot
from arena.models.judging import Verdict, Vote
from arena.models.ledger import Account, AccountKind, Transfer, TransferCode, TransferKind
from arena.models.matches import Completion, Match, MatchEvent, Round, Seat
from arena.models.practice import PracticeMatch
from arena.models.proposals import DifficultyTally, TaskSecret
from arena.models.ratings import OverallRating, Rating, RatingChange
from arena.models.review import Appeal, AppealVote, AudienceVote
from arena.models.seasons import Season, SeasonPlace
from arena.models.spaces import (
    LIVE_ENTRY_STATUSES,
    Entry,
    EntryStatus,
    Space,
    SpaceCount,
    SpaceStatus,
    Terms,
)
from arena.models.talks import Talk, TalkTab
from arena.models.tournaments import Pairing, Registration, Tournament, TournamentSchedule
from arena.models.webhooks import Delivery, Webhook
from arena.states import AppealStatus, CompletionStatus, MatchStatus, RoundStatus

__all__ = [
    "LIVE_ENTRY_STATUSES",
    "Account",
    "AccountKind",
    "Appeal",
    "AppealStatus",
    "AppealVote",
    "AttackTrial",
    "AudienceVote",
    "Autopilot",
    "Bounty",
    "BountyStatus",
    "Completion",
    "CompletionStatus",
    "Delivery",
    "DifficultyTally",
    "Entry",
    "EntryStatus",
    "Match",
    "MatchEvent",
    "MatchStatus",
    "OverallRating",
    "Pairing",
    "PracticeMatch",
    "Rating",
    "RatingChange",
    "Registration",
    "Round",
    "RoundStatus",
    "Season",
    "SeasonPlace",
    "Seat",
    "Space",
    "SpaceCount",
    "SpaceStatus",
    "Talk",
    "TalkTab",
    "TaskSecret",
    "Terms",
    "Tournament",
    "TournamentSchedule",
    "Transfer",
    "TransferCode",
    "TransferKind",
    "Verdict",
    "Vote",
    "Webhook",
]
