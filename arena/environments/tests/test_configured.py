"""Settings in the key of an environment."""

from itertools import combinations
from random import Random

import pytest

from arena.environments import ENVIRONMENTS
from arena.environments.base import Split, UnknownEnvironment
from arena.environments.configured import whole_of
from arena.environments.constraints.rules import RULES, TRAIN_RULES
from arena.environments.constraints.rules.rule import go_together


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("nimm?level=2", "There is no environment 'nimm' on this installation. Do you mean nim?"),
        ("nim?level=4", "Nim has levels from 1 to 3, not '4'."),
        ("nim?level=02", "Nim has levels from 1 to 3, not '02'."),
        ("nim?level", "The setting 'level' has no value."),
        ("nim?level=1&level=2", "The setting 'level' is given twice."),
        ("nim?heaps=3", "Nim has no setting 'heaps'. It has: level."),
        ("nim?levels=3", "Nim has no setting 'levels'. Do you mean level?"),
        ("nim?", "Nim has no setting ''. It has: level."),
        ("arithmetic?level=1", "Arithmetic has no setting 'level'. It has: none."),
        ("debate?level=1", "debate has no settings."),
        ("constraints?rules=lowercas", "There is no rule 'lowercas'. Do you mean lowercase?"),
        ("constraints?rules=xyzzy", "There is no rule 'xyzzy'. Choose among bullets, numbered,"),
        ("constraints?rules=roman", "The rule 'roman' is kept for exams: no match asks for it."),
        ("constraints?rules=number,number", "A rule is named twice."),
        (
            "constraints?rules=lowercase,uppercase",
            "No answer can keep lowercase and uppercase at once.",
        ),
        (
            "constraints?rules=number,percent,highlight,avoid",
            "A task has at most 3 rules, not 4.",
        ),
        ("constraints?rules=number&level=2", "Constraints has one level."),
    ],
)
def test_what_no_environment_can_be_told_gets_a_sentence(key: str, sentence: str) -> None:
    assert ENVIRONMENTS.problem_with(key).startswith(sentence)
    with pytest.raises(UnknownEnvironment):
        ENVIRONMENTS[key]


@pytest.mark.parametrize("name", ["nim", "constraints", "reasoning/chain_sum", "stories"])
def test_a_level_has_the_tasks_of_one_difficulty(name: str) -> None:
    whole = ENVIRONMENTS[name]
    for level in range(1, whole.difficulty_count + 1):
        one = ENVIRONMENTS[f"{name}?level={level}"]
        assert one is ENVIRONMENTS[f"{name}?level={level}"]
        assert (one.slug, one.difficulty_count) == (f"{name}?level={level}", 1)
        assert one.turn_limit == whole.turn_limit
        assert whole_of(one) is whole
        for split in Split:
            task = one.make_task(Random(5), split)
            assert task == whole.make_task(Random(5), split, level - 1)
            practised = one.practice_task(Random(6), split)
            assert practised == whole.practice_task(Random(6), split, level - 1)


def test_rules_that_are_named_are_the_rules_of_every_task() -> None:
    some = ENVIRONMENTS["constraints?rules=lowercase,number"]
    assert (some.slug, some.difficulty_count) == ("constraints?rules=lowercase,number", 1)
    for seed in range(50):
        for split in (Split.TRAIN, Split.HELDOUT):
            task = some.make_task(Random(seed), split)
            assert [rule["rule"] for rule in task.data["rules"]] == ["lowercase", "number"]
        unseen = some.make_task(Random(seed), Split.UNSEEN).data["rules"]
        assert [rule["rule"] for rule in unseen] != ["lowercase", "number"]


def test_any_two_rules_that_go_together_make_tasks_that_code_can_solve() -> None:
    for names in combinations(TRAIN_RULES, 2):
        key = f"constraints?rules={','.join(names)}"
        if not go_together(*(RULES[name] for name in names)):
            assert "at once" in ENVIRONMENTS.problem_with(key)
            continue
        environment = ENVIRONMENTS[key]
        for split in (Split.TRAIN, Split.HELDOUT):
            task = environment.make_task(Random(7), split)
            answer = environment.solve(environment.begin(task, 1), 0, Random(7))
            assert environment.score(task, answer).passed, task.prompt
