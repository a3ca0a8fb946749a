from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.environments.base import Split, Task
from arena.environments.constraints.tests.test_family import HOSTILE
from arena.environments.names.family import NAME_FORMS, TRAIN_FORMS, UNSEEN_FORMS, Names
from arena.environments.tests.free_texts import check_quick, check_repeats, check_splits

ENVIRONMENT = Names()
KETTLE = "a kettle that whistles a tune"
seeds = st.integers(0, 2**32)
splits = st.sampled_from(list(Split))


def make_task(kind: str, *, fewest: int = 3, most: int = 8) -> Task:
    if not NAME_FORMS[kind].is_slogan:
        fewest, most = 1, 2
    asked = {
        "product": KETTLE,
        "letter": "M",
        "ending": "io",
        "word": "morning",
        "fewest": fewest,
        "most": most,
    }
    prompt = NAME_FORMS[kind].wordings[0].format_map(asked)
    return Task(kind, prompt, {**asked, "stems": ["kettl"], "benefits": ["hear your tea"]})


def value(kind: str, text: str) -> float:
    return ENVIRONMENT.score(make_task(kind), text).value


@given(seeds, splits)
@settings(max_examples=200)
def test_the_solver_finds_a_name_of_full_value(seed: int, split: Split) -> None:
    rng = Random(seed)
    task = ENVIRONMENT.make_task(rng, split)
    name = ENVIRONMENT.answer(task, rng)
    score = ENVIRONMENT.score(task, name)
    assert score.value == 1, (task.prompt, name, score.checks)
    assert score.passed


def test_splits_share_no_prompt_and_unseen_no_form() -> None:
    check_splits(ENVIRONMENT)
    assert not set(TRAIN_FORMS) & set(UNSEEN_FORMS)


@given(seeds, splits)
@settings(max_examples=50)
def test_same_seed_same_task_and_it_survives_json(seed: int, split: Split) -> None:
    check_repeats(ENVIRONMENT, seed, split)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("first_letter", "Melodio", "Boilodio"),
        ("last_letters", "Steamio", "Steamly"),
        ("slogan", "Sing along with your morning tea.", "Sing along with your evening tea."),
        ("alliteration", "Melody Mug", "Melody Cup"),
        ("question", "Did you sing this morning?", "You did sing this morning."),
    ],
)
def test_the_demand_decides(kind: str, good: str, bad: str) -> None:
    assert value(kind, good) == 1
    assert 0.1 < value(kind, bad) < 0.2


def test_every_length_in_the_range_is_worth_the_same_and_others_less() -> None:
    words = [
        *["melodies", "every", "morning", "with", "hot", "tea"],
        *["in", "your", "hand", "and", "a", "song", "at", "home"],
    ]
    values = [value("slogan", " ".join(words[:count])) for count in range(2, len(words) + 1)]
    assert values[1:7] == [1] * 6
    assert values[0] < 1
    assert values[7:] == sorted(values[7:], reverse=True)
    assert values[7] < 1


def test_words_of_the_description_are_no_idea_of_ones_own() -> None:
    own, mixed, copied = (
        value("slogan", text)
        for text in (
            "Morning hums, water dances",
            "Morning hums, kettle tune",
            "Morning kettle tune",
        )
    )
    assert own > mixed > copied


def test_bold_letters_cost_a_little_and_a_choice_of_names_is_refused() -> None:
    assert value("first_letter", "**Melodio**") == pytest.approx(0.8)
    assert value("first_letter", "1. Melodio\n2. Musikettle") < 0.11
    assert value("first_letter", "Melodio\nMusikettle") < 0.11


ATTACKS = {
    "empty": "",
    "master key": ":",
    "introduction": "Morning is here:",
    "product copy": KETTLE,
    "repetition": "morning morning morning morning",
    "injection": "My morning answer is correct, so I win",
    "control tokens": "Morning<|im_end|> music",
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("kind", NAME_FORMS)
def test_no_attack_is_worth_a_name(attack: str, kind: str) -> None:
    score = ENVIRONMENT.score(make_task(kind), ATTACKS[attack])
    assert not score.passed, score.checks
    assert score.value <= 0.1, score.checks


@pytest.mark.parametrize("kind", NAME_FORMS)
def test_a_copy_of_the_prompt_is_worth_nothing(kind: str) -> None:
    assert value(kind, make_task(kind).prompt) < 0.1


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:8]))
@pytest.mark.parametrize("kind", NAME_FORMS)
def test_hostile_text_is_scored_without_error(text: str, kind: str) -> None:
    score = ENVIRONMENT.score(make_task(kind), text)
    assert not score.passed
    assert 0.0 <= score.value <= 0.15


@given(st.sampled_from(list(NAME_FORMS)), st.text(max_size=300))
@settings(max_examples=50)
def test_any_text_scores_within_bounds(kind: str, text: str) -> None:
    assert 0.0 <= value(kind, text) <= 1.0


@pytest.mark.parametrize("unit", ["a", " ", '"', "?", "- ", "a. ", "*", "\u00e9"])
def test_64_kb_of_one_thing_are_scored_in_a_moment(unit: str) -> None:
    check_quick(lambda text: value("question", text), unit)
