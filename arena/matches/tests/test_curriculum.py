"""Difficulty follows the field: from settled answers to the next match's tasks."""

import uuid
from collections.abc import Iterator
from functools import partial
from io import StringIO
from random import Random
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command

from arena.environments import ENVIRONMENTS
from arena.environments.base import EnvironmentFault, Position, Score, Split, Task
from arena.environments.tests.small_games import Count
from arena.matches import judging, play, runner, seating
from arena.matches.play import SeatAnswer
from arena.matches.proposing import draw_of, graded_answers
from arena.models import Completion, DifficultyTally, Match, Rating, Space
from arena.queries import curriculum_of
from arena.spaces.proposals import HALF_LIFE_ANSWERS, GradedAnswer, Tally, difficulty_weights
from arena.spaces.tallies import tallies_of
from arena.states import BY_CODE, CompletionStatus, MatchStatus
from arena.tests import playing
from arena.tests.builders import (
    at_once,
    decide,
    enter,
    make_agent,
    make_match,
    make_space,
    make_user,
)
from arena.tests.ladder import SLUG, Ladder, answer_up_to
from arena.tests.scripted import ScriptedModel

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def ladder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ladder]:
    environment = Ladder()
    with monkeypatch.context() as patch:
        patch.setitem(ENVIRONMENTS._known, SLUG, environment)
        yield environment


def ladder_space(**changes: Any) -> Space:
    return make_space(**{"environment": SLUG, "round_count": 6, "rounds_at_once": 6} | changes)


def played(match: Match, monkeypatch: pytest.MonkeyPatch, *, level: int) -> Match:
    """Everybody solves tasks up to the level; every round is answered, none is judged."""
    say = ScriptedModel(lambda model, messages: answer_up_to(level, messages[-1]["content"]))
    monkeypatch.setattr(runner, "Inference", say)
    owner = uuid.uuid4()
    assert play.claim_match(match.id, owner=owner)
    runner.play_match(match.id, owner=owner)
    return match


class TwoStarts(Count):
    """Count to five, from 0 or from 1: whoever moves first wins the first one with ones alone."""

    slug, name = "two-starts", "Two starts"
    difficulty_count = 2

    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        return {**super().opening(rng, split, difficulty), "total": difficulty}


def settled(match: Match, monkeypatch: pytest.MonkeyPatch, *, level: int) -> Match:
    for round_id in played(match, monkeypatch, level=level).rounds.values_list("id", flat=True):
        judging.judge_round(round_id)
    match.refresh_from_db()
    assert match.status == MatchStatus.SETTLED
    return match


def weights_of(match: Match) -> tuple[float, ...]:
    return draw_of(match.id).seating.difficulty_weights


def test_an_environment_of_one_difficulty_has_no_curriculum() -> None:
    match = make_match(make_space(environment="arithmetic"))
    assert weights_of(match) == ()
    assert curriculum_of(match.space_id, match.space.environment) is None


def test_the_distribution_of_the_draw_stands_in_the_first_event() -> None:
    match = make_match(ladder_space())
    assert weights_of(match) == (0.25,) * 4


def test_the_next_match_gets_what_the_field_solves_half_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = ladder_space()
    match = settled(make_match(space), monkeypatch, level=1)
    draw = draw_of(match.id)
    levels = [draw.difficulty(number) for number in range(1, 7)]
    assert [row.task_kind for row in match.rounds.all()] == [f"level {each}" for each in levels]
    tallies = tallies_of(space.id, SLUG, count=4)
    assert [tally.asked for tally in tallies] == [2.0 * levels.count(each) for each in range(4)]
    assert [tally.solved for tally in tallies] == [
        2.0 * levels.count(each) * (each <= 1) for each in range(4)
    ]
    assert sum(tally.rating_sum for tally in tallies) == 25.0 * 12
    assert weights_of(make_match(space)) == difficulty_weights(tallies, 25.0)


def test_tasks_of_several_difficulties_are_drawn_again_by_anybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = ladder_space()
    settled(make_match(space), monkeypatch, level=1)
    match = settled(make_match(space), monkeypatch, level=1)
    out = StringIO()
    call_command("recompute_tasks", str(match.id), stdout=out)
    assert out.getvalue().count("the same") == 6


def test_a_stronger_seated_field_gets_harder_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    space = ladder_space()
    DifficultyTally.objects.bulk_create(
        DifficultyTally(space=space, environment=SLUG, difficulty=level, asked=50, solved=solved,
                        rating_sum=50 * 25)
        for level, solved in enumerate((48, 25, 3, 0))
    )  # fmt: skip
    usual = weights_of(make_match(space))
    strong = [make_agent(make_user(credits=100)) for _ in range(2)]
    for agent in strong:
        Rating.objects.create(space=space, agent=agent, mu=40, sigma=2, match_count=20)
        enter(agent, space)
    (match_id,) = seating.seat_matches(space.id, rng=Random(1))
    harder = draw_of(match_id).seating.difficulty_weights
    assert harder[0] < usual[0]
    assert harder[3] > usual[3]


def test_a_game_is_solved_by_as_much_as_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    playing.add_games(monkeypatch, TwoStarts())
    match = make_match(make_space(environment="two-starts", round_count=4))
    assert weights_of(match) == (0.5, 0.5)
    playing.played(match, monkeypatch, lambda messages: "1")
    assert match.status == MatchStatus.SETTLED
    draw = draw_of(match.id)
    # Each opening is played from both sides, so each seat wins once.
    levels = [draw.difficulty(opening) for opening in (1, 1, 2, 2)]
    assert sorted(graded_answers(match.id), key=repr) == sorted(
        (GradedAnswer(level, 25.0, won) for level in levels for won in (0.0, 1.0)), key=repr
    )
    tallies = tallies_of(match.space_id, "two-starts", count=2)
    assert [tally.asked for tally in tallies] == [2.0 * levels.count(each) for each in (0, 1)]
    assert [tally.solved for tally in tallies] == [float(levels.count(each)) for each in (0, 1)]
    out = StringIO()
    call_command("recompute_tasks", str(match.id), stdout=out)
    assert out.getvalue().count("the same") == 4


def test_a_space_may_fix_the_level(monkeypatch: pytest.MonkeyPatch) -> None:
    playing.add_games(monkeypatch, TwoStarts())
    match = make_match(make_space(environment="two-starts?level=2", round_count=2))
    playing.played(match, monkeypatch, lambda messages: "1")
    assert match.status == MatchStatus.SETTLED
    assert [row.task["data"]["position"]["total"] for row in match.rounds.all()] == [1, 1]
    assert curriculum_of(match.space_id, match.space.environment) is None
    out = StringIO()
    call_command("recompute_tasks", str(match.id), stdout=out)
    assert out.getvalue().count("the same") == 2


def test_a_space_of_impossible_constraints_gets_a_sentence() -> None:
    space = make_space(environment="constraints?rules=lowercase,number")
    space.clean()
    space.environment = "constraints?rules=lowercase,uppercase"
    with pytest.raises(ValidationError) as caught:
        space.clean()
    assert caught.value.message_dict == {
        "environment": ["No answer can keep lowercase and uppercase at once."]
    }


def test_a_seat_for_which_code_has_moved_tells_nothing_of_a_game(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    playing.add_games(monkeypatch, TwoStarts())
    match = make_match(make_space(environment="two-starts", round_count=2))
    playing.played(match, monkeypatch, lambda messages: "1")
    said = Completion.objects.filter(round__match=match, round__number=1, seat__index=0)
    Completion.objects.filter(id=said.earliest("id").id).update(finish_reason=BY_CODE)
    # From 0, seat 0 has won round 1 by moving first; from 1, it has lost.
    others = [0.0, 0.0, 1.0] if draw_of(match.id).difficulty(1) == 0 else [0.0, 1.0, 1.0]
    assert sorted(each.solved for each in graded_answers(match.id)) == others


def test_code_that_answers_and_seats_that_could_not_be_served_tell_nothing() -> None:
    match = make_match(ladder_space(seat_count=3))
    play.start_match(match.id)
    task = runner.task_of(match.id, 1)
    play.start_round(match.id, number=1, task=task)
    right = str(task.data["number"])
    said = {
        0: SeatAnswer(CompletionStatus.OK, [], text=right, finish_reason="code"),
        1: SeatAnswer(CompletionStatus.FAILED, [], error="The adapter was refused."),
        2: SeatAnswer(CompletionStatus.OK, [], text=right, finish_reason="stop"),
    }
    for seat, answer in said.items():
        play.record_completion(match.id, number=1, seat=seat, answer=answer)
    level = draw_of(match.id).difficulty(1)
    assert graded_answers(match.id) == [GradedAnswer(level, 25.0, solved=1.0)]


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_match_is_paid_also_when_the_environment_fails_to_check_its_answers(
    monkeypatch: pytest.MonkeyPatch, ladder: Ladder, is_gone: bool
) -> None:
    match = played(make_match(ladder_space()), monkeypatch, level=1)
    for round_id in match.rounds.values_list("id", flat=True)[:5]:
        judging.judge_round(round_id)
    decide(match, 6, {0: 1.0, 1: 0.0})

    def burst(task: Task, text: str) -> Score:
        raise EnvironmentFault("A stranger's environment failed.")

    monkeypatch.setattr(ladder, "score", burst)
    if is_gone:
        monkeypatch.delitem(ENVIRONMENTS._known, ladder.slug)
    play.settle_match(match.id)
    match.refresh_from_db()
    assert match.status == MatchStatus.SETTLED
    assert not DifficultyTally.objects.exists()


def test_a_cancelled_match_teaches_the_curriculum_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    match = played(make_match(ladder_space()), monkeypatch, level=1)
    play.cancel_match(match.id, reason="?")
    assert not DifficultyTally.objects.exists()


def test_two_matches_of_a_space_that_settle_at_once_both_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = ladder_space()
    matches = [played(make_match(space), monkeypatch, level=1) for _ in range(2)]
    for match in matches:
        for number in range(1, 7):
            decide(match, number, {0: 1.0, 1: 0.0})
    settle = [partial(play.settle_match, match.id) for match in matches]
    assert at_once(*settle) == [None, None]
    kept = 0.5 ** (12 / HALF_LIFE_ANSWERS)
    asked = sum(tally.asked for tally in tallies_of(space.id, SLUG, count=4))
    assert asked == pytest.approx(12 + 12 * kept)


def test_another_environment_of_the_space_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    space = ladder_space()
    settled(make_match(space), monkeypatch, level=1)
    assert tallies_of(space.id, "another", count=4) == [Tally()] * 4


def test_a_reader_sees_rates_and_weights_of_every_level(monkeypatch: pytest.MonkeyPatch) -> None:
    space = ladder_space()
    untried = curriculum_of(space.id, SLUG)
    assert untried is not None
    assert untried.is_untried
    for _ in range(3):
        settled(make_match(space), monkeypatch, level=0)
    curriculum = curriculum_of(space.id, SLUG)
    assert curriculum is not None
    assert not curriculum.is_untried
    assert [level.number for level in curriculum.levels] == [1, 2, 3, 4]
    assert curriculum.levels[0].solve_rate > 0.5 > curriculum.levels[3].solve_rate
    assert sum(level.weight for level in curriculum.levels) == pytest.approx(1, abs=1e-5)


def test_reasoning_follows_its_own_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    slug = "reasoning/chain_sum"
    count = ENVIRONMENTS[slug].difficulty_count
    assert count > 1
    space = ladder_space(environment=slug)
    match = make_match(space)
    assert weights_of(match) == pytest.approx((1 / count,) * count, abs=1e-6)
    draw = draw_of(match.id)
    tasks = [draw.task(number) for number in range(1, 7)]
    levels = [draw.difficulty(number) for number in range(1, 7)]
    assert [task.data["level"] for task in tasks] == levels
    known = {task.prompt: task.data["answer"] for task in tasks if task.data["level"] == 0}
    say = ScriptedModel(lambda model, messages: known.get(messages[-1]["content"], "no idea"))
    monkeypatch.setattr(runner, "Inference", say)
    owner = uuid.uuid4()
    assert play.claim_match(match.id, owner=owner)
    runner.play_match(match.id, owner=owner)
    for round_id in match.rounds.values_list("id", flat=True):
        judging.judge_round(round_id)
    solved = [tally.solved for tally in tallies_of(space.id, slug, count=count)]
    assert solved == [2.0 * levels.count(0), *[0.0] * (count - 1)]
    out = StringIO()
    call_command("recompute_tasks", str(match.id), stdout=out)
    assert out.getvalue().count("the same") == 6
