"""What an answer's length is worth, and what the solver can do."""

from collections.abc import Sequence
from itertools import combinations
from random import Random
from statistics import correlation, fmean

import pytest

from arena.environments.base import Split
from arena.environments.constraints.family import MOST_RULES, Constraints
from arena.environments.constraints.rules import RULES, TRAIN_RULES
from arena.environments.constraints.rules.rule import go_together
from arena.environments.constraints.solver.writing import write
from arena.environments.text.markup import read
from arena.environments.text.topics import BY_NAME, TOPICS
from arena.environments.text.words import words
from judges.panel import TIE_TOLERANCE

ENVIRONMENT = Constraints()


def passes(rules: Sequence[str], rng: Random) -> bool:
    """Whether the solver keeps all of the rules at once, with parameters and a topic drawn."""
    while True:
        drawn = {name: RULES[name].draw(rng) for name in rules}
        topic = rng.choice(TOPICS[Split.TRAIN])
        if all(RULES[name].suits(params, topic.name) for name, params in drawn.items()):
            break
    answer = read(write(drawn, topic, rng, sentences=rng.choice((1, 2))))
    return all(RULES[name].check(params, answer).passed for name, params in drawn.items())


def test_the_solver_keeps_every_two_and_three_rules_that_go_together() -> None:
    rng = Random(8)
    pairs = [
        two for two in combinations(TRAIN_RULES, 2) if go_together(*(RULES[name] for name in two))
    ]
    assert len(pairs) > 200
    triples = [
        three
        for three in combinations(TRAIN_RULES, 3)
        if all(two in pairs for two in combinations(three, 2))
    ]
    assert len(triples) > 500
    assert not [rules for rules in (*pairs, *pairs, *triples) if not passes(rules, rng)]


@pytest.mark.parametrize("difficulty", range(MOST_RULES))
def test_as_many_tasks_want_a_long_answer_as_a_short_one(difficulty: int) -> None:
    rng, sizes = Random(9), []
    for _ in range(1000):
        task = ENVIRONMENT.make_task(rng, Split.TRAIN, difficulty)
        sizes.append(len(words(ENVIRONMENT.answer(task, rng))))
    assert 0.35 <= fmean(size > 20 for size in sizes) <= 0.6
    assert 20 <= fmean(sizes) <= 30
    assert min(sizes) <= 2
    assert max(sizes) > 65


@pytest.mark.parametrize("word", ["Wonderful", "wonderful.", "WONDERFUL!", "{stem}", "{STEM}", "7"])
def test_one_word_passes_hardly_any_task(word: str) -> None:
    rng, passed = Random(10), 0
    for _ in range(600):
        task = ENVIRONMENT.make_task(rng, Split.TRAIN)
        stem = task.data["stems"][0]
        passed += ENVIRONMENT.score(task, word.format(stem=stem, STEM=stem.upper())).passed
    assert passed < 0.15 * 600


@pytest.mark.parametrize("difficulty", range(MOST_RULES))
def test_the_length_of_an_answer_does_not_tell_whether_it_passes(difficulty: int) -> None:
    """Answers that keep what a rule says of the wording, of one to ten sentences."""
    rng, sizes, passed = Random(11), [], []
    for number in range(800):
        task = ENVIRONMENT.make_task(rng, Split.TRAIN, difficulty)
        rules = {rule["rule"]: rule["params"] for rule in task.data["rules"]}
        free = {name: params for name, params in rules.items() if not RULES[name].fixes}
        free = {name: params for name, params in free.items() if not RULES[name].is_long}
        count = 1 + number % 10
        text = write(free, BY_NAME[task.data["topic"]], rng, sentences=count)
        sizes.append(len(words(text)))
        passed.append(float(ENVIRONMENT.score(task, text).passed))
    assert abs(correlation(sizes, passed)) < 0.15
    assert 0.2 < fmean(passed) < 0.8


def test_of_two_equally_good_answers_neither_gains_by_its_length() -> None:
    """The Solver's own answers to the same task, of one sentence and of two."""
    rng, compared, unequal = Random(5), 0, 0
    for seed in range(800):
        task = ENVIRONMENT.make_task(rng, Split.TRAIN)
        topic = BY_NAME[task.data["topic"]]
        found = {}
        for sentences in (1, 2):
            rules = {rule["rule"]: rule["params"] for rule in task.data["rules"]}
            text = write(rules, topic, Random(seed), sentences=sentences)
            score = ENVIRONMENT.score(task, text)
            if score.passed:
                found[len(words(text))] = score.value
        if len(found) == 2:
            compared += 1
            unequal += max(found.values()) - min(found.values()) > TIE_TOLERANCE
    assert compared > 200
    assert unequal <= 0.05 * compared
