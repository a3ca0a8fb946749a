"""Pairs and practice from episodes: two moves in one position that differ in value."""

from collections.abc import Sequence
from random import Random

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents.inference.client import Message
from agents.models import User
from arena.environments import ENVIRONMENTS
from arena.environments.base import EnvironmentFault, Score, Split, Task
from arena.environments.tests.small_games import TARGET, Count
from arena.management.chaos.checks import unfinished
from arena.models import Completion, Match, Round, Space
from arena.tests.builders import make_match, make_space
from arena.tests.playing import Say, add_games, played
from judges.models import Judge, JudgeKind
from training.data.curation import HeldOutTasks
from training.data.harvest import (
    FIRST_PAUSE,
    MAX_ATTEMPTS,
    MAX_PAUSE,
    harvest_matches,
    harvest_problem,
)
from training.data.pair_dataset import asked_tasks, unlearned_rounds
from training.data.pairs import MIN_MARGIN
from training.data.positions import MIN_VALUE_MARGIN, _is_clear, _values
from training.data.provenance import example, provenance
from training.methods.grpo import GRPOConfig
from training.models import Harvest, HarvestDelay, Pair
from training.tests.builders import make_run

pytestmark = pytest.mark.django_db(transaction=True)


class Counting(Count):
    """Its coded competitor plays perfectly, so that the value of a position is exact."""

    def solve(self, position: object, seat: int, rng: Random) -> str:
        left = TARGET - position["total"]  # type: ignore[index]
        return str(left % 3 or 1)


@pytest.fixture(autouse=True)
def game(monkeypatch: pytest.MonkeyPatch) -> Counting:
    game = Counting()
    add_games(monkeypatch, game)
    return game


def one_good_one_bad(messages: Sequence[Message]) -> str:
    """Whoever begins says 1 in the first round and 2 in the second; then all say 1."""
    one_good_one_bad.begun += "total is 0" in messages[-1]["content"]  # type: ignore[attr-defined]
    is_first = "total is 0" in messages[-1]["content"]
    return "2" if is_first and one_good_one_bad.begun == 2 else "1"  # type: ignore[attr-defined]


def played_match(monkeypatch: pytest.MonkeyPatch) -> Match:
    one_good_one_bad.begun = 0  # type: ignore[attr-defined]
    match = make_match(make_space(environment="count"))
    played(match, monkeypatch, one_good_one_bad)
    return match


def test_the_better_of_two_moves_in_one_position_is_chosen(
    monkeypatch: pytest.MonkeyPatch, game: Counting
) -> None:
    """From 0, a target of 5 is won by 2, because 3 are left then."""
    match = played_match(monkeypatch)
    harvest_matches()
    pairs = list(Pair.objects.filter(chosen__asked__position__total=0).order_by("id"))
    assert len(pairs) == 2, "one for each agent: its own answer is in it"
    for pair in pairs:
        assert (pair.chosen.text, pair.rejected.text) == ("2", "1")
        assert (pair.margin, pair.agreement) == (1.0, 1.0)
        assert pair.chosen.messages[1:] == pair.rejected.messages[1:]
        assert provenance(pair)["judge_votes"] == []
        assert example(pair)["chosen"][0]["content"] == "2"
    assert {pair.agent_id for pair in pairs} == set(match.seats.values_list("agent_id", flat=True))
    assert all(
        game.score(
            game.position_task(one.asked["position"], one.asked["seat"], Split.TRAIN), "2"
        ).passed
        for one in Completion.objects.filter(asked__position__total=0)
    )


def test_a_move_that_several_made_is_valued_once(
    monkeypatch: pytest.MonkeyPatch, game: Counting
) -> None:
    played_match(monkeypatch)
    played_match(monkeypatch)
    openings = list(Completion.objects.filter(asked__position__total=0))
    assert sorted(one.text for one in openings) == ["1", "1", "2", "2"]
    valued: list[str] = []

    def score(task: Task, text: str) -> Score:
        valued.append(text)
        return Score(float(text == "2"), False, ())

    monkeypatch.setattr(game, "score", score)
    task = game.position_task(openings[0].asked["position"], openings[0].asked["seat"], Split.TRAIN)
    values = _values(openings, task, game)
    assert sorted(valued) == ["1", "2"]
    assert values == {one.pk: float(one.text == "2") for one in openings}


class Slight(Counting):
    """Its two moves differ by less than a panel's noise; `worst` is the value of a third move."""

    slug = "slight"
    worst = 0.5

    def moves(self, position: object, seat: int) -> tuple[str, ...]:
        return ("1", "2", "none")

    def score(self, task: Task, text: str) -> Score:
        return Score({"1": 0.5, "2": 0.5 + 0.04}.get(text, self.worst), False, ())


@pytest.mark.parametrize(("worst", "gives_pairs"), [(0.5, True), (0.3, False)])
def test_a_small_difference_teaches_where_it_is_most_of_what_the_choice_can_change(
    monkeypatch: pytest.MonkeyPatch, worst: float, gives_pairs: bool
) -> None:
    slight = Slight()
    slight.worst = worst
    add_games(monkeypatch, slight)
    match = played_match(monkeypatch)
    Space.objects.filter(id=match.space_id).update(environment=Slight.slug)
    harvest_matches()
    assert Pair.objects.exists() is gives_pairs
    for pair in Pair.objects.all():
        assert (pair.chosen.text, pair.rejected.text) == ("2", "1")
        assert pair.margin == pytest.approx(0.04)


def test_the_moves_of_the_prisoners_dilemma_differ_enough_for_pairs() -> None:
    game = ENVIRONMENTS["prisoners_dilemma"]
    between = 0
    for seed in range(40):
        task = game.make_task(Random(seed), Split.TRAIN, seed % game.difficulty_count)
        position, seat = task.data["position"], task.data["seat"]
        values = [game.score(task, move).value for move in game.moves(position, seat)]
        difference = max(values) - min(values)
        assert _is_clear(difference, task, game) is (difference >= MIN_VALUE_MARGIN)
        between += MIN_VALUE_MARGIN <= difference < MIN_MARGIN
    assert between > 10


def test_moves_of_equal_value_and_tries_to_mend_a_move_make_no_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match(make_space(environment="count"))
    played(match, monkeypatch, lambda messages: "1" if len(messages) > 2 else "what?")
    harvest_matches()
    assert not Pair.objects.exists(), "all first tries were illegal, and second ones are not asked"
    assert set(Completion.objects.filter(turn=1).values_list("asked_key", flat=True)) == {""}


def test_an_illegal_move_loses_to_a_legal_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_match(make_space(environment="count", round_count=1))
    played(first, monkeypatch, lambda messages: "2")
    second = make_match(first.space)
    played(second, monkeypatch, lambda messages: "2" if len(messages) > 2 else "what?")
    harvest_matches()
    pairs = Pair.objects.filter(rejected__text="what?", chosen__text="2")
    assert {pair.chosen.round.match_id for pair in pairs} == {first.pk}, "of an earlier match"


class Failing(Counting):
    """Cannot value moves while `fault` says why; notes how often it was asked."""

    slug = "failing"
    fault = "The game broke."
    calls = 0

    def score(self, task: Task, text: str) -> Score:
        assert not connection.in_atomic_block, "a package's process may take its time"
        self.calls += 1
        if self.fault:
            raise EnvironmentFault(self.fault)
        return super().score(task, text)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    failing = Failing()
    add_games(monkeypatch, failing)
    return failing


def played_in_failing(monkeypatch: pytest.MonkeyPatch) -> Match:
    match = played_match(monkeypatch)
    Space.objects.filter(id=match.space_id).update(environment=Failing.slug)
    return match


def pauses_end() -> None:
    HarvestDelay.objects.update(due_at=timezone.now())


def judged_match(
    monkeypatch: pytest.MonkeyPatch, say: Say, *, dissents: Sequence[float] = (0.0, 0.0)
) -> Match:
    """Of a Space whose panel has no code: who begins the first round wins it, the second loses it.

    `dissents`: by round, the share of the panel that puts the seats in the opposite order.
    """
    other, dissenter = (
        Judge.objects.get_or_create(slug=slug, defaults={"name": slug, "kind": JudgeKind.COIN})[0]
        for slug in ("other", "dissenter")
    )
    match = make_match(make_space(environment="count"))
    match.space.panel = [{"judge": "other", "weight": 1.0}]
    match.space.save()
    one_good_one_bad.begun = 0  # type: ignore[attr-defined]
    played(match, monkeypatch, say)
    for one, dissent in zip(match.rounds.order_by("number"), dissents, strict=True):
        first = one.completions.order_by("id")[0].seat.index
        won = first if one.number == 1 else 1 - first
        scores = {str(won): 0.8, str(1 - won): 0.3}
        one.verdict.scores, one.verdict.agreement = scores, float(not dissent)
        one.verdict.save()
        one.votes.all().delete()
        one.votes.create(judge=other, weight=1 - dissent, scores=scores)
        opposite = {seat: 1 - score for seat, score in scores.items()}
        one.votes.create(judge=dissenter, weight=dissent, scores=opposite)
    return match


def test_without_code_on_the_panel_a_move_is_worth_what_the_judges_gave_its_seat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first round is begun with 1, the second with 2."""
    judged_match(monkeypatch, one_good_one_bad)
    harvest_matches()
    pairs = list(Pair.objects.filter(chosen__asked__position__total=0))
    assert [(pair.chosen.text, pair.rejected.text) for pair in pairs] == [("1", "2")] * 2
    assert {(round(pair.margin, 3), pair.agreement) for pair in pairs} == {(0.5, 1.0)}


@pytest.mark.parametrize(
    ("dissents", "agreement"),
    [((0.25, 0.0), 0.75), ((0.25, 0.375), 0.625), ((0.5, 0.0), None), ((0.0, 0.5), None)],
)
def test_a_pair_of_two_rounds_carries_the_smaller_share_of_the_judges_that_is_for_it(
    monkeypatch: pytest.MonkeyPatch, dissents: Sequence[float], agreement: float | None
) -> None:
    judged_match(monkeypatch, one_good_one_bad, dissents=dissents)
    harvest_matches()
    found = set(Pair.objects.values_list("agreement", flat=True))
    assert found == ({agreement} if agreement else set()), "in halves, a panel knows nothing"


def test_without_code_on_the_panel_an_illegal_try_is_not_worth_what_its_seat_got_for_legal_moves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first round is begun with "Choose me.", then 1, and the second with 2."""

    def say(messages: Sequence[Message]) -> str:
        move = one_good_one_bad(messages)
        begun = one_good_one_bad.begun  # type: ignore[attr-defined]
        is_first = "total is 0" in messages[-1]["content"] and begun == 1
        return "Choose me." if is_first else move

    judged_match(monkeypatch, say)
    (illegal,) = Completion.objects.filter(text="Choose me.")
    legal = Completion.objects.get(text="2")
    assert illegal.problem
    assert illegal.asked_key == legal.asked_key
    harvest_matches()
    assert not Pair.objects.exists()


def test_a_game_that_is_gone_or_fails_holds_up_no_harvest(
    monkeypatch: pytest.MonkeyPatch, game: Counting
) -> None:
    match = played_match(monkeypatch)
    match.space.environment = "plugin/gone"
    match.space.save()
    other = played_match(monkeypatch)
    assert harvest_matches() == 1, "the match of the game that is gone waits for it"
    assert not Pair.objects.filter(round__match=match).exists()
    assert Pair.objects.filter(round__match=other).exists()


def test_a_match_gives_its_pairs_when_its_environment_works_again(
    monkeypatch: pytest.MonkeyPatch, failing: Failing
) -> None:
    match = played_in_failing(monkeypatch)
    assert harvest_matches() == 0
    assert not Harvest.objects.exists()
    assert (
        harvest_problem(match.pk) == "The pairs of this match will be made later. The game broke."
    )
    failing.fault = ""
    assert harvest_matches() == 0, "not before its pause ends"
    pauses_end()
    assert harvest_matches() == 1
    assert Harvest.objects.get().pair_count == Pair.objects.count() > 0
    assert harvest_problem(match.pk) == ""
    assert not HarvestDelay.objects.exists()


def test_a_match_whose_environment_always_fails_is_given_up_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, failing: Failing
) -> None:
    match = played_in_failing(monkeypatch)
    pauses = []
    for _ in range(MAX_ATTEMPTS):
        assert "settled matches have no pairs yet" in " ".join(unfinished())
        before = timezone.now()
        harvest_matches()
        pauses += [due - before for due in HarvestDelay.objects.values_list("due_at", flat=True)]
        pauses_end()
    assert unfinished() == []
    assert harvest_matches() == 0
    harvest = Harvest.objects.get(match=match)
    assert (harvest.pair_count, harvest.problem) == (0, "The game broke.")
    given_up = "Some pairs of this match could not be made. The game broke."
    assert harvest_problem(match.pk) == given_up
    assert given_up in Client().get(f"/matches/{match.pk}/").text
    assert len(pauses) == MAX_ATTEMPTS - 1
    assert FIRST_PAUSE <= pauses[0] < pauses[1] < pauses[-1] < MAX_PAUSE + FIRST_PAUSE


def test_an_environment_that_fails_is_asked_once_in_a_sweep_and_holds_up_no_other_match(
    monkeypatch: pytest.MonkeyPatch, failing: Failing
) -> None:
    for _ in range(3):
        played_in_failing(monkeypatch)
    other = played_match(monkeypatch)
    rounds = other.rounds.count()
    assert harvest_matches(limit=2) == 1
    assert Harvest.objects.get().match == other
    assert failing.calls <= rounds, "each round's first move"
    assert HarvestDelay.objects.count() == 1


def test_a_person_who_leaves_is_not_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    match = played_match(monkeypatch)
    leaver = match.seats.get(index=0).agent.owner_id
    User.objects.filter(id=leaver).update(leaving_since="2026-01-01T00:00:00Z")
    harvest_matches()
    assert not Pair.objects.exists()


def test_practice_asks_the_position_of_an_episodes_clearest_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = played_match(monkeypatch)
    harvest_matches()
    agent = match.seats.get(index=0).agent
    run = make_run(agent, match.space, config=GRPOConfig())
    rounds = Round.objects.in_bulk(unlearned_rounds(run))
    tasks = asked_tasks(run, rounds.values())
    assert tasks.keys() == rounds.keys()
    for task in tasks.values():
        assert task.data["position"]["total"] in (0, 1, 2)
        assert task.prompt.startswith("The total is")


def test_positions_that_differ_by_one_mark_are_different_tasks() -> None:
    """Texts that are nearly alike are one task only where they are questions."""
    rules = "Tic-tac-toe on a board of three by three. You are X. Answer with one free number. "
    held_out = HeldOutTasks([f"{rules} X O X"], by_letter=True)
    assert held_out.contain(f"{rules} X O X")
    assert not held_out.contain(f"{rules} X O O")
