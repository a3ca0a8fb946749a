"""Many seats and many turns with the real model, played by the runner as a worker plays them."""

import uuid
from typing import Any

import pytest

from agents.models import BaseModel
from arena.config.env import Variables
from arena.credits import ledger
from arena.environments.episode import TRIES_PER_TURN
from arena.environments.tests.small_games import LongCount
from arena.matches import judging, play, runner
from arena.models import Completion, Match
from arena.states import MatchStatus
from arena.tests.builders import make_base_model, make_match, make_space
from arena.tests.playing import add_games
from arena.tests.system.product import Product

pytestmark = [pytest.mark.vllm, pytest.mark.django_db(transaction=True)]

SHORT: dict[str, Any] = {"round_count": 1, "max_tokens": 8, "prize_percents": [100]}


@pytest.fixture(autouse=True)
def real_model(product: Product, settings: Any) -> BaseModel:
    environ = product.environ_of_another
    settings.VLLM_URLS = environ["VLLM_URL"].split(",")
    settings.VLLM_API_KEY = environ.get("VLLM_API_KEY", "")
    base = make_base_model()
    base.served_name = Variables(_env_file=None).base_model
    base.save()
    return base


def settled(match: Match) -> Match:
    owner = uuid.uuid4()
    assert play.claim_match(match.id, owner=owner)
    runner.play_match(match.id, owner=owner)
    for round_id in match.rounds.values_list("id", flat=True):
        judging.judge_round(round_id)
    match.refresh_from_db()
    return match


def test_a_match_of_eight_seats_and_one_of_thirty_turns_are_played_to_their_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = settled(make_match(make_space(seat_count=8, **SHORT)))
    assert many.status == MatchStatus.SETTLED
    answers = Completion.objects.filter(round__match=many)
    assert answers.count() == 8
    assert all(len(one.logprobs) == len(one.token_ids) > 0 for one in answers)

    add_games(monkeypatch, LongCount())
    long = settled(make_match(make_space(environment="long-count", **SHORT)))
    assert long.status == MatchStatus.SETTLED
    tries = Completion.objects.filter(round__match=long).order_by("id")
    totals = [int(one.view["rows"][0]["cells"][0]) for one in tries]
    assert totals == sorted(totals)
    # Each of the 30 turns adds 1, and before it a seat may have tried once in vain.
    assert set(totals) - {0} == set(range(1, LongCount.turn_limit + 1))
    assert LongCount.turn_limit <= tries.count() <= TRIES_PER_TURN * LongCount.turn_limit
    assert all(len(one.logprobs) == len(one.token_ids) for one in tries)
    assert ledger.audit().problems == ()
