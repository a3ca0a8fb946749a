"""The history that the benchmark makes is one that the site could have had."""

import pytest
from django.test import Client

from agents.models import User
from arena import queries
from arena.credits import ledger
from arena.models import Match, MatchStatus, SpaceCount
from benchmarks.pages.calls import pages, sweeps
from benchmarks.pages.history import BUSIEST, SPACE, write_history
from training.models import Pair, PairCount

# The history chooses its ids: none may be taken.
pytestmark = pytest.mark.django_db(transaction=True, reset_sequences=True)


def test_credits_add_up_and_counts_are_exact() -> None:
    write_history(100)
    assert ledger.audit().problems == ()
    assert sum(SpaceCount.objects.values_list("settled_matches", flat=True)) == (
        Match.objects.filter(status=MatchStatus.SETTLED).count()
    )
    assert sum(PairCount.objects.values_list("pairs", flat=True)) == Pair.objects.count()
    last = Match.objects.filter(status=MatchStatus.SETTLED).latest("id")
    settlement = queries.settlement_of(last.pk)
    assert settlement is not None
    assert settlement.pool_credits == settlement.rake_credits + sum(
        line.amount_credits for line in settlement.prizes
    )
    assert len(queries.leaderboard(queries.space_card(SPACE).space_id)) > 1
    assert queries.agent_record(BUSIEST).match_count == 25


def test_every_page_and_sweep_of_the_benchmark_is_still_there() -> None:
    write_history(100)
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(id=BUSIEST))
    for call in (sweeps() | pages(client, 100)).values():
        call()  # asserts status 200
