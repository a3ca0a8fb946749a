from typing import Any

import pytest

from arena.environments.constraints.family import FAIL_CEILING, PASS_FLOOR, Constraints
from arena.environments.constraints.rules import RULES, TRAIN_RULES, UNSEEN_RULES
from arena.environments.constraints.tests.builders import make_task

ENVIRONMENT = Constraints()


def test_there_are_at_least_thirty_kinds_of_rules() -> None:
    assert len(TRAIN_RULES) >= 30
    assert len(UNSEEN_RULES) >= 10


CASES = [
    ("lowercase", {}, "cats sleep for most of the day.", "Cats sleep for most of the day."),
    ("uppercase", {}, "CATS SLEEP FOR 9 HOURS.", "CATS SLEEP for hours."),
    (
        "include",
        {"words": ["water", "old"]},
        "Old cats do not like water.",
        "Older cats do not like water.",
    ),
    ("bullets", {"n": 2}, "- Cats purr.\n- They nap.", "- Cats purr.\n- They nap.\n- They hunt."),
    ("numbered", {"n": 2}, "1. Cats purr.\n2) They nap.", "1. Cats purr.\n3. They nap."),
    ("sentences", {"n": 2}, "Cats purr! They nap 3.5 hours.", "Cats purr. They nap. They hunt."),
    ("end_phrase", {"phrase": "The end."}, "Cats purr. The end.", "The end. Cats purr."),
    ("start_word", {"word": "Today"}, '"Today, cats purr."', "Cats purr today."),
    (
        "json_keys",
        {"keys": ["name", "fact"]},
        '```json\n{"name": "cats", "fact": "they purr"}\n```',
        '{"name": "cats", "fact": ""}',
    ),
    ("no_commas", {}, "Cats purr and nap.", "Cats purr, nap and hunt."),
    ("max_words", {"n": 4}, "Cats purr and nap.", "Cats purr and nap daily."),
    ("min_words", {"n": 4}, "Cats purr and nap.", "Cats purr often."),
    ("quotes", {}, '"Cats purr."', '"Cats" purr.'),
    ("title", {}, "<<Purring>>\nCats purr.", "<<title>>\nCats purr."),
    (
        "repeat",
        {"word": "very", "n": 2},
        "Cats are very very soft.",
        "Cats are very soft, every day.",
    ),
    ("one_line", {"low": 3, "high": 4}, "Cats purr and nap.", "Cats purr\nand nap."),
    ("number", {}, "Cats nap for 16 hours.", "Cats nap for ten hours."),
    ("paragraphs", {"n": 2}, "Cats purr.\n\nThey nap.", "Cats purr.\nThey nap."),
    ("separator", {}, "Cats purr.\n***\nThey nap.", "Cats purr.\n***\nThey nap.\n***\nThey hunt."),
    ("question", {}, "Do cats purr?", "Do cats purr? Yes."),
    ("capitalized", {}, "Cats Don't Like 3 Baths.", "Cats Don't like 3 Baths."),
    ("postscript", {}, "Cats purr. P.S. They nap.", "P.S. Cats purr."),
    ("lines", {"n": 2}, "Cats purr\nand nap all day.", "Cats purr."),
    ("min_sentences", {"n": 2}, "Cats purr! They nap. They hunt.", "Cats purr and nap."),
    ("word_range", {"low": 3, "high": 4}, "Cats purr and nap.", "Cats purr."),
    ("growing", {"n": 2}, "Cats purr. They nap all day.", "Cats purr all day. They nap."),
    (
        "sentence_starts",
        {"letter": "T", "n": 2},
        "Today cats purr. They nap.",
        "Today cats purr. Cats nap.",
    ),
    ("exact_words", {"n": 3}, "Cats purr softly.", "Cats purr."),
    ("exclaim", {}, "Cats purr! They nap!", "Cats purr. They nap!"),
    ("semicolon", {}, "Cats purr; they nap.", "Cats purr; they nap; they hunt."),
    ("parentheses", {}, "Cats (and lions) purr.", "Cats (and lions) purr (softly)."),
    ("highlight", {"n": 2}, "Cats *purr* and **nap**.", "Cats *purr* and nap."),
    ("percent", {}, "About 40% of cats purr.", "About 40 cats purr."),
    (
        "labels",
        {"keys": ["Name", "Fact"]},
        "Name: cats\nFact: they purr",
        "Name: cats\nThey purr",
    ),
    ("question_answer", {}, "Do cats purr? Yes, they do.", "Cats purr. Do they nap?"),
    ("avoid", {"unwanted": "they"}, "Cats purr and nap.", "Cats purr and they nap."),
    ("initials", {"letter": "p", "n": 2}, "Pretty cats purr.", "Cats purr and purr."),
    ("no_letter", {"letter": "z"}, "Cats purr and nap.", "Cats purr and laze."),
    ("iso_date", {}, "Cats purred on 2024-02-29.", "Cats purred on 2023-02-29."),
    ("ellipsis", {}, "Cats purr and nap...", "Cats purr... They nap..."),
    ("first_last", {}, "Cats never chase other cats.", "Cats chase cats and dogs."),
    ("roman", {"n": 2}, "I. Cats purr.\nII. They nap.", "I. Cats purr.\nIII. They nap."),
    ("columns", {"n": 2}, "Cats | purr\nThey | nap", "Cats | purr\nThey nap"),
    ("line_ends", {"n": 2, "mark": ";"}, "Cats purr;\nThey nap;", "Cats purr;\nThey nap."),
    (
        "short_sentences",
        {"n": 2, "most": 3},
        "Cats purr softly. They nap.",
        "Cats purr softly. They nap all day.",
    ),
]


def test_every_rule_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(RULES)


@pytest.mark.parametrize(("rule", "params", "right", "wrong"), CASES)
def test_rule_holds_strictly_and_a_near_miss_ranks_below(
    rule: str, params: dict[str, Any], right: str, wrong: str
) -> None:
    task = make_task(rule, prompt="Say something.", **params)
    good, bad = ENVIRONMENT.score(task, right), ENVIRONMENT.score(task, wrong)
    assert good.passed, good.checks
    assert not bad.passed
    assert good.value >= PASS_FLOOR
    assert 0 < bad.value < FAIL_CEILING


WRONG = [
    ("quotes", {}, '"Cats" are small animals that say "meow"'),
    ("title", {}, "They are quick at night and purr.\n<<Purring Cats>>"),
    ("bullets", {"n": 4}, "- .\n- .\n- .\n- cats are"),
    ("no_commas", {}, "Cats sleep\uff0ceat and purr."),
    ("sentences", {"n": 1}, "Cats purr all day\nThey nap\nThey hunt"),
    ("sentences", {"n": 1}, "They say \u201ccats purr.\u201d Then they nap."),
    ("one_line", {"low": 3, "high": 9}, "Cats purr\rand nap all day."),
    ("separator", {}, "Cats purr at night. *** They nap."),
    ("json_keys", {"keys": ["name"]}, '{"name": "cats", "name": "dogs"}'),
    ("end_phrase", {"phrase": "The end."}, "Cats like to sleep at the weekend."),
]
RIGHT = [
    ("end_phrase", {"phrase": "The end."}, 'Cats sleep for most of the day. "The end."'),
    ("end_phrase", {"phrase": "The end."}, "Cats sleep for most of the day. The end"),
    ("quotes", {}, "\u201cCats purr.\u201d"),
    ("capitalized", {}, "Cats Take Their 3rd Nap At 5pm."),
    ("sentences", {"n": 1}, "Dr. Smith says that cats of the U.S. purr."),
    ("sentences", {"n": 2}, "1. Cats purr.\n2. They nap."),
    ("bullets", {"n": 4}, "- Soft fur\n- Sharp claws\n- Long whiskers\n- Cats purr"),
    (
        "json_keys",
        {"keys": ["name", "color", "size"]},
        '{"name": "Cats", "color": "black, white, orange", "size": "small"}',
    ),
    ("max_words", {"n": 20}, "Cats never forget a place and travel to previous water holes."),
    ("max_words", {"n": 20}, "Do not forget your cats when dark clouds are above you."),
]


@pytest.mark.parametrize(("rule", "params", "text"), WRONG)
def test_a_wrong_answer_does_not_pass(rule: str, params: dict[str, Any], text: str) -> None:
    score = ENVIRONMENT.score(make_task(rule, prompt="Say something.", **params), text)
    assert not next(check.passed for check in score.checks if check.name == rule)


@pytest.mark.parametrize(("rule", "params", "text"), RIGHT)
def test_a_right_answer_passes(rule: str, params: dict[str, Any], text: str) -> None:
    score = ENVIRONMENT.score(make_task(rule, prompt="Say something.", **params), text)
    assert score.passed, score.checks
