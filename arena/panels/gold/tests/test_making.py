"""Gold is in a known order, of tasks that matches use, and like a round."""

from random import Random

import pytest

from agents.models import User
from arena.environments import ENVIRONMENTS
from arena.environments.base import Split, Task
from arena.matches import play
from arena.models import Completion
from arena.panels.gold.making import make_gold, makes_gold
from arena.tests.builders import make_match, make_space, play_round
from judges.models import GoldItem, GoldSource

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "environment", ["constraints", "open_ended", "stories", "names", "reasoning/chain_sum"]
)
def test_the_better_answer_passes_and_code_never_prefers_the_spoiled_one(environment: str) -> None:
    rng, rules = Random(1), ENVIRONMENTS[environment]
    for _ in range(8):
        item = make_gold(environment, rng=rng)
        assert item is not None
        shown = item.transcript
        ((best,), (worse,)) = item.order
        task = Task(shown["kind"], shown["prompt"], shown["data"])
        texts = {one["seat"]: one["text"] for one in shown["answers"]}
        good, bad = rules.score(task, texts[best]), rules.score(task, texts[worse])
        assert good.passed
        assert bad.value <= good.value
        assert texts[best] != texts[worse]
    places = set(GoldItem.objects.values_list("order__0__0", flat=True))
    assert places == {0, 1}, "the better answer sits in either seat"
    assert GoldItem.objects.values("fault").distinct().count() > 1


def test_gold_is_drawn_from_what_matches_use_and_never_from_the_gates_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    splits = []
    rules = ENVIRONMENTS["constraints"]
    original = rules.make_task

    def watched(rng: Random, split: Split, difficulty: int = 0) -> Task:
        splits.append(split)
        return original(rng, split, difficulty)

    monkeypatch.setattr(rules, "make_task", watched)
    for _ in range(5):
        make_gold("constraints", rng=Random(2))
    assert set(splits) == {Split.TRAIN}


def test_debates_are_spoiled_speech_by_speech_and_games_give_no_gold() -> None:
    item = make_gold("debate", rng=Random(3))
    assert item is not None
    assert [one["score"] for one in item.transcript["answers"]] == [None, None]
    assert all(one["text"].count("\n\n") == 2 for one in item.transcript["answers"])
    assert "You speak" not in item.transcript["prompt"], "both seats read the same"
    assert not makes_gold("nim")
    assert not makes_gold("nowhere")


def test_a_pair_of_a_round_is_of_house_agents_that_code_tells_apart() -> None:
    match = make_match(make_space(round_count=1))
    play.start_match(match.id)
    play_round(match, 1, scores={0: 0.9, 1: 0.1})
    round_ = match.rounds.get()
    task = Task.from_json(round_.task)
    rules = ENVIRONMENTS["constraints"]
    good = rules.solve(rules.begin(task, 1), 0, Random(1))
    Completion.objects.filter(round=round_, seat__index=0).update(text=good)
    Completion.objects.filter(round=round_, seat__index=1).update(text=task.prompt)

    def always_of_a_round() -> Random:
        rng = Random(4)
        rng.random = lambda: 0.0  # type: ignore[method-assign]
        return rng

    people = make_gold("constraints", rng=always_of_a_round())
    assert people is not None
    assert people.source == GoldSource.CODE, "people's answers may have to be erased"
    User.objects.filter(agents__seats__match=match).order_by("id").update(is_house=False)
    house = User.objects.filter(agents__seats__match=match).first()
    assert house is not None
    User.objects.filter(pk=house.pk).update(is_house=True)
    for seat in match.seats.all():
        type(seat.agent).objects.filter(pk=seat.agent_id).update(owner_id=house.pk)
    item = make_gold("constraints", rng=always_of_a_round())
    assert item is not None
    assert item.source == GoldSource.ROUND
    ((best,), _) = item.order
    assert {one["seat"]: one["text"] for one in item.transcript["answers"]}[best] == good
    assert set(item.authors.values()) == {"tiny"}
