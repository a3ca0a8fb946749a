"""Who may register, once, and what the refusals say."""

import uuid

import pytest
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from arena.credits import ledger
from arena.models import Registration, SpaceStatus
from arena.tests.builders import at_once, make_agent, make_space, make_user
from arena.tournaments import registering
from arena.tournaments.running import advance_tournament, start_tournament
from arena.tournaments.tests.builders import is_due, make_tournament, register
from judges.models import Judge

pytestmark = pytest.mark.django_db(transaction=True)


def test_registering_twice_with_one_form_registers_once_and_each_person_has_one_agent() -> None:
    tournament = make_tournament()
    person = make_user(credits=100)
    one, other = make_agent(person), make_agent(person)
    given_id = uuid.uuid4()

    def register_one() -> Registration:
        return registering.register(
            person.id,
            agent_id=one.id,
            tournament_id=tournament.pk,
            registration_id=given_id,
            agreed_credits=10,
        )

    outcomes = at_once(register_one, register_one)
    assert [each.id for each in outcomes] == [given_id, given_id]
    assert ledger.balance(ledger.account_of(person.id)).held == 10
    with pytest.raises(Refused, match="one agent in a tournament"):
        register(tournament, other)
    Judge.objects.update(quarantined_at=timezone.now())
    assert register_one().id == given_id, "it holds, whoever may register now"
    with pytest.raises(Refused, match="quarantine"):
        register(tournament)


def test_refusals_of_a_registration_are_sentences() -> None:
    person = make_user(credits=5)
    poor = make_agent(person)
    with pytest.raises(ledger.InsufficientCredits, match="Not enough credits to register"):
        register(make_tournament(), poor)
    full = make_tournament(most_entrants=2)
    register(full)
    register(full)
    with pytest.raises(Refused, match="is full"):
        register(full)
    begun = make_tournament()
    is_due(begun)
    with pytest.raises(Refused, match="has begun"):
        register(begun)
    closed = make_tournament(make_space(status=SpaceStatus.CLOSED))
    with pytest.raises(Refused, match="is closed"):
        register(closed)
    with pytest.raises(Refused, match="costs 10 credits, not 3"):
        registering.register(
            person.id,
            agent_id=poor.id,
            tournament_id=make_tournament().pk,
            registration_id=uuid.uuid4(),
            agreed_credits=3,
        )


def test_others_can_neither_register_my_agent_nor_withdraw_it() -> None:
    tournament = make_tournament()
    mine, stranger = make_agent(make_user(credits=50)), make_user(credits=50)
    with pytest.raises(NotAvailable):
        registering.register(
            stranger.id,
            agent_id=mine.id,
            tournament_id=tournament.pk,
            registration_id=uuid.uuid4(),
            agreed_credits=10,
        )
    registration = register(tournament, mine)
    with pytest.raises(NotAvailable):
        registering.withdraw(stranger.id, registration_id=registration.id)


def test_who_leaves_the_arena_is_withdrawn_and_waited_for_until_the_tournament_is_over() -> None:
    coming, running = make_tournament(), make_tournament()
    agent = make_agent(make_user(credits=100))
    register(coming, agent)
    register(running, agent)
    register(running)
    is_due(running)
    start_tournament(running.pk)
    registering.withdraw_leaver(agent.owner_id)
    assert ledger.balance(ledger.account_of(agent.owner_id)) == ledger.Balance(90, 0)
    assert registering.is_in_tournament(agent.owner_id)  # a cancellation would still pay it back
    advance_tournament(running.pk)
    assert not registering.is_in_tournament(agent.owner_id)
