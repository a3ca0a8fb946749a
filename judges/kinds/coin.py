"""Scores at random: a control. Whatever an agent learns under this judge, judging did not teach it."""

import hashlib
from random import Random

from judges.kinds.config import KindConfig
from judges.tools import Tools
from judges.transcript import Ballot, Transcript


async def vote(config: KindConfig, transcript: Transcript, tools: Tools) -> Ballot:
    """The same answers to the same prompt always get the same scores; nothing else counts."""
    texts = [transcript.prompt, *(answer.text for answer in transcript.answers)]
    rng = Random(hashlib.sha256("\x00".join(texts).encode(errors="replace")).hexdigest())
    scores = {answer.seat: rng.random() for answer in transcript.answers}
    return Ballot(scores=scores, reasons=dict.fromkeys(scores, "Drawn at random."), checks={})
