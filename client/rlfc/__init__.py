"""A client of an RLFC Arena."""

from rlfc.agent_file import AgentFile
from rlfc.arena import Arena
from rlfc.connection import ArenaError

__all__ = ["AgentFile", "Arena", "ArenaError"]
