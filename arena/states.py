"""The states that the arena's rows store and its pure code decides on. PURE."""

from enum import StrEnum


class MatchStatus(StrEnum):
    """seated -> running -> settled, or seated/running -> cancelled."""

    SEATED = "seated"
    RUNNING = "running"
    SETTLED = "settled"
    CANCELLED = "cancelled"


LIVE_MATCH_STATUSES = frozenset({MatchStatus.SEATED, MatchStatus.RUNNING})


class PrizeRule(StrEnum):
    """How a pool is shared: arena/credits/prizes.py"""

    WINNER = "winner"
    PLACES = "places"
    SCORE = "score"
    DUEL = "duel"
    COOPERATIVE = "cooperative"


class DataLicence(StrEnum):
    """Under which licence a Space's answers are data for everybody, as hubs of data sets name it."""

    NONE = ""  # they are no public data
    CC0 = "cc0-1.0"
    CC_BY = "cc-by-4.0"
    CC_BY_SA = "cc-by-sa-4.0"


class RoundStatus(StrEnum):
    """playing -> judging -> decided, or -> void (no verdict possible: nobody is scored)."""

    PLAYING = "playing"
    JUDGING = "judging"
    DECIDED = "decided"
    VOID = "void"


ENDED_ROUND_STATUSES = frozenset({RoundStatus.DECIDED, RoundStatus.VOID})


# Half the width of a rating's 95% interval, in its deviations.
INTERVAL_SIGMAS = 1.96


# The finish_reason of an answer that reached its maximum length before it came to an end.
CUT_OFF = "length"
BY_CODE = "code"  # of one that code gave for a coded seat


class CompletionStatus(StrEnum):
    """Whether the seat answered."""

    OK = "ok"
    FAILED = "failed"  # the agent's own request cannot be served (prompt too long, ...)


class AppealStatus(StrEnum):
    """waiting -> granted, denied or unheard."""

    WAITING = "waiting"
    GRANTED = "granted"  # the other panel put two answers the other way round: the fee came back
    DENIED = "denied"  # it kept the order: the fee was paid
    UNHEARD = "unheard"  # no panel could say anything: the fee came back


class BlindChoice(StrEnum):
    """What a spectator says of two answers without names."""

    A = "a"
    B = "b"
    TIE = "tie"
    BOTH_BAD = "both_bad"


class Uncounted(StrEnum):
    """Why a blind vote does not count."""

    NAMES_SHOWN = "names_shown"  # it came after an earlier vote on the round had uncovered them
    OWN_AGENT = "own_agent"
    OPENED_BEFORE = "opened_before"  # the match's page


class Brake(StrEnum):
    """What stopped an autopilot."""

    OWNER = "owner"
    MATCHES = "matches"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    ADOPTED = "adopted"
    CREDITS = "credits"
    FEE = "fee"
    SPACES_CLOSED = "spaces_closed"
    UNPLAYED = "unplayed"
    REFUSED = "refused"
    RETIRED = "retired"


class AdoptionRule(StrEnum):
    """What an autopilot does about new versions of its agent."""

    PLAY_ON = "play_on"
    STOP_AFTER = "stop_after"
    WAIT_FOR = "wait_for"


class TournamentFormat(StrEnum):
    """How a tournament pairs its entrants."""

    ARENA = "arena"  # a window of time; who is free is paired again
    BRACKET = "bracket"  # who loses is out
    SWISS = "swiss"  # a few rounds among equals in points


class TournamentStatus(StrEnum):
    """announced -> running -> over, or announced/running -> cancelled (refunded)."""

    ANNOUNCED = "announced"
    RUNNING = "running"
    OVER = "over"
    CANCELLED = "cancelled"


LIVE_TOURNAMENT_STATUSES = frozenset({TournamentStatus.ANNOUNCED, TournamentStatus.RUNNING})


class Outcome(StrEnum):
    """How a meeting of two entrants ended."""

    OPEN = "open"
    FIRST = "first"  # the one named first won
    SECOND = "second"
    DRAW = "draw"
    VOID = "void"  # its match could not be finished


MAX_HOOK_URL_CHARS = 500


class HookEvent(StrEnum):
    """What a webhook can be told of; its order is that of the form."""

    MATCH_FINISHED = "match.finished"  # settled, or cancelled and refunded
    RUN_DECIDED = "run.decided"  # adopted, offered, rejected or failed
    TOURNAMENT_ENDED = "tournament.ended"
    EXPORT_FINISHED = "export.finished"  # whole, or failed
    PING = "ping"  # its owner asked for it; goes to every webhook


class DeliveryStatus(StrEnum):
    """waiting -> delivered, or waiting -> dead (given up); a replay makes it wait again."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
