"""Whole matches in fast tests: games of their own, a scripted model, the real runner and judges."""

import uuid
from collections.abc import Callable, Sequence

import pytest

from agents.inference import patience
from agents.inference.client import Message, ServedModel
from arena.environments import ENVIRONMENTS
from arena.environments.base import Environment
from arena.matches import judging, play, runner
from arena.models import Match
from arena.tests.scripted import ScriptedModel

Say = Callable[[Sequence[Message]], str | Exception]


def add_games(monkeypatch: pytest.MonkeyPatch, *games: Environment) -> None:
    """Let Spaces of this test name these environments."""
    for game in games:
        monkeypatch.setitem(ENVIRONMENTS._known, game.slug, game)


def played(match: Match, monkeypatch: pytest.MonkeyPatch, say: Say) -> ScriptedModel:
    """Played by one worker and judged, as far as it goes; `say` answers for all seats."""

    def script(model: ServedModel, messages: Sequence[Message]) -> str | Exception:
        return say(messages)

    model = ScriptedModel(script)
    monkeypatch.setattr(runner, "Inference", model)
    monkeypatch.setattr(patience, "EAGER_PAUSES_SECONDS", (0.0,))
    Match.objects.update(lease_expires_at=None, lease_owner=None)
    owner = uuid.uuid4()
    assert play.claim_match(match.id, owner=owner)
    runner.play_match(match.id, owner=owner)
    for round_id in match.rounds.values_list("id", flat=True):
        judging.judge_round(round_id)
    match.refresh_from_db()
    return model
