"""Celery edges of the arena. The rows are the queue: each task is only a nudge, may run twice,
and may be lost; `sweep` finds whatever waits."""

import uuid
from random import SystemRandom

from celery import shared_task

from agents.inference import bases
from arena import sweeping
from arena.credits.verdicts import audit_if_due
from arena.matches import claiming, judging, play, runner
from arena.nudges import (
    ASK_GOLD,
    ASK_SERVERS,
    AUDIT_LEDGER,
    HEAR_APPEAL,
    JUDGE_ROUND,
    PLAY_MATCH,
    SAMPLE_ATTACK,
    SEND_WEBHOOKS,
    SWEEP_MATCHES,
    TRY_BOUNTY,
    forget_sweep_nudge,
    nudge,
)
from arena.panels.attacks import sample
from arena.panels.gold import asking
from arena.review import bounty, hearing
from arena.sweep_times import timed
from arena.talks.charging import end_stale_talks
from arena.webhooks import sending


@shared_task
def play_match(match_id: int) -> None:
    """Play what is left of the match whose turn it is, whichever match sent the nudge."""
    owner = uuid.uuid4()
    # As many nudges wait as matches do, so that each nudge may take any match.
    claimed_id = claiming.claim_next(owner=owner)
    if claimed_id is None:
        return
    try:
        runner.play_match(claimed_id, owner=owner)
    finally:
        play.release_lease(claimed_id, owner=owner)


@shared_task
def judge_round(round_id: int) -> None:
    """Ask the panel about a round; after the last one, settle the match."""
    judging.judge_round(round_id)


@shared_task
def hear_appeal(appeal_id: int) -> None:
    """Ask another panel about a round of a settled match."""
    hearing.hear_appeal(appeal_id)


@shared_task
@timed(ASK_GOLD)
def ask_gold() -> None:
    """Ask judges what is due of the questions whose answer is known."""
    asking.ask_due_gold(rng=SystemRandom())


@shared_task
def try_bounty(bounty_id: int) -> None:
    """Try a submitted attack on a judge, and pay it if it wins."""
    bounty.try_bounty(bounty_id)


@shared_task
@timed(SAMPLE_ATTACK)
def sample_attack() -> None:
    """Try one attack of the suite on a panel that judges here."""
    sample.sample_attack(SystemRandom())


@shared_task
def send_webhooks() -> None:
    """Send to people's own servers what is due."""
    forget_sweep_nudge(SEND_WEBHOOKS)  # before looking: what is stored from now on needs another
    if sending.send_due():
        nudge(SEND_WEBHOOKS)


@shared_task
@timed(ASK_SERVERS)
def ask_servers() -> None:
    """Ask inference servers that are new or came back what they can do."""
    bases.ask_servers()


@shared_task
@timed(AUDIT_LEDGER)
def audit_ledger() -> None:
    """Re-add every transfer once a day; the log and the site's page say if something differs."""
    audit_if_due()


@shared_task
@timed(SWEEP_MATCHES)
def sweep() -> None:
    """Let autopilots enter, seat queues, and pick up what a dead worker or a lost message left behind."""
    forget_sweep_nudge(SWEEP_MATCHES)  # before looking: who enters from now on needs another sweep
    sweeping.fly_autopilots()
    sweeping.seat_queues()
    # Nudges would pile up while workers are away or busy; a later sweep sends others.
    expires = sweeping.nudge_after().total_seconds()
    for match_id in sweeping.matches_to_play():
        nudge(PLAY_MATCH, match_id, expires=expires)
    for round_id in sweeping.rounds_to_judge():
        nudge(JUDGE_ROUND, round_id, expires=expires)
    for appeal_id in sweeping.appeals_to_hear():
        nudge(HEAR_APPEAL, appeal_id, expires=expires)
    for bounty_id in sweeping.bounties_to_try():
        nudge(TRY_BOUNTY, bounty_id, expires=expires)
    if sweeping.webhooks_wait():
        nudge(SEND_WEBHOOKS, expires=expires)
    sweeping.settle_finished()
    sweeping.void_stale_practice()
    end_stale_talks()
    sweeping.close_seasons()
    sweeping.run_tournaments()
