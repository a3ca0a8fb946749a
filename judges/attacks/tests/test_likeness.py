"""Copies: who took another seat's text cannot stand above it, and of short answers every telling word counts."""

import pytest

from judges.attacks.likeness import MIN_WORDS, alike, copies, levelled
from judges.tests.builders import make_answer, make_transcript
from judges.transcript import OUTCOME, Answer, Ballot, Check

STORY = (
    "Nobody had crossed the bridge for years, until Ella unfolded an old map and saw a house on the "
    "other side that she had never noticed before."
)
EDITED = STORY.replace("an old map", "one old map").replace("house", "hut") + " Indeed."


def test_an_edited_copy_of_a_long_text_is_nearly_the_same() -> None:
    assert alike(STORY, EDITED)
    assert alike(STORY, STORY.upper())


def test_texts_about_one_thing_are_not_the_same() -> None:
    other = "Ella found a map of the river in a drawer, so she carried planks down to the water each day."
    assert not alike(STORY, other)
    assert not alike(STORY, " ".join(reversed(STORY.split())))


@pytest.mark.parametrize(
    ("original", "copy"),
    [
        ("Campora", "Campora!"),
        (
            "It is time to sharpen your mind again.",
            "It is really time just to sharpen your mind again.",
        ),
        ("Now smile and rest your back anywhere.", "Now smile and then rest your back anywhere!"),
        ("12", "It is 12. Indeed."),
    ],
)
def test_short_answers_are_copies_if_only_words_that_say_nothing_differ(
    original: str, copy: str
) -> None:
    assert len(original.split()) < MIN_WORDS
    assert alike(original, copy)
    assert alike(copy, original)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12", "13"),
        ("It is safe to eat.", "It is not safe to eat."),
        ("Never mix them.", "Mix them."),
        ("Yes.", "No."),
        ("Lucky Droply", "Lucky Droplio"),
        ("first the red one", "the one red first"),
        ("and so it is", "it is so"),  # nothing that tells anything
        ("", ""),
    ],
)
def test_short_answers_of_which_one_word_differs_are_none(one: str, other: str) -> None:
    assert not alike(one, other)


def test_copies_share_the_mean_of_their_scores_and_others_keep_theirs() -> None:
    transcript = make_transcript(
        make_answer(0, STORY), make_answer(1, EDITED), make_answer(2, "Cats sleep.")
    )
    ballot = Ballot(scores={0: 0.6, 1: 0.8, 2: 0.5}, reasons={0: "Good."}, checks={})
    found = levelled(ballot, transcript)
    assert found.scores == {0: 0.7, 1: 0.7, 2: 0.5}
    assert found.reasons[0].startswith("Good. Nearly another seat's text")
    assert 2 not in found.reasons


def test_copies_tie_in_comparisons_and_fare_alike_against_the_others() -> None:
    transcript = make_transcript(
        make_answer(0, STORY), make_answer(1, "Cats sleep."), make_answer(2, EDITED)
    )
    ballot = Ballot(
        scores={0: 0.5, 1: 0.25, 2: 0.75},
        reasons={},
        checks={},
        comparisons={(0, 1): 0, (0, 2): -1, (1, 2): -1},
    )
    assert levelled(ballot, transcript).comparisons == {(0, 1): 1, (0, 2): 0, (1, 2): -1}


def test_a_copy_that_breaks_a_rule_is_not_lifted_to_the_one_that_keeps_it() -> None:
    answers = (make_answer(0, STORY), make_answer(1, EDITED, failed="ending"))
    assert copies(answers) == []


def test_an_abstention_stays_one() -> None:
    abstention = Ballot(scores={}, reasons={}, checks={}, error="no reply")
    transcript = make_transcript(make_answer(0, STORY), make_answer(1, STORY))
    assert levelled(abstention, transcript) == abstention


def test_players_of_a_game_who_say_alike_what_they_do_keep_what_each_has_won() -> None:
    said = "I will give away {} tokens. " * 5
    answers = [
        Answer(seat, said.format(*[given] * 5), score, (Check(OUTCOME, False, ""),))
        for seat, given, score in ((0, 2, 0.7), (1, 10, 0.4), (2, 10, 0.4))
    ]
    assert copies(answers) == [(1, 2)]
