"""Values as JSON that stands in one line of a file, whatever reads its lines. Pure."""

import json
from collections.abc import Iterable
from typing import Any

# Line ends to str.splitlines, which JSON lets stand in a string as they are.
_OTHER_LINE_ENDS = {ord(one): f"\\u{ord(one):04x}" for one in "\u0085\u2028\u2029"}
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(", ", ": ")).encode


def as_json(value: Any) -> str:
    text = _encode(value)
    return text if text.isascii() else text.translate(_OTHER_LINE_ENDS)


def member(**parts: str) -> str:
    """An object of parts that are JSON already."""
    return "{" + ", ".join(f'"{name}": {part}' for name, part in parts.items()) + "}"


def listed(parts: Iterable[str]) -> str:
    return "[" + ", ".join(parts) + "]"
