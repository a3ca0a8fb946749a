"""Every format, played to its end with random results and withdrawals."""

from dataclasses import replace
from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.states import Outcome, TournamentFormat
from arena.tournaments.formats import arena_style, bracket, swiss
from arena.tournaments.formats.field import Field, Meeting
from arena.tournaments.formats.pairable import are_pairable
from arena.tournaments.formats.rules import RULES

ENDINGS = (Outcome.FIRST, Outcome.SECOND, Outcome.DRAW, Outcome.VOID)
ENTRANTS = st.integers(2, 64)
SEED = st.integers(0, 2**32)


def ended(field: Field, index: int, outcome: Outcome) -> Field:
    meetings = list(field.meetings)
    meetings[index] = replace(meetings[index], outcome=outcome)
    return replace(field, meetings=tuple(meetings))


def open_ones(field: Field) -> list[int]:
    return [n for n, each in enumerate(field.meetings) if each.outcome == Outcome.OPEN]


def played_out(
    kind: TournamentFormat, entrants: int, rng: Random, *, closes_after: int = 10_000
) -> list[Field]:
    """All fields from the first to the last, one step at a time."""
    fields, rules = [Field(entrants)], RULES[kind]
    for step in range(20_000):
        field, is_open = fields[-1], step < closes_after
        if rules.is_over(field, is_open=is_open):
            return fields
        if new := rules.next_meetings(field, is_open=is_open):
            field = replace(field, meetings=(*field.meetings, *new))
        elif rng.random() < 0.05:
            gone = field.withdrawn | {rng.randint(1, entrants)}
            field = replace(field, withdrawn=gone)
        else:
            field = ended(field, rng.choice(open_ones(field)), rng.choice(ENDINGS))
        fields.append(field)
    raise AssertionError("the tournament does not end")


@pytest.mark.parametrize("kind", TournamentFormat)
@settings(max_examples=10, deadline=None)
@given(entrants=ENTRANTS, seed=SEED, closes_after=st.integers(0, 400))
def test_every_format_ends_seats_nobody_twice_at_once_and_places_everybody(
    kind: TournamentFormat, entrants: int, seed: int, closes_after: int
) -> None:
    for field in played_out(kind, entrants, Random(seed), closes_after=closes_after):
        playing = [
            each
            for meeting in field.meetings
            if meeting.outcome == Outcome.OPEN
            for each in (meeting.first, meeting.second)
        ]
        assert len(playing) == len(set(playing))
        assert None not in playing
    lines = RULES[kind].placings(field)
    assert [line.place for line in lines] == list(field.seeds)
    assert sorted(line.seed for line in lines) == list(field.seeds)
    assert list(lines) == sorted(lines, key=lambda line: -line.points)


@settings(max_examples=15, deadline=None)
@given(entrants=ENTRANTS, seed=SEED)
def test_swiss_repeats_no_meeting_and_gives_nobody_a_second_bye(entrants: int, seed: int) -> None:
    field = played_out(TournamentFormat.SWISS, entrants, Random(seed))[-1]
    pairs = [frozenset({each.first, each.second}) for each in field.meetings]
    assert len(pairs) == len(set(pairs))
    if not field.withdrawn:
        assert max(each.round for each in field.meetings) == swiss.round_count(entrants)


def one_by_one(members: list[int], others: dict[int, set[int]]) -> bool:
    """Whether there is a perfect matching, by trying every one."""
    if not members:
        return True
    first, *rest = members
    return any(
        one_by_one([each for each in rest if each != second], others)
        for second in others[first].intersection(rest)
    )


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 5), seed=SEED, density=st.floats(0.1, 0.7))
def test_everybody_can_be_paired_exactly_if_a_perfect_matching_exists(
    count: int, seed: int, density: float
) -> None:
    rng, members = Random(seed), list(range(2 * count))
    others: dict[int, set[int]] = {each: set() for each in members}
    for one, other in combinations(members, 2):
        if rng.random() < density:
            others[one].add(other)
            others[other].add(one)
    assert are_pairable(members, others) == one_by_one(members, others)


def test_swiss_meets_the_upper_half_with_the_lower_and_gives_the_bye_to_the_last() -> None:
    first = swiss.next_meetings(Field(7), is_open=True)
    assert [(each.first, each.second) for each in first] == [(1, 4), (2, 5), (3, 6), (7, None)]
    assert first[-1].outcome == Outcome.FIRST
    after = tuple(replace(each, outcome=Outcome.FIRST) for each in first)
    second = swiss.next_meetings(Field(7, after), is_open=True)
    # 1, 2, 3 and 7 have a point; 4 and 5 have none, and 6 is the lowest without a bye.
    assert [(e.first, e.second) for e in second] == [(1, 3), (2, 7), (4, 5), (6, None)]


def test_the_best_seeds_have_byes_and_meet_last() -> None:
    assert bracket.seeds_in_order(8) == [1, 8, 4, 5, 2, 7, 3, 6]
    now = bracket.next_meetings(Field(6), is_open=True)
    assert [(each.first, each.second) for each in now] == [(4, 5), (3, 6)]


def test_a_draw_in_a_bracket_is_played_once_more_and_then_the_better_seed_goes_on() -> None:
    field = Field(2)
    for _ in range(bracket.GAMES_PER_TIE):
        (meeting,) = bracket.next_meetings(field, is_open=True)
        drawn = replace(meeting, outcome=Outcome.DRAW)
        field = replace(field, meetings=(*field.meetings, drawn))
    assert bracket.next_meetings(field, is_open=True) == ()
    assert [line.seed for line in bracket.placings(field)] == [1, 2]


def test_the_losers_of_the_semifinals_play_for_third_place() -> None:
    field = Field(4)
    while new := bracket.next_meetings(field, is_open=True):
        won = [replace(each, outcome=Outcome.SECOND) for each in new]
        field = replace(field, meetings=(*field.meetings, *won))
    assert [(m.round, m.slot, m.first, m.second) for m in field.meetings] == [
        (1, 0, 1, 4),
        (1, 1, 2, 3),
        (2, 0, 4, 3),
        (2, 1, 1, 2),
    ]
    assert [line.seed for line in bracket.placings(field)] == [3, 4, 2, 1]


def test_who_withdraws_loses_what_is_not_decided() -> None:
    assert bracket.next_meetings(Field(2, withdrawn=frozenset({1})), is_open=True) == ()
    lines = bracket.placings(Field(2, withdrawn=frozenset({1})))
    assert [line.seed for line in lines] == [2, 1]


def test_wins_count_double_after_two_in_a_row_until_one_is_not_won() -> None:
    results = "WWWDWL"
    outcomes = {"W": Outcome.FIRST, "D": Outcome.DRAW, "L": Outcome.SECOND}
    met = [Meeting(1, n, 1, 2 + n, outcomes[each]) for n, each in enumerate(results)]
    best = next(x for x in arena_style.placings(Field(8, tuple(met))) if x.seed == 1)
    assert best.points == 2 + 2 + 4 + 2 + 2 + 0
    assert (best.wins, best.draws, best.losses, best.streak) == (4, 1, 1, 0)


def test_nobody_meets_the_same_one_twice_in_a_row_while_others_may_become_free() -> None:
    over = Meeting(1, 0, 1, 2, Outcome.FIRST)
    field = Field(4, (over, Meeting(1, 1, 3, 4)))
    assert arena_style.next_meetings(field, is_open=True) == ()
    (again,) = arena_style.next_meetings(Field(2, (over,)), is_open=True)
    assert (again.first, again.second) == (1, 2)
    pairs = arena_style.next_meetings(ended(field, 1, Outcome.FIRST), is_open=True)
    assert {frozenset({each.first, each.second}) for each in pairs} == {
        frozenset({1, 3}),
        frozenset({2, 4}),
    }


def test_of_an_odd_number_the_one_who_played_most_waits() -> None:
    met = (Meeting(1, 0, 1, 2, Outcome.FIRST),)
    (pair,) = arena_style.next_meetings(Field(3, met), is_open=True)
    assert 3 in (pair.first, pair.second)
