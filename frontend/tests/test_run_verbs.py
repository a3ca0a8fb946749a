"""What an owner does with a run on its page: which buttons, in which state, and for whom."""

import pytest
from django.test import Client

from agents.models import Agent
from arena.models import Match
from arena.tests.builders import make_user
from frontend.run_views import verbs_of
from frontend.tests.builders import make_offer, make_run, page_of, signed_in
from training.states import LIVE_STATUSES, RunStatus

pytestmark = pytest.mark.django_db

VERBS = ("pause", "resume", "cancel", "adopt", "decline")


@pytest.mark.parametrize(
    ("status", "verbs"),
    [
        (RunStatus.QUEUED, {"pause", "cancel"}),
        (RunStatus.TRAINING, {"pause", "cancel"}),
        (RunStatus.EVALUATING, {"cancel"}),
        (RunStatus.PAUSED, {"resume", "cancel"}),
        (RunStatus.ADOPTED, set()),
        (RunStatus.OFFERED, set()),
        (RunStatus.FAILED, set()),
    ],
)
def test_a_run_offers_what_its_state_allows(status: RunStatus, verbs: set[str]) -> None:
    assert set(verbs_of(status)) == verbs


@pytest.mark.parametrize("status", sorted(LIVE_STATUSES))
def test_buttons_that_do_not_act_now_are_hidden(
    agent: Agent, match: Match, status: RunStatus
) -> None:
    run = make_run(agent, match.space, status=status)
    page = page_of(signed_in(agent.owner_id), run)
    for verb in ("pause", "resume", "cancel"):
        form = page[page.index(f'data-verb="{verb}"') :].partition(">")[0]
        assert ("hidden" in form) == (verb not in verbs_of(status)), verb


@pytest.mark.parametrize("status", ["training", "paused", "offered"])
def test_only_the_owner_sees_and_reaches_the_buttons(
    client: Client, agent: Agent, match: Match, status: str
) -> None:
    run = make_run(agent, match.space, status=status)
    stranger = signed_in(make_user().pk)
    for visitor in (client, stranger):
        page = page_of(visitor, run)
        assert not any(f"/runs/{run.pk}/{verb}/" in page for verb in VERBS)
    for verb in VERBS:
        path = f"/runs/{run.pk}/{verb}/"
        assert stranger.post(path).status_code == 404
        assert client.post(path).headers["Location"].startswith("/accounts/login/")
        assert signed_in(agent.owner_id).get(path).status_code == 405
    run.refresh_from_db()
    assert run.status == status


def test_an_owner_pauses_resumes_and_cancels(agent: Agent, match: Match) -> None:
    run = make_run(agent, match.space, status=RunStatus.TRAINING)
    owner = signed_in(agent.owner_id)
    for verb, status in (
        ("pause", RunStatus.PAUSED),
        ("resume", RunStatus.QUEUED),
        ("cancel", RunStatus.CANCELLED),
    ):
        assert owner.post(f"/runs/{run.pk}/{verb}/").headers["Location"] == f"/runs/{run.pk}/"
        run.refresh_from_db()
        assert run.status == status


def test_what_comes_too_late_is_refused_with_a_sentence(agent: Agent, match: Match) -> None:
    run = make_run(agent, match.space, status=RunStatus.ADOPTED)
    owner = signed_in(agent.owner_id)
    for verb in VERBS:
        page = owner.post(f"/runs/{run.pk}/{verb}/", follow=True).content.decode()
        assert "adopted" in page[page.index('role="status"') :].partition("</p>")[0], verb


def test_adopting_an_offer_makes_its_version_play(agent: Agent, match: Match) -> None:
    run = make_offer(agent, match.space)
    owner = signed_in(agent.owner_id)
    assert "Adopt v3" in page_of(owner, run)
    page = owner.post(f"/runs/{run.pk}/adopt/", follow=True).content.decode()
    assert "Version 3 plays from the next match on" in page
    agent.refresh_from_db()
    assert agent.current_version_id == run.child_version_id


def test_declining_an_offer_keeps_the_parent(agent: Agent, match: Match) -> None:
    run = make_offer(agent, match.space)
    parent = run.parent_version_id
    page = signed_in(agent.owner_id).post(f"/runs/{run.pk}/decline/", follow=True)
    for words in ("Version 3 does not play", "The new version was not adopted"):
        assert words in page.content.decode()
    agent.refresh_from_db()
    run.refresh_from_db()
    assert (agent.current_version_id, run.status) == (parent, RunStatus.REJECTED)


def test_an_offer_asks_its_owner_wherever_they_look(
    client: Client, agent: Agent, match: Match
) -> None:
    run = make_offer(agent, match.space)
    owner = signed_in(agent.owner_id)
    page = owner.get(f"/agents/{agent.pk}/").content.decode()
    assert "Should v3 play?" in page
    assert f"/runs/{run.pk}/adopt/" in page
    assert "awaits your decision" in owner.get("/agents/").content.decode()
    others = client.get(f"/agents/{agent.pk}/").content.decode()
    assert "awaits its owner" in others
    assert "/adopt/" not in others
