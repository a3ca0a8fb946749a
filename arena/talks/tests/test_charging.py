"""A talk is paid for by what it used, once, whatever dies meanwhile."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from agents.errors import NotAvailable
from agents.models import User
from arena.credits import ledger
from arena.credits.statement import statement_page, wallet_balance
from arena.models import Talk, TalkTab, Transfer
from arena.talks import charging
from arena.talks.charging import (
    MAX_AT_ONCE,
    TooManyAtOnce,
    close_talk,
    end_stale_talks,
    erase_talks,
    keep_talk,
    open_talk,
    tab_of,
)
from arena.talks.price import TOKENS_A_UNIT
from arena.tests.builders import make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _three_credits_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings.ENV, "training_price", 3)


@pytest.fixture
def person() -> User:
    return make_user(credits=10)


def opened(user_id: int, *, most_tokens: int) -> uuid.UUID:
    talk_id = uuid.uuid4()
    open_talk(user_id, talk_id=talk_id, most_tokens=most_tokens)
    return talk_id


def money(user: User) -> tuple[int, int, int]:
    """(available credits, held credits, tokens that were paid for)."""
    balance = wallet_balance(user.pk)
    return balance.available, balance.held, tab_of(user.pk).paid_tokens


def test_a_credit_that_is_not_used_up_pays_for_the_next_talks(person: User) -> None:
    talk_id = opened(person.pk, most_tokens=1000)
    assert money(person) == (7, 3, 0)
    receipt = close_talk(talk_id, used_tokens=600)
    assert receipt is not None
    assert receipt.charged_credits == 3
    assert money(person) == (7, 0, TOKENS_A_UNIT - 600)
    assert tab_of(person.pk).price_of(1000) == 0
    again = close_talk(opened(person.pk, most_tokens=1000), used_tokens=400)
    assert again is not None
    assert again.charged_credits == 0
    assert money(person) == (7, 0, TOKENS_A_UNIT - 1000)
    assert Transfer.objects.filter(code="talk").count() == 2
    assert ledger.audit().problems == ()


def test_what_is_set_aside_for_one_talk_does_not_pay_for_another(person: User) -> None:
    TalkTab.objects.create(user=person, paid_tokens=1500)
    first, second = (opened(person.pk, most_tokens=1000) for _ in range(2))
    assert money(person) == (7, 3, 0)
    close_talk(first, used_tokens=1000)
    close_talk(second, used_tokens=1000)
    assert money(person) == (7, 0, TOKENS_A_UNIT - 500)
    assert statement_page(person.pk).lines[0].title == "Talking to your agents"


def test_a_talk_without_an_answer_costs_nothing_and_only_its_first_end_counts(
    person: User,
) -> None:
    talk_id = opened(person.pk, most_tokens=1000)
    assert close_talk(talk_id, used_tokens=0) is not None
    assert close_talk(talk_id, used_tokens=900) is None
    assert money(person) == (10, 0, 0)


def test_who_cannot_pay_does_not_talk(person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings.ENV, "training_price", 11)
    with pytest.raises(ledger.InsufficientCredits):
        opened(person.pk, most_tokens=1000)
    assert not Talk.objects.exists()
    monkeypatch.setattr(settings.ENV, "training_price", 0)
    close_talk(opened(person.pk, most_tokens=1000), used_tokens=900)
    assert money(person) == (10, 0, 0)


def test_the_sweep_gives_back_what_a_dead_process_had_set_aside(person: User) -> None:
    dead, alive = (opened(person.pk, most_tokens=1000) for _ in range(2))
    past = timezone.now() - timedelta(seconds=1)
    Talk.objects.filter(id=dead).update(lease_expires_at=past)
    assert keep_talk(alive)
    assert end_stale_talks() == 1
    assert money(person) == (7, 3, 0)
    assert not keep_talk(dead)
    assert close_talk(dead, used_tokens=500) is None
    close_talk(alive, used_tokens=500)
    assert ledger.audit().problems == ()


def test_only_so_many_talks_are_open_however_many_ask_at_once(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "training_price", 1)
    outcomes: list[str] = []

    def ask() -> None:
        try:
            opened(person.pk, most_tokens=10)
            outcomes.append("open")
        except TooManyAtOnce:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(MAX_AT_ONCE + 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("open") == Talk.objects.count() == MAX_AT_ONCE


def test_matches_are_never_crowded_out_by_talks(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charging, "TALKS_A_SERVER", 1)
    monkeypatch.setattr(settings, "VLLM_URLS", ["http://one", "http://two"])
    for user in (person, make_user(credits=10)):
        opened(user.pk, most_tokens=10)
    with pytest.raises(TooManyAtOnce, match="Too many people"):
        opened(make_user(credits=10).pk, most_tokens=10)


def test_who_leaves_talks_no_more_and_gets_back_what_was_set_aside(person: User) -> None:
    talk_id = opened(person.pk, most_tokens=1000)
    User.objects.filter(id=person.pk).update(leaving_since=timezone.now(), is_active=False)
    assert not keep_talk(talk_id)
    with pytest.raises(NotAvailable):
        opened(person.pk, most_tokens=1000)
    for _ in range(2):
        erase_talks(person.pk)
    assert money(person) == (10, 0, 0)
    assert not TalkTab.objects.exists()
