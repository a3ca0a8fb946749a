"""Practice is free, and nothing follows from it."""

import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.leaving import leave
from agents.models import Agent, AgentVersion, BaseModel, Engine
from arena import sweeping
from arena.credits import ledger
from arena.matches import claiming, play, seating
from arena.matches.practice import practising
from arena.matches.practice.practising import practice_left, practise
from arena.models import (
    Completion,
    Match,
    MatchStatus,
    PracticeMatch,
    RatingChange,
    Round,
    Seat,
    Space,
    SpaceStatus,
)
from arena.queries import duel, versions_of
from arena.review.appealing import problem_with
from arena.review.ballots import is_votable
from arena.spaces.committing import keep_committed
from arena.tests.builders import (
    at_once,
    enter,
    make_adapter,
    make_agent,
    make_match,
    make_space,
    make_user,
    play_round,
)
from arena.tournaments import running
from arena.tournaments.tests.builders import is_due, make_tournament, register
from training.data.harvest import harvest_matches
from training.runs.leaving import erase_leavers

pytestmark = pytest.mark.django_db(transaction=True)

# What a match writes of itself, as any other does.
OF_THE_MATCH = {
    "Match", "Seat", "MatchEvent", "Round", "Completion", "Vote", "Verdict", "JudgeVersion",
    "PracticeMatch", "TaskSecret",
}  # fmt: skip


@pytest.fixture
def space() -> Space:
    """Two seats; the house can fill one."""
    make_agent(make_user(is_house=True))
    return make_space()


def ask(agent: Agent, space: Space, practice_id: uuid.UUID | None = None) -> PracticeMatch:
    return practise(
        agent.owner_id,
        agent_id=agent.pk,
        space_slug=space.slug,
        practice_id=practice_id or uuid.uuid4(),
    )


def played(practice: PracticeMatch, *scores: Mapping[int, float] | None) -> Match:
    """The match, played to its end with these verdicts of its rounds."""
    match = Match.objects.get(id=practice.match_id)
    play.start_match(match.pk)
    for number, verdict in enumerate(scores, start=1):
        play_round(match, number, scores=verdict)
    play.settle_match(match.pk)
    match.refresh_from_db()
    return match


def consequences() -> Mapping[str, list[dict[str, Any]]]:
    """Every row of the product but those of which a match consists."""
    return {
        model.__name__: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.app_label in ("agents", "arena", "judges", "training")
        and model.__name__ not in OF_THE_MATCH
    }


@pytest.mark.parametrize(
    ("scores", "status"),
    [
        (({0: 0.9, 1: 0.1}, {0: 0.8, 1: 0.2}), MatchStatus.SETTLED),  # won
        (({0: 0.1, 1: 0.9}, {0: 0.2, 1: 0.8}), MatchStatus.SETTLED),  # lost
        (({0: 0.5, 1: 0.5}, {0: 0.5, 1: 0.5}), MatchStatus.SETTLED),  # drawn
        (({0: 0.9, 1: 0.1}, None), MatchStatus.SETTLED),  # one round void
        ((None, None), MatchStatus.CANCELLED),
    ],
)
def test_practice_moves_no_credit_no_rating_no_season_no_pair_and_no_difficulty(
    space: Space, scores: tuple[Mapping[int, float] | None, ...], status: MatchStatus
) -> None:
    played_before = make_match(space)  # so that there are rows that could change
    play.start_match(played_before.pk)
    for number in (1, 2):
        play_round(played_before, number, scores={0: 0.9, 1: 0.4})
    play.settle_match(played_before.pk)
    harvest_matches()
    agent = played_before.seats.get(index=0).agent
    ledger.house_account()  # every settlement looks it up, and makes it if it is not there yet
    before = consequences()
    match = played(ask(agent, space), *scores)
    harvest_matches()
    assert match.status == status
    assert match.seats.filter(rank=1).exists() == (status == MatchStatus.SETTLED), "it has places"
    after = consequences()
    assert {name for name in before if before[name] != after[name]} == set()


def test_a_match_that_was_cancelled_counts_as_one_of_the_day_only_if_it_was_played(
    space: Space,
) -> None:
    agent = make_agent()
    most = practice_left(agent.owner_id)
    played(ask(agent, space), None, None)
    assert practice_left(agent.owner_id) == most, "no judge could be asked"
    match = played(ask(agent, space), {0: 0.9, 1: 0.1}, {0: 0.9, 1: 0.1})
    Match.objects.filter(pk=match.pk).update(status=MatchStatus.CANCELLED)  # as for silence
    assert practice_left(agent.owner_id) == most - 1


def test_the_database_refuses_what_would_follow_from_practice(space: Space) -> None:
    agent = make_agent()
    match = played(ask(agent, space), {0: 0.9, 1: 0.1}, {0: 0.9, 1: 0.1})
    seat = match.seats.get(agent=agent)
    entry_id = enter(agent, make_space(entry_fee_credits=0))
    for change in (
        lambda: RatingChange.objects.create(
            seat=seat, mu_before=25, sigma_before=8, mu_after=26, sigma_after=8, weight=1
        ),
        lambda: Seat.objects.filter(pk=seat.pk).update(prize_credits=1),
        lambda: Seat.objects.filter(pk=seat.pk).update(entry=entry_id),
        lambda: Seat.objects.filter(pk=seat.pk).update(is_practice=False),
        lambda: Match.objects.filter(pk=match.pk).update(is_practice=False),
        lambda: Match.objects.filter(pk=match.pk).update(is_harvested=False),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def test_it_starts_at_once_with_house_agents_in_all_other_seats(space: Space) -> None:
    make_agent(make_user(is_house=True))
    Space.objects.filter(pk=space.pk).update(seat_count=3, house_fill_seconds=900)
    agent = make_agent()
    match = Match.objects.get(id=ask(agent, space).match_id)
    seats = list(match.seats.select_related("agent__owner"))
    assert [seat.agent == agent for seat in seats] == [True, False, False]
    assert [seat.agent.owner.is_house for seat in seats] == [False, True, True]
    assert claiming.claim_next(owner=uuid.uuid4()) == match.pk
    assert play.state_of(match).seating.is_practice


def test_a_request_that_is_sent_twice_is_one_match(space: Space) -> None:
    agent, practice_id = make_agent(), uuid.uuid4()
    assert len({ask(agent, space, practice_id).match_id for _ in range(2)}) == 1
    assert practice_left(agent.owner_id) == settings.ENV.practice_a_day - 1
    for other in ((make_agent(), space), (agent, make_space())):
        with pytest.raises(Refused, match="already used for something else"):
            ask(*other, practice_id)


def test_requests_at_once_do_not_pass_the_days_limit(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "practice_a_day", 1)
    owner = make_user()
    one, other = make_agent(owner), make_agent(owner)
    outcomes = at_once(lambda: ask(one, space), lambda: ask(other, space))
    assert sorted(isinstance(each, Refused) for each in outcomes) == [False, True], outcomes
    assert PracticeMatch.objects.count() == 1


def test_practice_of_yesterday_and_what_was_not_played_do_not_count(space: Space) -> None:
    agent = make_agent()
    most = settings.ENV.practice_a_day
    practice = ask(agent, space)
    assert practice_left(agent.owner_id) == most - 1
    play.cancel_match(practice.match_id, reason="A fault.")
    assert practice_left(agent.owner_id) == most
    played(ask(agent, space), {0: 0.9, 1: 0.1}, {0: 0.9, 1: 0.1})
    assert practice_left(agent.owner_id) == most - 1
    PracticeMatch.objects.update(created_at=timezone.now() - timedelta(days=1))
    assert practice_left(agent.owner_id) == most


def test_a_cancelled_match_says_what_that_means_for_it(space: Space) -> None:
    practice = ask(make_agent(), space).match_id
    free = make_match(space=make_space(entry_fee_credits=0)).pk
    said = {}
    for match_id in (practice, free, make_match().pk):
        play.cancel_match(match_id, reason="A fault.")
        said[match_id] = play.state_of(Match.objects.get(id=match_id)).cancel_reason
    assert list(said.values()) == [
        "A fault. It does not count as one of the day's practice matches.",
        "A fault. No rating changed.",
        "A fault. Every fee was refunded and no rating changed.",
    ]


def _limit(agent: Agent, space: Space) -> None:
    for _ in range(settings.ENV.practice_a_day):
        played(ask(agent, space), {0: 0.9, 1: 0.1}, {0: 0.9, 1: 0.1})


def _close(agent: Agent, space: Space) -> None:
    Space.objects.update(status=SpaceStatus.CLOSED)


def _retire(agent: Agent, space: Space) -> None:
    Agent.objects.filter(pk=agent.pk).update(retired_at=timezone.now())


def _learn(agent: Agent, space: Space) -> None:
    Space.objects.update(waits_for_training=True)
    Agent.objects.filter(pk=agent.pk).update(learning_since=timezone.now())


def _enter(agent: Agent, space: Space) -> None:
    enter(agent, make_space(entry_fee_credits=0))


def _play(agent: Agent, space: Space) -> None:
    ask(agent, space)


def _empty_house(agent: Agent, space: Space) -> None:
    Space.objects.filter(pk=space.pk).update(seat_count=4)


def _lose_adapter(agent: Agent, space: Space) -> None:
    adapter = make_adapter(agent.base_model)
    AgentVersion.objects.create(
        agent=agent, number=2, prompt="", sampling={}, origin="trained", adapter=adapter
    )
    version = agent.versions.get(number=2)
    Agent.objects.filter(pk=agent.pk).update(current_version=version)


def _other_base(agent: Agent, space: Space) -> None:
    base = BaseModel.objects.create(slug="other", served_name="other", name="Other")
    Agent.objects.filter(pk=agent.pk).update(base_model=base)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            _limit,
            "You have used up today's practice matches [(]3[)][.] You get more at midnight",
        ),
        (_close, "is closed and takes no entries"),
        (_retire, "is retired; choose another agent"),
        (_learn, "is training; it can play in"),
        (_enter, "is already waiting or playing. It can practise after its match."),
        (_play, "is already waiting or playing. It can practise after its match."),
        (_empty_house, "seats 4, and the house has too few agents for that"),
        (_lose_adapter, "cannot play."),
        (_other_base, "is played on Tiny; "),
    ],
)
def test_what_cannot_practise_is_told_why_in_a_sentence(
    space: Space, spoil: Callable[[Agent, Space], None], sentence: str
) -> None:
    agent = make_agent()
    spoil(agent, space)
    rows = PracticeMatch.objects.count()
    with pytest.raises(Refused, match=sentence):
        ask(agent, space)
    assert PracticeMatch.objects.count() == rows


def test_a_site_may_have_no_practice(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings.ENV, "practice_a_day", 0)
    with pytest.raises(Refused, match="There are no practice matches on this site"):
        ask(make_agent(), space)


def test_anothers_agent_and_an_unknown_space_are_not_there(space: Space) -> None:
    agent = make_agent()
    for user_id, slug in ((make_user().pk, space.slug), (agent.owner_id, "nowhere")):
        with pytest.raises(NotAvailable):
            practise(user_id, agent_id=agent.pk, space_slug=slug, practice_id=uuid.uuid4())


def test_an_agent_that_practises_may_enter_and_its_entry_is_played_first(space: Space) -> None:
    agent = make_agent(make_user(credits=100))
    practice = ask(agent, space)
    enter(agent, space)
    (paid,) = seating.seat_matches(space.pk, rng=Random(1))
    claimed = [claiming.claim_next(owner=uuid.uuid4()) for _ in range(3)]
    assert claimed == [paid, practice.match_id, None]


def test_practice_comes_after_all_other_matches_and_is_nobodys_turn(space: Space) -> None:
    keen, other = make_user(credits=100), make_user(credits=100)
    first = ask(make_agent(keen), space)
    assert claiming.claim_next(owner=uuid.uuid4()) == first.match_id
    play.start_match(first.match_id)  # it is under way, and was started lately
    waiting = ask(make_agent(keen), space)
    paid = []
    for owner in (keen, other):
        enter(make_agent(owner), space)
        paid += seating.seat_matches(space.pk, rng=Random(1))
    claimed = [claiming.claim_next(owner=uuid.uuid4()) for _ in range(4)]
    assert claimed == [*paid, waiting.match_id, None], "practice delays nobody's paid match"


def test_a_match_of_a_tournament_is_claimed_like_any_other() -> None:
    tournament = make_tournament(fee_credits=0)
    for _ in range(2):
        register(tournament)
    is_due(tournament)
    running.start_tournament(tournament.pk)
    running.advance_tournament(tournament.pk)
    (match_id,) = Match.objects.values_list("id", flat=True)
    assert claiming.claim_next(owner=uuid.uuid4()) == match_id


def test_a_match_of_the_house_alone_is_claimed_too(space: Space) -> None:
    agents = [make_agent(make_user(is_house=True)) for _ in range(2)]
    keep_committed(space.pk)
    with transaction.atomic():
        (match_id,) = seating.seat_given(space, [agents])
    assert claiming.claim_next(owner=uuid.uuid4()) == match_id


def test_practice_whose_worker_died_is_played_on_by_another(space: Space) -> None:
    practice = ask(make_agent(), space)
    assert claiming.claim_next(owner=uuid.uuid4()) == practice.match_id
    play.start_match(practice.match_id)
    Match.objects.update(
        lease_expires_at=timezone.now() - timedelta(seconds=1),
        created_at=timezone.now() - timedelta(minutes=1),
    )
    assert sweeping.matches_to_play() == [practice.match_id]
    assert claiming.claim_next(owner=uuid.uuid4()) == practice.match_id


def test_practice_that_no_worker_has_time_for_is_ended_and_does_not_count(space: Space) -> None:
    agent = make_agent()
    practice = ask(agent, space)
    assert sweeping.void_stale_practice() == 0
    Match.objects.update(created_at=timezone.now() - practising.LONGEST_WAIT)
    assert sweeping.void_stale_practice() == 1
    assert Match.objects.get(id=practice.match_id).status == MatchStatus.CANCELLED
    assert practice_left(agent.owner_id) == settings.ENV.practice_a_day


def test_no_figure_of_agents_or_judges_counts_practice(space: Space) -> None:
    agent = make_agent()
    match = played(ask(agent, space), {0: 0.9, 1: 0.1}, {0: 0.9, 1: 0.1})
    house = match.seats.get(index=1).agent
    assert duel(agent.pk, house.pk).total.match_count == 0
    assert [line.match_count for line in versions_of(agent.pk, viewer=None)] == [0]
    row = Round.objects.get(match=match, number=1)
    assert not is_votable(row)
    assert "nothing follows from its order" in problem_with(row)


def test_who_leaves_has_the_answers_of_practice_erased_once_it_is_over(space: Space) -> None:
    agent = make_agent()
    practice = ask(agent, space)
    agent.owner.set_password("mine")
    agent.owner.save()
    leave(agent.owner_id, password="mine")
    assert erase_leavers() == 0, "its match is under way"
    with pytest.raises(Refused):
        ask(agent, space)
    match = played(practice, {0: 0.9, 1: 0.1}, {0: 0.9, 1: 0.1})
    assert erase_leavers() == 1
    texts = Completion.objects.filter(round__match=match, seat__agent=agent).values_list("text")
    assert set(texts) == {("",)}


def test_a_coded_house_fills_one_seat_at_most() -> None:
    house = make_user(is_house=True)
    for engine in (Engine.CODE, Engine.CODE, Engine.MODEL):
        make_agent(house, engine=engine)
    three = make_space(seat_count=3)
    match = Match.objects.get(id=ask(make_agent(), three).match_id)
    assert match.seats.filter(agent__engine=Engine.CODE).count() == 1
