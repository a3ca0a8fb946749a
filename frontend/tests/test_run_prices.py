"""What a run's page and the wallet say of its price, and what may be done with its version."""

from collections.abc import Callable

import pytest
from django.conf import settings

from agents.models import Agent
from arena.models import Match
from arena.queries import statement_page, wallet_balance
from frontend.tests.builders import GATE, make_adapter, make_run, page_of, signed_in
from training.models import TrainingRun
from training.runs import charges
from training.runs.queries import run_view
from training.runs.starting import HeldUp, NextRuns, Remedy
from training.runs.steering import use_version
from training.states import RunStatus
from training.tests.builders import make_pairs_for

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("moves", "words", "used"),
    [
        ([], "held", 2),
        ([charges.give_back], "given back", 0),
        ([charges.charge], "charged", 4),
        ([charges.charge_used], "charged in part", 2),
        ([charges.charge, charges.refund], "given back", 0),
    ],
)
def test_where_the_price_is(
    agent: Agent,
    match: Match,
    moves: list[Callable[[TrainingRun], None]],
    words: str,
    used: int,
) -> None:
    run = make_run(
        agent,
        match.space,
        price_credits=4,
        priced_answers=400,
        progress={"furthest_step": 2, "steps": 4},
    )
    for move in (charges.hold, *moves):
        move(run)
    price = run_view(run.pk, viewer=agent.owner_id).price
    assert price is not None
    assert (price.state, price.used_credits, price.returned_credits) == (words, used, 4 - used)
    assert run_view(run.pk, viewer=None).price is None


def test_a_cancelled_run_tells_in_its_page_and_the_wallet_what_was_used(
    agent: Agent, match: Match
) -> None:
    before = wallet_balance(agent.owner_id).available
    run = make_run(
        agent,
        match.space,
        status=RunStatus.TRAINING,
        price_credits=4,
        priced_answers=400,
        progress={"furthest_step": 1, "step": 1, "steps": 4},
    )
    charges.hold(run)
    owner = signed_in(agent.owner_id)
    assert "If you cancel now, you pay that, and 3 come back." in page_of(owner, run)
    owner.post(f"/runs/{run.pk}/cancel/")
    assert "cost 1 credit; the other 3 came back" in page_of(owner, run)
    statement = statement_page(agent.owner_id)
    assert "Rest of a training price returned" in owner.get("/wallet/").content.decode()
    assert sum(line.change_credits for line in statement.lines) == before - 1
    assert wallet_balance(agent.owner_id).available == before - 1


def test_a_run_is_not_cancelled_on_terms_that_changed_meanwhile(agent: Agent, match: Match) -> None:
    run = make_run(agent, match.space, status=RunStatus.TRAINING, price_credits=4)
    charges.hold(run)
    owner, promise = signed_in(agent.owner_id), 'form="cancel-run" name="before_charge"'
    assert promise in page_of(owner, run)
    charges.charge(run)
    TrainingRun.objects.update(status=RunStatus.EVALUATING)
    path, shown = f"/runs/{run.pk}/cancel/", {"before_charge": "yes"}
    page = owner.post(path, shown, follow=True).content.decode()
    assert "nothing comes back any more. Nothing was changed" in page
    assert promise not in page
    run.refresh_from_db()
    assert run.status == RunStatus.EVALUATING
    owner.post(path)
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED


def test_a_version_that_no_gate_has_judged_is_not_offered_for_use(
    agent: Agent, match: Match
) -> None:
    first = agent.current_version
    assert first is not None
    make_adapter(agent)
    child = agent.versions.get(number=2)
    use_version(agent.owner_id, agent_id=agent.pk, version_id=first.pk)
    run = make_run(agent, match.space, status=RunStatus.FAILED, child_version=child, gate={})
    owner, button = signed_in(agent.owner_id), 'aria-label="Use version 2"'
    page = owner.get(f"/agents/{agent.pk}/").content.decode()
    assert "not evaluated" in page
    assert button not in page
    path = f"/agents/{agent.pk}/versions/{child.pk}/activate/"
    assert "was never evaluated" in owner.post(path, follow=True).content.decode()
    TrainingRun.objects.filter(id=run.pk).update(status=RunStatus.REJECTED, gate=GATE)
    page = owner.get(f"/agents/{agent.pk}/").content.decode()
    assert button in page
    assert "It was not adopted. You may use it all the same." in page


def test_the_wallet_names_what_training_costs(agent: Agent, match: Match) -> None:
    before = wallet_balance(agent.owner_id)
    run = make_run(agent, match.space, status=RunStatus.TRAINING, price_credits=3)
    charges.hold(run)
    owner = signed_in(agent.owner_id)
    page = owner.get("/wallet/").content.decode()
    assert "Training price held" in page
    assert f"/runs/{run.pk}/" in page
    owner.post(f"/runs/{run.pk}/cancel/")
    assert "Training price returned" in owner.get("/wallet/").content.decode()
    assert wallet_balance(agent.owner_id) == before


def test_a_run_of_a_method_that_is_gone_says_so(agent: Agent, match: Match) -> None:
    run = make_run(agent, match.space, method="gone")
    owner = signed_in(agent.owner_id)
    assert "nothing can be trained in this way any more" in page_of(owner, run)
    assert owner.get(f"/runs/{run.pk}/curve.json").json()["columns"]["loss"] == [0.7]


def test_a_run_that_coded_seats_may_not_teach_is_explained(agent: Agent, match: Match) -> None:
    agent.base_model.path = "/models/tiny"
    agent.base_model.save()
    make_pairs_for(agent, count=settings.ENV.training_pairs, space=match.space)
    page = signed_in(agent.owner_id).get(f"/agents/{agent.pk}/").content.decode()
    assert "which may win at most 50% of a run&#x27;s pairs" in page
    assert f'href="/agents/{agent.pk}/learning/">Training settings' in page


def test_a_run_that_its_owner_cannot_pay_is_named_with_its_price(
    agent: Agent, match: Match, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = "Quill has enough pairs to train, which costs 3 credits; you have 1."
    ahead = NextRuns({}, HeldUp(sentence, Remedy.CREDITS))
    monkeypatch.setattr("frontend.pages.agents.next_runs", lambda agent_id, viewer: ahead)
    page = signed_in(agent.owner_id).get(f"/agents/{agent.pk}/").content.decode()
    assert f'{sentence} <a class="link-plain" href="/wallet/">' in page
