"""States the machine that a figure was measured on."""

from arena.config.supervisor.machine import described as machine

__all__ = ["machine"]
