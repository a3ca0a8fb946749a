"""Scores at random: a control. What is learned under this judge was not learned from judging."""

import hashlib
from collections.abc import Mapping
from random import Random
from typing import Any

from judges.tools import Tools
from judges.transcript import Ballot, Transcript


async def vote(config: Mapping[str, Any], transcript: Transcript, tools: Tools) -> Ballot:
    """The same answers to the same prompt always fare alike; nothing else about them counts."""
    texts = [transcript.prompt, *(answer.text for answer in transcript.answers)]
    rng = Random(hashlib.sha256("\x00".join(texts).encode(errors="replace")).hexdigest())
    scores = {answer.seat: rng.random() for answer in transcript.answers}
    return Ballot(scores=scores, reasons=dict.fromkeys(scores, "Drawn at random."), checks={})
