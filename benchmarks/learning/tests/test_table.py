import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.learning import bench, table
from benchmarks.learning.bench import ARMS
from benchmarks.learning.exam import (
    ARITHMETIC,
    PARTS,
    UNSEEN_KINDS,
    UNSEEN_PROMPTS,
    Reply,
    as_json,
    exam_tasks,
    gain,
    kinds_fallen_to_zero,
    lead,
    pass_rate,
)
from benchmarks.learning.table import Piece
from arena.config.env import REPOSITORY
from arena.environments import ENVIRONMENTS
from arena.environments.base import Split
from arena.tests.builders import make_base_model
from training.methods import config_from_json

RESULTS = REPOSITORY / "benchmarks" / "results"
README = (RESULTS / "README.md").read_text()


def make_exam(passed: list[int], kinds: list[str] | None = None) -> dict[str, Any]:
    one = {
        "kinds": kinds or ["a"] * len(passed),
        "passed": passed,
        "tokens": [10] * len(passed),
        "examples": [{"kind": "a", "passed": True, "tokens": 2, "text": "so it | is"}],
    }
    return dict.fromkeys(PARTS, one)


def make_result(arm: str = "dpo", seed: int = 0, **changes: Any) -> dict[str, Any]:
    values = {
        "arm": arm,
        "seed": seed,
        "minutes": 20.0,
        "together": 1,
        "matches": 2,
        "pairs": 30,
        "practice_answers": 0,
        "runs": [{"status": "adopted"}],
        "machine": "a machine",
        "commit": "abc",
        "base": make_exam([1, 0, 0, 0]),
        "exam": make_exam([1, 1, 1, 0]),
    }
    return values | changes


@pytest.mark.parametrize("part", PARTS)
def test_the_exam_is_always_the_same_and_balanced_over_kinds(part: str) -> None:
    tasks = exam_tasks(part)
    assert [task.key for task in tasks] == [task.key for task in exam_tasks(part)]
    assert len({task.key for task in tasks}) == len(tasks)
    counts = [sum(task.kind == kind for task in tasks) for kind in {task.kind for task in tasks}]
    assert max(counts) - min(counts) <= 1 or part == ARITHMETIC
    assert len(tasks) == PARTS[part].limit
    assert {task.split for task in tasks} == {PARTS[part].split}
    assert PARTS[part].split is not Split.TRAIN


def test_every_part_has_an_environment_and_every_arm_valid_settings() -> None:
    assert all(part.environment in ENVIRONMENTS for part in PARTS.values())
    for arm in ARMS.values():
        for config in arm.methods:
            assert config_from_json(config.as_json()) == config


@pytest.mark.django_db
def test_the_arm_of_models_is_that_of_dpo_without_a_coded_seat(settings: Any) -> None:
    make_base_model()
    settings.ENV = settings.ENV.model_copy(update={"base_model": "tiny"})
    coded, models = bench._space("dpo", 0), bench._space("models", 0)
    assert (coded.has_coded_seats, models.has_coded_seats) == (True, False)
    assert ARMS["models"].methods == ARMS["dpo"].methods
    assert "models" not in table.CONTROLS


def test_a_task_counts_by_the_share_of_its_answers_that_pass() -> None:
    def reply(passed: bool, text: str) -> Reply:
        return Reply(kind="a", passed=passed, tokens=len(text), text=text)

    tasks = [[reply(True, "one"), reply(False, "three")], [reply(False, "no"), reply(False, "no")]]
    kept = as_json({UNSEEN_PROMPTS: tasks})[UNSEEN_PROMPTS]
    assert (kept["kinds"], kept["passed"], kept["tokens"]) == (["a", "a"], [0.5, 0], [4, 2])
    assert [one["text"] for one in kept["examples"]] == ["one"]
    assert pass_rate([{UNSEEN_PROMPTS: kept}], UNSEEN_PROMPTS).value == pytest.approx(0.25)


def test_the_published_intervals_are_those_of_the_published_pieces() -> None:
    pieces = table.read(RESULTS / "learning.json")["results"]
    exams = [one["exam"] for one in pieces if (one["arm"], one["minutes"]) == ("dpo", 22)]
    (row,) = [line for line in README.splitlines() if line.startswith("| DPO | A, A, B |")]
    assert str(pass_rate(exams, UNSEEN_PROMPTS)) == row.split(" | ")[3]


def test_gain_is_the_ratio_of_pass_rates_within_its_interval() -> None:
    base, after = [make_exam([1, 0, 0, 0] * 20)], [make_exam([1, 1, 1, 0] * 20)]
    found = gain(after, base, UNSEEN_PROMPTS)
    assert found.value == pytest.approx(3.0)
    assert found.low < 3.0 < found.high
    assert pass_rate(after, UNSEEN_PROMPTS).value == pytest.approx(0.75)


def test_a_lead_is_the_difference_of_pass_rates_within_its_interval() -> None:
    ahead, behind = [make_exam([1, 1, 1, 0] * 20)], [make_exam([1, 0, 0, 0] * 20)]
    found = lead(ahead, behind, UNSEEN_PROMPTS)
    assert found.value == pytest.approx(0.5)
    assert 0 < found.low < 0.5 < found.high < 1
    assert lead(behind, ahead, UNSEEN_PROMPTS).value == pytest.approx(-0.5)


def test_arms_stand_beside_the_controls_of_their_budget_over_the_seeds_of_both() -> None:
    assert set(table.CONTROLS) == {
        name for name, arm in ARMS.items() if arm.explanation.startswith("control")
    }
    content = {
        "results": [
            make_result(),
            make_result(seed=1, exam=make_exam([0, 0, 0, 0])),  # the control has no such seed
            make_result("sft", exam=make_exam([1, 1, 0, 0])),
            make_result("random", together=3),  # another budget
        ]
    }
    found = [line for line in table.table(content).splitlines() if " minus " in line]
    assert [line.split(" | ")[2:4] for line in found] == [["dpo minus sft", "1"]]
    assert found[0].split(" | ")[4].startswith("0.250 [")
    alone = {"results": [make_result(), make_result("grpo")]}
    assert " minus " not in table.table(alone)


def test_no_change_has_an_interval_around_one() -> None:
    exams = [make_exam([1, 0, 1, 0] * 10)]
    found = gain(exams, exams, UNSEEN_KINDS)
    assert (found.low, found.value, found.high) == (1.0, 1.0, 1.0)


def test_a_kind_that_nobody_passes_any_more_is_named() -> None:
    kinds = ["a", "a", "b", "b", "c", "c"]
    base = [make_exam([1, 0, 1, 1, 0, 0], kinds)]
    after = [make_exam([1, 1, 0, 0, 0, 0], kinds)]
    assert kinds_fallen_to_zero(after, base, UNSEEN_PROMPTS) == ["b"]


def test_files_are_resumed_and_merged_piece_by_piece(tmp_path: Path) -> None:
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    content = table.read(first)
    content["results"].append(make_result())
    table.write(first, content)
    again = table.read(first)
    assert table.has(again, Piece(20.0, 1, "dpo", 0))
    for other in (
        Piece(20.0, 1, "dpo", 1),
        Piece(5.0, 1, "dpo", 0),
        Piece(20.0, 6, "dpo", 0),
        Piece(20.0, 1, "grpo", 0),
    ):
        assert not table.has(again, other)
    others = [make_result(seed=1), make_result(matches=9), make_result("grpo")]
    table.write(second, {"format": table.FORMAT, "results": others})
    whole = table.merged([again, table.read(second)])
    assert [(one["arm"], one["seed"]) for one in whole["results"]] == [
        ("dpo", 0),
        ("dpo", 1),
        ("grpo", 0),
    ]
    assert whole["results"][0]["matches"] == 9


def test_the_base_sits_its_exam_once_for_one_commit() -> None:
    exam = make_exam([0, 1])
    content = {"results": [make_result(base=exam), make_result(base=exam, commit="abd-dirty")]}
    here = "a machine"
    assert table.base_exam(content, commit="abc", machine=here) == exam
    assert table.base_exam(content, commit="abc", machine="another") is None
    for commit in ("abd-dirty", "other", table.UNKNOWN_COMMIT):
        assert table.base_exam(content, commit=commit, machine=here) is None


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"format": 99}), ""])
def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(table.BadFile, match=r"results\.json"):
        table.read(path)
    assert path.read_text() == text


def test_a_row_names_the_machines_of_its_pieces() -> None:
    content = {
        "results": [
            make_result(),
            make_result(seed=1, machine="b machine", commit="def"),
            make_result("grpo", machine="b machine", commit="def"),
        ]
    }
    text = table.table(content)
    assert "| 1, 2 | 20 | 1 | dpo | 2 |" in text
    assert "| 2 | 20 | 1 | grpo | 1 |" in text
    assert "Machine 2: b machine; commit def" in text


def test_parts_that_an_earlier_exam_did_not_have_are_left_out() -> None:
    earlier = {UNSEEN_PROMPTS: make_exam([1, 0, 0, 0])[UNSEEN_PROMPTS]}
    results = [make_result(), make_result("random", base=earlier, exam=earlier)]
    text = table.table({"results": results})
    assert text.count("| 1 | arithmetic |") == 1
    assert text.count(f"| 1 | {UNSEEN_PROMPTS} |") == 2


def test_the_table_shows_every_arm_and_part_and_examples() -> None:
    content = {"results": [make_result(), make_result("random", exam=make_exam([0, 0, 0, 1]))]}
    text = table.table(content)
    for part in PARTS:
        assert text.count(f"| 1 | {part} |") == 2
    assert "Machine 1: a machine; commit abc" in text
    assert '"so it | is"' in text
    assert "fell to zero: a" not in text.split("- random,")[0]
