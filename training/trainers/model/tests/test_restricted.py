"""Answers drawn among listed moves: normalised over what was allowed, and nothing else changes."""

from itertools import chain

import pytest
import torch

from training.methods.dpo import DPO, DPOConfig
from training.methods.examples import GROUPS, PAIRS, Allowed, Example, Unit
from training.methods.grpo import GRPO, GRPOConfig
from training.trainers.model.base_model import FrozenBase, _TokenLogprobs, wrap_base
from training.trainers.model.lora import AdapterWeights
from training.trainers.model.packing import Row, pack
from training.trainers.model.tests.test_packing import adapter_of, some_tasks
from training.trainers.step import Step
from training.trainers.tests.builders import tiny_model

END = 2
PROMPT = list(range(20, 45))
SEVEN: Allowed = [[5, 7, 9], [END]]
TEN: Allowed = [[5, 7, 9], [END, 4, 6], [END]]  # it begins as another move does
UNITS = [
    Unit(PROMPT, ((7, END), (9, 4, END)), (SEVEN, TEN)),
    Unit([*PROMPT, 50], ((7, 31, END), (5, 6, END)), ((), TEN)),  # one of a pair may be free
    Unit([*PROMPT, 51], ((60, 61),)),
]


@pytest.fixture(scope="module")
def base() -> FrozenBase:
    return wrap_base(tiny_model())


def directly(base: FrozenBase, unit: Unit, adapter: AdapterWeights | None) -> torch.Tensor:
    """By definition: the softmax of the allowed tokens' logits, one answer after the other."""
    found = []
    for answer, allowed in zip(unit.answers, unit.allowed or [()] * 9, strict=False):
        alone = next(pack([Unit(unit.prompt_ids, (answer,))], max_tokens=1))
        logits = base.hidden_states(alone, adapter) @ base._head.T
        for head, token, among in zip(logits, answer, allowed or [range(96)] * 9, strict=False):
            kept = list(among)
            found.append(head[kept].log_softmax(-1)[kept.index(token)])
    return torch.stack(found)


@pytest.mark.parametrize("max_tokens", [1, 2000])
def test_logprobs_and_gradients_over_what_was_allowed_equal_a_direct_computation(
    base: FrozenBase, max_tokens: int
) -> None:
    adapter = adapter_of(base)
    weights = torch.arange(1.0, 1.0 + sum(unit.answer_tokens for unit in UNITS))
    gradients = []
    for computed in (
        lambda: torch.cat(
            [base.token_logprobs(row, adapter) for row in pack(UNITS, max_tokens=max_tokens)]
        ),
        lambda: torch.cat([directly(base, unit, adapter) for unit in UNITS]),
    ):
        adapter.grad.zero_()
        logprobs = computed()
        (logprobs * weights).sum().backward()
        gradients.append((logprobs.detach(), adapter.grad.clone()))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_token_without_an_alternative_is_certain_and_pulls_at_nothing(base: FrozenBase) -> None:
    adapter = adapter_of(base)
    adapter.grad.zero_()
    only = Unit(PROMPT, ((7, END),), ([[7], [END]],))
    logprobs = base.token_logprobs(next(pack([only], max_tokens=99)), adapter)
    logprobs.sum().backward()
    assert logprobs.tolist() == [0.0, 0.0]
    assert not adapter.grad.any()


def test_unrestricted_answers_are_computed_as_before_bit_for_bit(base: FrozenBase) -> None:
    """One product with the whole embedding for all tokens of the row, and no mask."""
    for row in pack(some_tasks(5), max_tokens=500):
        assert row.restriction is None
        hidden = base.hidden_states(row, None)
        before = _TokenLogprobs.apply(hidden, base._head, row.head_of, row.targets)
        assert torch.equal(base.token_logprobs(row, None), before)


def logprobs_of(base: FrozenBase, row: Row, adapter: AdapterWeights) -> torch.Tensor:
    with torch.no_grad():
        return base.token_logprobs(row, adapter)


def step_of(base: FrozenBase, example: Example, adapter: AdapterWeights) -> tuple[Step, Row]:
    (row,) = pack(example.units, max_tokens=2000)
    parent = torch.split(logprobs_of(base, row, adapter), list(row.unit_lengths))
    return Step((example,), (parent,)), row


def test_on_policy_ratios_of_restricted_answers_are_exactly_1(base: FrozenBase) -> None:
    adapter = adapter_of(base)
    answers = [((7, END), SEVEN), ((9, 4, END), TEN), ((9, 6, END), TEN), ((5, END), SEVEN)]

    def read(stored: list[list[float]] | list[None]) -> Example:
        line = {
            "prompt_ids": PROMPT,
            "answers": [
                {
                    "ids": list(ids),
                    "reward": place / 3,
                    "logprobs": logprobs,
                    "allowed_token_ids": sets,
                }
                for place, ((ids, sets), logprobs) in enumerate(zip(answers, stored, strict=True))
            ],
        }
        example = GROUPS.read(line, 100)
        assert example is not None
        return example

    (row,) = pack(read([None] * 4).units, max_tokens=2000)
    drawn = torch.split(logprobs_of(base, row, adapter), list(row.lengths))
    step, row = step_of(base, read([one.tolist() for one in drawn]), adapter)
    share = GRPO().share(GRPOConfig(beta=0.1), step, row, base.token_logprobs(row, adapter))
    assert (share.figures["ratio"], share.figures["clipped"]) == (1.0, 0.0)
    assert share.figures["kl"] == 0.0
    # Over the whole vocabulary, the same answers would look like those of another policy.
    free = base.token_logprobs(
        next(pack([Unit(PROMPT, tuple(ids for ids, _ in answers))], max_tokens=2000)), adapter
    )
    assert float((free - torch.cat(drawn)).detach().exp().mean()) < 0.5


def test_a_pair_of_moves_prefers_nothing_before_the_first_step(base: FrozenBase) -> None:
    line = {
        "prompt_ids": PROMPT,
        "chosen_ids": [7, END],
        "rejected_ids": [9, 4, END],
        "noise": 0.1,
        "chosen_allowed_token_ids": SEVEN,
        "rejected_allowed_token_ids": TEN,
    }
    example = PAIRS.read(line, 100)
    assert example is not None
    assert set(chain(*SEVEN, *TEN)) <= set(example.tokens()), "their ids are checked, too"
    adapter = adapter_of(base)
    step, row = step_of(base, example, adapter)
    share = DPO().share(DPOConfig(), step, row, base.token_logprobs(row, adapter))
    assert (share.figures["reward_margin"], share.figures["kl"]) == (0.0, 0.0)


@pytest.mark.parametrize("allowed", [[[5, 9], [END]], [[5, 7]], [[5, 7], []]])
def test_a_line_whose_token_was_not_allowed_is_invalid(allowed: list[list[int]]) -> None:
    line = {"prompt_ids": PROMPT, "chosen_ids": [7, END], "rejected_ids": [9, END], "noise": 0.1}
    with pytest.raises(ValueError):  # noqa: PT011  either of zip or of the reader
        PAIRS.read(line | {"chosen_allowed_token_ids": allowed}, 100)
