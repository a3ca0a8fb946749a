import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.client import Inference, InferenceUnavailable, RequestRefused, ServedModel
from training.configs.configs import Precision
from training.gate.drift import (
    BASE_BOUND,
    MAX_DISTANCE,
    MAX_SEQUENCES,
    Drift,
    ServedSequence,
    TrainedSequence,
    TrainerView,
    compare,
    decide_drift,
    trainer_view,
)
from training.gate.served import measure_drift

BASE, CHILD = ServedModel("base", "base", None), ServedModel("base", "agent-1.v2", None)
NOISE = {Precision.BF16: 0.048, Precision.NF4: 0.631}  # mean distance of the bases, measured
anything = st.floats(allow_nan=True, allow_infinity=True)


def around(rng: Random, values: list[float], distance: float) -> list[float]:
    """The values with normal noise of that mean size."""
    return [value + rng.gauss(0, distance * 1.2533) for value in values]


def simulate(
    precision: Precision, *, change: float, served: str = "adapter", trainer_noise: float = 0.0
) -> Drift:
    """512 tokens of a base, an adapter of that mean size, and what a server makes of both.

    nf4 is a base of its own: part of its noise is the same with and without the adapter.
    """
    rng = Random(f"{precision}{change}{served}")
    noise = NOISE[precision]
    truth = [-rng.expovariate(0.5) for _ in range(512)]
    learned = around(rng, [0.0] * 512, change)
    other = around(rng, [0.0] * 512, change)
    shift = around(rng, [0.0] * 512, noise * 0.9)
    base = around(rng, [a + b for a, b in zip(truth, shift, strict=True)], noise * 0.3)
    adapted = [a + b + c for a, b, c in zip(truth, shift, learned, strict=True)]
    adapted = around(rng, around(rng, adapted, noise * 0.3), trainer_noise)
    moved = {"adapter": learned, "base": [0.0] * 512, "other": other}[served]
    answer = ServedSequence([a + b for a, b in zip(truth, moved, strict=True)], truth)
    trained = TrainedSequence([1], list(range(512)), adapted, base)
    return compare([(trained, answer)], precision=precision)


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("change", [0.01, 0.1, 0.3, 0.6, 1.0, 1.5])
def test_the_adapter_itself_never_drifts(precision: Precision, change: float) -> None:
    drift = simulate(precision, change=change)
    assert not drift.drifted, drift


@pytest.mark.parametrize(
    ("precision", "change"),
    [(Precision.BF16, 0.3), (Precision.BF16, 1.0), (Precision.NF4, 0.6), (Precision.NF4, 1.0)],
)
@pytest.mark.parametrize("served", ["base", "other"])
def test_a_server_without_the_adapter_or_with_another_drifts(
    precision: Precision, change: float, served: str
) -> None:
    drift = simulate(precision, change=change, served=served)
    assert drift.drifted
    assert "does not play the adapter" in drift.why


@pytest.mark.parametrize("precision", list(Precision))
def test_a_trainer_whose_numbers_broke_drifts(precision: Precision) -> None:
    assert simulate(precision, change=0.1, trainer_noise=2.0).drifted


@pytest.mark.parametrize("precision", list(Precision))
def test_another_base_model_drifts(precision: Precision) -> None:
    far = BASE_BOUND[precision] + 0.1
    trained = TrainedSequence([1], [2], [-1.0 - far], [-1.0 - far])
    drift = compare([(trained, ServedSequence([-1.0], [-1.0]))], precision=precision)
    assert drift.drifted
    assert "same base model" in drift.why


# What the real model gave (see training.gate.drift): mean_change, and the mean distances of the child
# and of the changes.
MEASURED = [
    (Precision.BF16, "the adapter itself", 0.456, 0.047, 0.066, False),
    (Precision.BF16, "the adapter itself", 1.465, 0.050, 0.073, False),
    (Precision.BF16, "plain base", 0.456, 0.453, 0.456, True),
    (Precision.BF16, "another adapter", 1.465, 1.358, 1.360, True),
    (Precision.BF16, "an earlier version", 1.465, 0.595, 0.591, True),
    (Precision.NF4, "the adapter itself", 0.094, 0.607, 0.090, False),
    (Precision.NF4, "the adapter itself", 0.485, 0.541, 0.285, False),
    (Precision.NF4, "the adapter itself", 1.510, 0.558, 0.612, False),
    (Precision.NF4, "an adapter that learned badly, itself", 1.112, 0.786, 0.743, False),
    (Precision.NF4, "plain base", 0.485, 0.742, 0.485, True),
    (Precision.NF4, "plain base", 1.510, 1.512, 1.510, True),
    (Precision.NF4, "another adapter", 0.094, 1.600, 1.429, True),
    (Precision.NF4, "another adapter", 0.485, 1.343, 1.205, True),
    (Precision.NF4, "an earlier version", 0.485, 0.695, 0.442, True),
    # The limit of what nf4 lets one see.
    (Precision.NF4, "a sibling of the same tasks", 1.510, 0.659, 0.757, False),
]


@pytest.mark.parametrize(("precision", "served", "change", "child", "mismatch", "drifts"), MEASURED)
def test_the_rule_tells_what_was_measured_apart(
    precision: Precision, served: str, change: float, child: float, mismatch: float, drifts: bool
) -> None:
    drift = decide_drift(
        mean_child=child,
        mean_base=NOISE[precision],
        mean_change=change,
        mean_mismatch=mismatch,
        precision=precision,
        sequences=16,
    )
    assert drift.drifted is drifts, served


@given(st.lists(st.tuples(anything, anything, anything, anything), min_size=1, max_size=8))
def test_whatever_the_numbers_are_the_figures_are_finite(
    tokens: list[tuple[float, float, float, float]],
) -> None:
    a, b, c, d = (list(column) for column in zip(*tokens, strict=True))
    trained = TrainedSequence([1], [1] * len(tokens), a, b)
    drift = compare([(trained, ServedSequence(c, d))], precision="nf4")
    assert 0 <= drift.mean_child <= MAX_DISTANCE
    assert 0 <= drift.mean_base <= MAX_DISTANCE
    assert drift.drifted == bool(drift.why)


def test_a_trainer_that_wrote_no_numbers_drifts() -> None:
    nan = float("nan")
    trained = TrainedSequence([1], [2], [nan], [-1.0])
    assert compare([(trained, ServedSequence([-1.0], [-1.0]))], precision="bf16").drifted


# --- asking the server ---------------------------------------------------------------------

SEQUENCE: dict[str, Any] = {
    "prompt_ids": [1, 2],
    "ids": [3],
    "logprobs": [-1.0],
    "base_logprobs": [-2.0],
}


class Server:
    """Replaces vLLM: a logprob for each model, or an error."""

    def __init__(self, **replies: Any) -> None:
        self.replies = {"base": -2.0, "child": -1.0} | replies
        self.allowed: list[Sequence[Sequence[int]]] = []

    async def score_tokens(
        self,
        model: ServedModel,
        prompt_ids: list[int],
        answer_ids: list[int],
        allowed_token_ids: Sequence[Sequence[int]],
    ) -> list[float]:
        self.allowed.append(allowed_token_ids)
        reply = self.replies["child" if model is CHILD else "base"]
        if isinstance(reply, Exception):
            raise reply
        return [reply] * len(answer_ids)


def ask(server: Server, trained: TrainerView) -> Drift | None:
    inference = cast(Inference, server)
    return asyncio.run(measure_drift(inference, child=CHILD, base=BASE, trained=trained))


def test_the_trainers_result_is_compared_with_the_servers() -> None:
    trained = trainer_view({"steps": 9, "drift": [SEQUENCE, SEQUENCE]}, precision="bf16")
    drift = ask(Server(), trained)
    assert drift is not None
    assert (drift.sequences, drift.mean_child, drift.mean_base) == (2, 0.0, 0.0)
    assert (drift.mean_change, drift.mismatch, drift.drifted) == (1.0, 0.0, False)
    forgetful = ask(Server(child=-2.0), trained)
    assert forgetful is not None
    assert forgetful.drifted


def test_only_so_many_sequences_are_asked() -> None:
    assert len(trainer_view({"drift": [SEQUENCE] * 99}, precision="nf4").sequences) == MAX_SEQUENCES


def test_nothing_to_compare_is_nothing_found() -> None:
    assert ask(Server(), trainer_view({}, precision="nf4")) is None
    too_long = Server(child=RequestRefused("too long"))
    assert ask(too_long, trainer_view({"drift": [SEQUENCE]}, precision="nf4")) is None


def test_a_server_that_is_away_is_no_drift() -> None:
    trained = trainer_view({"drift": [SEQUENCE]}, precision="nf4")
    with pytest.raises(InferenceUnavailable):
        ask(Server(base=InferenceUnavailable("gone")), trained)


def test_the_server_scores_a_restricted_answer_over_what_was_allowed() -> None:
    restricted = {
        **SEQUENCE,
        "ids": [3, 2],
        "logprobs": [-1.0, 0.0],
        "base_logprobs": [-2.0, 0.0],
        "allowed_token_ids": [[3, 4], [2]],
    }
    trained = trainer_view({"steps": 9, "drift": [restricted, SEQUENCE]}, precision="bf16")
    server = Server()
    drift = ask(server, trained)
    assert sorted(map(list, server.allowed)) == [[], [], [[3, 4], [2]], [[3, 4], [2]]]
    assert drift is not None
    # The end of the turn was certain on both sides, so it says nothing of how far they are apart.
    assert (drift.mean_child, drift.mean_change, drift.sequences) == (0.0, 1.0, 2)


def test_answers_without_an_alternative_tell_nothing_of_drift() -> None:
    certain = {**SEQUENCE, "logprobs": [0.0], "base_logprobs": [0.0], "allowed_token_ids": [[3]]}
    assert ask(Server(), trainer_view({"drift": [certain]}, precision="bf16")) is None
