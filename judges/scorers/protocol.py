"""Bounds that a scorer process and its client share."""

MAX_TEXTS = 64  # of one request
MAX_TEXT_CHARACTERS = 4_000  # the client cuts longer ones
MAX_LINE_BYTES = 4_000_000
