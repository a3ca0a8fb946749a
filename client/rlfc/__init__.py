"""A client of an RLFC Arena."""

from rlfc.arena import Arena, ArenaError

__all__ = ["Arena", "ArenaError"]
