"""An agent that says the same in every round, where a judge asks for something new."""

import pytest

from arena.matches import play
from arena.matches.judging import transcript_of
from arena.models import Completion, Match, Round
from arena.panels.voting import panel_of
from arena.tests.builders import make_match, make_space, play_round
from judges.models import Judge, JudgeKind
from judges.transcript import Answer

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "Nobody had crossed the bridge for years, until Ella unfolded an old map and saw a house."
OTHER = "My neighbor set out after the rain to learn why cats sleep through most of their days."


def answers(match: Match, number: int) -> list[Answer]:
    row = Round.objects.get(match=match, number=number)
    seating = play.state_of(match).seating
    panel = panel_of(seating.panel, environment=seating.environment)
    return list(transcript_of(row, seating, panel).answers)


def repeats(match: Match, number: int) -> list[bool]:
    checks = [check for answer in answers(match, number) for check in answer.checks]
    return [not check.passed for check in checks if check.name == "new"]


def played(*, gates: list[str]) -> Match:
    Judge.objects.create(
        slug="stories", name="Stories", kind=JudgeKind.POEM, config={"gates": gates}
    )
    match = make_match(
        make_space(environment="stories", panel=[{"judge": "stories", "weight": 1.0}])
    )
    play.start_match(match.id)
    play_round(match, 1, scores={0: 0.9, 1: 0.4}, texts={0: TEXT, 1: OTHER}, judge="stories")
    again = {0: f"{TEXT} Indeed.", 1: TEXT}
    play_round(match, 2, scores={0: 0.9, 1: 0.4}, texts=again, judge="stories")
    return match


def test_only_who_repeats_itself_fails_and_not_who_says_what_another_agent_said() -> None:
    match = played(gates=["new"])
    assert repeats(match, 1) == [False, False]
    assert repeats(match, 2) == [True, False]


def test_answers_by_code_are_not_checked() -> None:
    match = played(gates=["new"])
    Completion.objects.update(token_ids=[])
    assert repeats(match, 2) == []


def test_where_no_judge_asks_for_something_new_nothing_is_checked() -> None:
    assert repeats(played(gates=["answers"]), 2) == []
