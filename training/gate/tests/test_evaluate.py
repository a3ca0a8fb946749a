import itertools
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.client import InferenceUnavailable, NoNumbers, RequestRefused
from arena.environments import ENVIRONMENTS
from arena.environments.base import Split
from arena.environments.constraints.rules import TRAIN_RULES
from arena.environments.games.tictactoe import TicTacToe
from arena.tests.ladder import Ladder
from training.gate.decisions import KindCount
from training.gate.drift import trainer_view
from training.gate.evaluate import RECHECK_TASKS, GateInconclusive, NeverAnswers
from training.gate.figures import Side
from training.gate.sitting import draw_kind, draw_tasks
from training.gate.tests.builders import (
    CHILD,
    PARENT,
    Letters,
    ScriptedModel,
    always,
    failing,
    make_exam,
    run_gate,
)

# --- drawing -------------------------------------------------------------------------------


GAMES = sorted(slug for slug in ENVIRONMENTS if ENVIRONMENTS[slug].turn_limit > 1)
QUESTIONS = sorted(set(ENVIRONMENTS) - set(GAMES))


@given(st.integers(0, 2**32), st.integers(1, 64), st.sampled_from(QUESTIONS))
def test_tasks_are_heldout_different_and_balanced_over_kinds(
    seed: int, count: int, slug: str
) -> None:
    tasks = draw_tasks(ENVIRONMENTS[slug], rng=Random(seed), count=count)
    assert len({task.prompt for task in tasks}) == len(tasks) == count
    assert {task.split for task in tasks} == {Split.HELDOUT}
    of_kind = [sum(task.kind == kind for task in tasks) for kind in {task.kind for task in tasks}]
    assert max(of_kind) - min(of_kind) <= 1


@pytest.mark.parametrize("slug", GAMES)
def test_positions_of_a_game_are_heldout_and_look_different(slug: str) -> None:
    tasks = draw_tasks(ENVIRONMENTS[slug], rng=Random(1), count=16)
    assert len({task.prompt for task in tasks}) == len(tasks) == 16
    assert {task.split for task in tasks} == {Split.HELDOUT}


def test_a_game_is_examined_in_positions_with_the_moves_that_its_space_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    game = TicTacToe()
    model = always("5", "5")
    run_gate(monkeypatch, model, make_exam(game, restricts_moves=True))
    assert all("free square" in prompt for _, prompt, _ in model.asked)
    assert len(set(model.choices)) > 3, "positions of different depths"
    assert all(set(choices) <= set("123456789") and choices for choices in model.choices)


def test_every_kind_of_constraints_is_in_the_gates_tasks() -> None:
    constraints = ENVIRONMENTS["constraints"]
    tasks = draw_tasks(constraints, rng=Random(1), count=64)
    assert {task.kind for task in tasks} == set(TRAIN_RULES)
    tasks = draw_tasks(constraints, rng=Random(1), count=64, weights=(0.8, 0.15, 0.05))
    assert {task.kind for task in tasks} == {*TRAIN_RULES, "combined"}


def test_the_same_seed_draws_the_same_tasks() -> None:
    drawn = [draw_tasks(Letters(), rng=Random("gate:5"), count=8) for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_an_environment_with_few_tasks_gives_each_once() -> None:
    assert len(draw_tasks(Letters(tasks=3), rng=Random(1), count=64)) == 3


def test_more_tasks_of_a_kind_are_new_ones() -> None:
    letters = Letters(kinds=("a", "b"), tasks=10)
    first = draw_tasks(letters, rng=Random(1), count=8)
    known = {task.prompt for task in first}
    more = draw_kind(make_exam(letters), "a", rng=Random(2), count=8, known=known)
    assert {task.kind for task in more} == {"a"}
    assert not {task.prompt for task in more} & known
    assert len(more) == 10 - sum(task.kind == "a" for task in first)


MIX = (0.1, 0.6, 0.0, 0.3)


def test_difficulties_have_their_shares_in_every_look() -> None:
    tasks = draw_tasks(Ladder(), rng=Random("gate:5"), count=40, weights=MIX)
    for look in (tasks[:20], tasks[20:]):
        levels = Counter(task.kind for task in look)
        assert levels == {"level 0": 2, "level 1": 12, "level 3": 6}
    assert len({task.prompt for task in tasks}) == 40
    assert {task.split for task in tasks} == {Split.HELDOUT}
    assert tasks == draw_tasks(Ladder(), rng=Random("gate:5"), count=40, weights=MIX)


def test_a_difficulty_that_a_package_no_longer_has_is_not_asked() -> None:
    class Shorter(Ladder):
        difficulty_count = 2

    tasks = draw_tasks(Shorter(), rng=Random(1), count=7, weights=MIX)
    assert Counter(task.kind for task in tasks) == {"level 0": 1, "level 1": 6}


def test_parent_and_child_sit_the_mix_that_the_record_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = always("no", "no")
    exam = make_exam(Ladder(), task_count=20, difficulty_weights=MIX)
    probe = make_exam(Ladder(), slug="probe", difficulty_weights=(0.5, 0.5))
    gate = run_gate(monkeypatch, model, exam, probes=[probe])
    assert model.prompts(PARENT) == model.prompts(CHILD)
    assert sum("Level 3" in prompt for prompt in model.prompts(CHILD)) == 6 * gate.own.tasks / 20
    assert gate.own.difficulty_weights == MIX
    assert gate.probes[0].difficulty_weights == (0.5, 0.5)


# --- the Space's own tasks -----------------------------------------------------------------


def test_parent_and_child_answer_the_same_heldout_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    model, environment = always("abab", "aaaa"), Letters()
    gate = run_gate(monkeypatch, model, make_exam(environment))
    assert environment.splits == {Split.HELDOUT}
    assert model.prompts(PARENT) == model.prompts(CHILD)
    assert len(set(model.prompts(CHILD))) == 16
    assert gate.own.tasks == 16
    assert gate.own.parent == Side(mean=0.5, passed=0)
    assert gate.own.child == Side(mean=1.0, passed=16)
    assert gate.own.decision.difference == 0.5
    assert gate.kinds == {"letter": KindCount(tasks=16, parent_passed=0, child_passed=16)}
    assert (gate.passed, gate.refusals) == (True, ())
    assert gate.examples[0].child == "aaaa"
    assert gate.in_words().startswith("On 16 held-out tasks the mean scores are 1.000 (new)")


def test_the_spaces_limit_on_answers_holds_as_in_a_match(monkeypatch: pytest.MonkeyPatch) -> None:
    model = always("a", "a")
    run_gate(monkeypatch, model, probes=[make_exam(slug="long", max_tokens=256)])
    assert {max_tokens for *_, max_tokens in model.asked} == {32, 64}


def test_a_child_that_is_behind_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = run_gate(monkeypatch, always("aab", "abb"))
    assert gate.passed is False
    assert gate.own.tasks == 16, "that needs no second look"
    behind, perhaps_further = gate.refusals
    assert behind == "The new version is 33.3 points behind its parent on the held-out tasks."
    assert perhaps_further == (
        "On other tasks like them it may be more than 5.0 points behind: with 94% confidence the "
        "difference is at least −33.3 points."
    )
    assert gate.in_words().startswith("The new version is 33.3 points behind its parent")


def test_a_lead_that_may_be_luck_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: dict[str, int] = {}

    def say(name: str, prompt: str) -> str:
        number = order.setdefault(prompt, len(order))
        return "a" if (number % 15 < 7) == (name == PARENT) else "b"

    gate = run_gate(monkeypatch, ScriptedModel(say), make_exam(task_count=15))
    assert gate.own.decision.difference >= 0
    assert gate.own.tasks == 30, "it was looked at twice"
    assert "may be luck" in gate.refusals[0]


def test_what_one_look_leaves_open_a_second_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    order: dict[str, int] = {}

    def say(name: str, prompt: str) -> str:
        number = order.setdefault(prompt, len(order))
        return "a" if (number < 7) == (name == PARENT) else "b"

    model = ScriptedModel(say)
    gate = run_gate(monkeypatch, model, make_exam(task_count=15))
    assert (gate.own.tasks, gate.passed) == (30, True)
    assert len(set(model.prompts(CHILD))) == len(model.prompts(CHILD)) == 30


# --- kinds ---------------------------------------------------------------------------------

KINDS = ("bullets", "quotes", "title", "number")


def test_a_kind_that_fell_to_zero_refuses_an_otherwise_better_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def say(name: str, prompt: str) -> str:
        return "a" if prompt.endswith("title") == (name == PARENT) else "b"

    gate = run_gate(monkeypatch, ScriptedModel(say), make_exam(Letters(kinds=KINDS)))
    assert gate.own.decision.difference > 0
    tasks = 4 + RECHECK_TASKS
    assert gate.kinds["title"] == KindCount(tasks=tasks, parent_passed=tasks, child_passed=0)
    assert gate.kinds["number"] == KindCount(tasks=4, parent_passed=0, child_passed=4)
    (refusal,) = gate.refusals
    assert refusal == (
        "It has unlearned a kind of task: title. It passes none, while its parent passes "
        f"{tasks} of {tasks}."
    )
    assert gate.own.tasks == 16, "the second look changes no mean"


def test_a_kind_that_fell_by_bad_luck_passes_at_the_second_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    titles = itertools.count()

    def say(name: str, prompt: str) -> str:
        if name == PARENT:
            return "a" if prompt.endswith("title") else "b"
        return "b" if prompt.endswith("title") and next(titles) < 4 else "a"

    gate = run_gate(monkeypatch, ScriptedModel(say), make_exam(Letters(kinds=KINDS)))
    title = gate.kinds["title"]
    assert (title.tasks, title.child_passed) == (4 + RECHECK_TASKS, RECHECK_TASKS)
    assert gate.passed is True


@pytest.mark.slow
def test_unchanged_children_are_hardly_ever_refused_for_a_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = Random(5)
    model = ScriptedModel(lambda name, _: "a" if rng.random() < 0.4 else "b")
    refused = 0
    for seed in range(60):
        own = make_exam(Letters(kinds=tuple("abcdefghijklmnop")), task_count=64)
        gate = run_gate(monkeypatch, model, own, rng=Random(f"gate:{seed}"))
        refused += any("unlearned" in sentence for sentence in gate.refusals)
    assert refused <= 2, "without the second look about a quarter are"


# --- drift ---------------------------------------------------------------------------------


def test_a_server_that_plays_the_trained_adapter_is_no_drift(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drift = run_gate(monkeypatch, always("b", "a")).drift
    assert drift is not None
    assert (drift.drifted, drift.mean_child, drift.mean_change) == (False, 0.0, 1.0)


def test_a_better_child_whose_server_plays_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = always("b", "a")
    model.logprobs[CHILD] = model.logprobs[PARENT]
    gate = run_gate(monkeypatch, model)
    assert gate.passed is False
    assert gate.drift is not None
    assert gate.refusals == (gate.drift.why,)
    assert "does not play the adapter that was trained" in gate.in_words()


def test_a_trainer_that_left_nothing_to_compare_is_no_drift(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = run_gate(monkeypatch, always("b", "a"), trained=trainer_view({}, precision="nf4"))
    assert (gate.drift, gate.passed) == (None, True)


def test_a_server_that_could_score_nothing_has_not_shown_that_it_plays_what_was_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = always("b", "a")

    async def refuse(*_: object) -> list[float]:
        raise RequestRefused("too long")

    monkeypatch.setattr(model, "score_tokens", refuse)
    with pytest.raises(GateInconclusive, match="could score none of the trainer's answers"):
        run_gate(monkeypatch, model)


# --- faults --------------------------------------------------------------------------------


def test_a_passing_fault_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model = always("a", "a")
    model.faults = 2
    assert run_gate(monkeypatch, model).own.tasks == 16


def test_servers_that_stay_away_are_never_a_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InferenceUnavailable):
        run_gate(monkeypatch, failing(CHILD, InferenceUnavailable("gone")))


def test_a_prompt_that_leaves_no_room_to_answer_is_not_a_fault_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(NeverAnswers, match="16 of 16 held-out tasks got no answer"):
        run_gate(monkeypatch, failing(PARENT, RequestRefused("too long")))


def test_a_child_that_computes_no_numbers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = run_gate(monkeypatch, failing(CHILD, NoNumbers()))
    assert gate.passed is False


def test_empty_answers_that_nobody_judges_are_not_a_fault_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(NeverAnswers):
        run_gate(monkeypatch, always("a", " "), make_exam(panel=[]))


def test_judges_that_fail_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GateInconclusive):
        run_gate(monkeypatch, always("a", "b"), make_exam(panel=[]))


def test_a_lost_lease_ends_the_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        run_gate(monkeypatch, always("a", "a"), heartbeat=lost)
