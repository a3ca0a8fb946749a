"""The daily tournament of every new installation, by the fields of TournamentSchedule. Pure."""

from datetime import time
from typing import Any

# Its matches are short, and models choose among the legal moves.
DAILY_ENVIRONMENT = "tictactoe"
DAILY: dict[str, Any] = {
    "slug": "daily",
    "name": "Daily arena",
    "format": "arena",
    "starts_at_local": time(18),
    "window_minutes": 30,
    "fee_credits": 10,
    "rake_percent": 10,
    "prize_percents": [50, 30, 20],
    "fewest_entrants": 6,
    "most_entrants": 32,
}
