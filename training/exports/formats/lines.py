"""Values as JSON that stands in one line of a file, whatever reads its lines. Pure."""

import json
from collections.abc import Iterable
from json.encoder import encode_basestring
from typing import Any

# Line ends to str.splitlines, which JSON lets stand in a string as they are.
_OTHER_LINE_ENDS = {ord(one): f"\\u{ord(one):04x}" for one in "\u0085\u2028\u2029"}
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


def as_json(value: Any) -> str:
    return _on_one_line(_encode(value))


def text_json(text: str) -> str:
    """The same of a text, sooner: a row has many."""
    return _on_one_line(encode_basestring(text))


def flag_json(value: bool) -> str:
    return "true" if value else "false"


def listed(parts: Iterable[str]) -> str:
    """A list of parts that are JSON already."""
    return "[" + ", ".join(parts) + "]"


def _on_one_line(text: str) -> str:
    return text if text.isascii() else text.translate(_OTHER_LINE_ENDS)
