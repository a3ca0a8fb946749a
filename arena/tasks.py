"""Celery edges of the arena. The rows are the queue: each task is only a nudge, may run twice,
and may be lost; `sweep` finds whatever waits."""

import uuid

from celery import shared_task

from arena import sweeping
from arena.matches import judging, play, runner
from arena.nudges import JUDGE_ROUND, PLAY_MATCH, nudge


@shared_task
def play_match(match_id: int) -> None:
    """Play what is left of a match, if no other worker does."""
    owner = uuid.uuid4()
    if not play.claim_match(match_id, owner=owner):
        return
    try:
        runner.play_match(match_id, owner=owner)
    finally:
        play.release_lease(match_id, owner=owner)


@shared_task
def judge_round(round_id: int) -> None:
    """Ask the panel about a round; after the last one, settle the match."""
    judging.judge_round(round_id)


@shared_task
def sweep() -> None:
    """Seat queues, and pick up what a dead worker or a lost message left behind."""
    sweeping.seat_queues()
    for match_id in sweeping.matches_to_play():
        nudge(PLAY_MATCH, match_id)
    for round_id in sweeping.rounds_to_judge():
        nudge(JUDGE_ROUND, round_id)
    sweeping.settle_finished()
