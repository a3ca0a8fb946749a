"""Which pairs a selection means: nobody's secrets, no held-out task, nothing twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent, Engine, User
from arena.models import Completion, Entry, Round, Space, Vote
from arena.states import DataLicence
from judges.models import Judge, JudgeKind
from training.configs.fields import InvalidConfig
from training.data.harvest import harvest_matches
from training.exports.rows import check, chosen_pairs, pairs_after
from training.exports.selection import Selection
from training.exports.tests.builders import WINS, entry_of, found, make_pair, play
from training.models import Pair
from training.tests.builders import make_agent, make_match, make_space

pytestmark = pytest.mark.django_db


def pairs_of(agent: Agent) -> list[int]:
    return sorted(Pair.objects.filter(agent=agent).values_list("id", flat=True))


def refused(user_id: int, **filters: Any) -> dict[str, str]:
    with pytest.raises(InvalidConfig) as error:
        check(Selection.from_json(filters), user_id)
    return error.value.problems


def test_a_person_gets_the_pairs_of_all_their_agents_and_of_nobody_else() -> None:
    mine, other = make_agent(), make_agent()
    play(mine, other)
    assert found(mine.owner_id) == pairs_of(mine)
    assert found(mine.owner_id, agents=[other.pk]) == []
    assert found(make_agent().owner_id) == []


def test_public_pairs_come_from_spaces_whose_terms_say_so() -> None:
    open_space, closed = make_space(), make_space()
    Space.objects.filter(pk=closed.pk).update(data_licence=DataLicence.NONE)
    agent = make_agent()
    play(agent, make_agent(engine=Engine.CODE), space=open_space)
    play(agent, make_agent(engine=Engine.CODE), space=closed)
    stranger = make_agent().owner_id
    assert found(stranger, whose="public") == list(
        Pair.objects.filter(space=open_space).values_list("id", flat=True)
    )
    assert refused(stranger, whose="public", spaces=[closed.slug]) == {
        "spaces": f"The answers given in {closed.name} are not public data."
    }
    assert len(found(agent.owner_id)) == 2


def test_a_new_licence_does_not_hold_for_what_was_entered_before() -> None:
    space = make_space()
    Space.objects.filter(pk=space.pk).update(data_licence=DataLicence.NONE)
    before = play(make_agent(), make_agent(engine=Engine.CODE), space=space)
    Space.objects.filter(pk=space.pk).update(data_licence=DataLicence.CC0)
    waited = play(make_agent(), make_agent(engine=Engine.CODE), space=space)
    since = Space.objects.get(pk=space.pk).data_licence_since
    agent = make_agent()
    entry = entry_of(agent, waited)
    Entry.objects.filter(pk=entry.pk).update(created_at=since - timedelta(seconds=1))
    after = play(make_agent(), make_agent(engine=Engine.CODE), space=space)
    chosen = chosen_pairs(Selection.from_json({"whose": "public"}), agent.owner_id)
    assert set(chosen.values_list("round__match", flat=True)) == {after.pk}
    assert before.pk < waited.pk < after.pk


def test_saving_a_space_with_old_values_keeps_since_when_its_licence_holds() -> None:
    space = make_space()
    stale = Space.objects.get(pk=space.pk)
    Space.objects.filter(pk=space.pk).update(data_licence=DataLicence.CC0)
    since = Space.objects.get(pk=space.pk).data_licence_since
    assert since > stale.data_licence_since
    stale.data_licence = DataLicence.CC0
    stale.save()
    assert Space.objects.get(pk=space.pk).data_licence_since == since


@pytest.mark.parametrize("split", ["heldout", "unseen"])
@pytest.mark.parametrize("whose", ["mine", "public"])
def test_held_out_tasks_never_leave(split: str, whose: str) -> None:
    agent = make_agent()
    match = make_match([agent, make_agent(engine=Engine.CODE)], [WINS, WINS])
    one = Round.objects.filter(match=match).first()
    assert one is not None
    one.task = one.task | {"split": split}
    one.save()
    harvest_matches()
    assert Pair.objects.filter(round=one).exists()
    left = found(agent.owner_id, whose=whose)
    assert left
    assert not Pair.objects.filter(id__in=left, round=one).exists()


@pytest.mark.parametrize("whose", ["mine", "public"])
@pytest.mark.parametrize("seat", [0, 1])
def test_answers_of_who_leaves_are_in_no_selection(seat: int, whose: str) -> None:
    agents = (make_agent(), make_agent())
    play(*agents)
    User.objects.filter(pk=agents[seat].owner_id).update(leaving_since=timezone.now())
    assert found(agents[1 - seat].owner_id, whose=whose) == []


@pytest.mark.parametrize("whose", ["mine", "public"])
def test_a_better_answer_that_was_no_legal_move_is_in_no_selection(whose: str) -> None:
    kept, refused, worse = make_pair(), make_pair(), make_pair()
    for answer in (refused.chosen_id, worse.rejected_id):
        Completion.objects.filter(pk=answer).update(problem="That is no speech.")
    owners = [pair.agent.owner_id for pair in (kept, refused, worse)]
    if whose == "public":
        assert found(owners[0], whose=whose) == [kept.pk, worse.pk]
    else:
        assert [found(owner) for owner in owners] == [[kept.pk], [], [worse.pk]]


def test_what_repeats_is_taken_once() -> None:
    agent, rival = make_agent(), make_agent(engine=Engine.CODE)
    matches = [make_match([agent, rival], [WINS]) for _ in range(3)]
    first = Round.objects.get(match=matches[0])
    Round.objects.filter(match__in=matches).update(task_key=first.task_key)
    for match in matches[:2]:
        Completion.objects.filter(round__match=match, seat__index=0).update(text="the same")
        Completion.objects.filter(round__match=match, seat__index=1).update(text="as always, too")
    harvest_matches()
    ids = pairs_of(agent)
    assert found(agent.owner_id, dedup=False) == ids
    assert found(agent.owner_id) == [ids[0], ids[2]]
    # The first is filtered out, so the second stands for both.
    Pair.objects.filter(id=ids[0]).update(margin=0.1)
    assert found(agent.owner_id, least_margin=0.5) == ids[1:]


def test_one_pair_for_each_task_is_the_clearest() -> None:
    agent, rival = make_agent(), make_agent(engine=Engine.CODE)
    matches = [make_match([agent, rival], [WINS]) for _ in range(3)]
    first = Round.objects.get(match=matches[0])
    Round.objects.filter(match__in=matches).update(task_key=first.task_key)
    harvest_matches()
    ids = pairs_of(agent)
    Pair.objects.filter(id=ids[1]).update(margin=0.99)
    assert found(agent.owner_id, one_per_prompt=True) == [ids[1]]
    early = Selection.from_json({"one_per_prompt": True})
    assert pairs_after(early, agent.owner_id, after_id=0, limit=9, up_to_id=ids[0]) == [ids[0]], (
        "a pair that came later stands for no earlier one"
    )
    Pair.objects.update(margin=0.5)
    assert found(agent.owner_id, one_per_prompt=True) == [ids[0]]


def test_two_agents_of_one_match_give_the_public_their_pair_once() -> None:
    play(make_agent(), make_agent())
    assert Pair.objects.count() == 2
    assert len(found(make_agent().owner_id, whose="public")) == 1


def test_filters_narrow_what_is_chosen() -> None:
    clear, cut = make_pair(), make_pair(finish_reason="length")
    owner = clear.agent.owner
    Agent.objects.filter(pk=cut.agent_id).update(owner=owner)
    assert found(owner.pk) == [clear.pk, cut.pk]
    assert found(owner.pk, with_cut=False) == [clear.pk]
    assert found(owner.pk, spaces=[cut.space.slug]) == [cut.pk]
    assert found(owner.pk, agents=[cut.agent_id]) == [cut.pk]
    assert found(owner.pk, judges=["code"]) == [clear.pk, cut.pk]
    assert found(owner.pk, judges=["dissenter"]) == []
    Pair.objects.filter(pk=cut.pk).update(margin=0.2, agreement=0.6, rejected_length=90)
    assert found(owner.pk, least_margin=0.5) == [clear.pk]
    assert found(owner.pk, least_agreement=0.75) == [clear.pk]
    assert found(owner.pk, least_length_difference=20) == [cut.pk]
    assert found(owner.pk, most_length_difference=20) == [clear.pk]


def test_days_are_whole_and_in_utc() -> None:
    pair = make_pair()
    owner = pair.agent.owner_id
    Pair.objects.update(created_at=datetime(2026, 3, 4, 23, 59, 59, 999_999, tzinfo=UTC))
    assert found(owner, since="2026-03-04", until="2026-03-04") == [pair.pk]
    assert found(owner, since="2026-03-05") == []
    assert found(owner, until="2026-03-03") == []
    assert found(owner, until="9999-12-31") == [pair.pk]


def test_a_pair_without_lengths_is_in_no_selection_by_length() -> None:
    pair = make_pair()
    Pair.objects.update(chosen_length=0, rejected_length=0)
    assert found(pair.agent.owner_id, most_length_difference=20) == []


def test_only_verified_keeps_what_code_says_too() -> None:
    verified = play(make_agent(), make_agent(engine=Engine.CODE))
    judged = make_match([make_agent(), make_agent(engine=Engine.CODE)], [WINS])
    coin = Judge.objects.create(slug="coin", name="Coin", kind=JudgeKind.COIN)
    Vote.objects.filter(round__match=judged).update(judge=coin)
    harvest_matches()
    stranger = make_agent().owner_id
    assert len(found(stranger, whose="public")) == 2
    chosen = found(stranger, whose="public", only_verified=True)
    assert [pair.round.match_id for pair in Pair.objects.filter(id__in=chosen)] == [verified.pk]


def test_pages_join_without_gaps_or_repeats() -> None:
    agent = make_agent()
    play(agent, make_agent(engine=Engine.CODE), rounds=7)
    seen: list[int] = []
    while page := pairs_after(
        Selection(), agent.owner_id, after_id=seen[-1] if seen else 0, limit=3
    ):
        seen += page
    assert seen == pairs_of(agent)


def test_what_is_named_must_exist_and_be_ones_own() -> None:
    agent, other = make_agent(), make_agent()
    assert refused(agent.owner_id, spaces=["nowhere"]) == {"spaces": "There is no Space 'nowhere'."}
    assert refused(agent.owner_id, judges=["nobody"]) == {"judges": "There is no judge 'nobody'."}
    sentence = "You have no agent {}."
    assert refused(agent.owner_id, agents=[agent.pk, other.pk]) == {
        "agents": sentence.format(other.pk)
    }
    assert refused(agent.owner_id, agents=[2**62]) == {"agents": sentence.format(2**62)}
    check(Selection(agents=(agent.pk,)), agent.owner_id)


@pytest.mark.parametrize("name", ["since", "until"])
def test_a_day_still_to_come_is_refused(name: str) -> None:
    tomorrow = (timezone.now() + timedelta(days=1)).date().isoformat()
    problems = refused(make_agent().owner_id, **{name: tomorrow})
    assert "day is still to come" in problems[name]
