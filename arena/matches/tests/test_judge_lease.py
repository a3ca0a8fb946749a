"""Judges may take longer than a lease: their worker keeps the round while it lives."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from arena.matches import judging, play
from arena.matches.runner import task_of
from arena.models import Round
from arena.panels.voting import judge_transcript
from arena.states import RoundStatus
from arena.tests.builders import make_match, record

pytestmark = pytest.mark.django_db(transaction=True)


def lease_end() -> datetime:
    try:
        end = Round.objects.get().judge_lease_expires_at
    finally:
        connections.close_all()
    assert end is not None
    return end


def test_a_round_is_kept_while_its_judges_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1))
    for seat in range(2):
        record(match, 1, seat)
    round_id = Round.objects.get().pk
    renewals = []

    async def judge_slowly(*args: Any) -> Any:
        look = sync_to_async(lease_end, thread_sensitive=False)
        first = await look()
        async with asyncio.timeout(20):
            while (end := await look()) <= first:
                await asyncio.sleep(0)
        renewals.append(end)
        return await judge_transcript(*args)

    monkeypatch.setattr(judging, "LEASE_RENEWAL", 0.0)
    monkeypatch.setattr(judging, "judge_transcript", judge_slowly)
    judging.judge_round(round_id)
    decided = Round.objects.get()
    assert len(renewals) == 1
    assert (decided.status, decided.judge_attempts) == (RoundStatus.DECIDED, 1)
