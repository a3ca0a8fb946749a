import random
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.configs.configs import Targets
from training.methods.examples import Unit
from training.trainers.model.base_model import FrozenBase, wrap_base
from training.trainers.model.lora import AdapterWeights, plan_adapter
from training.trainers.model.packing import Row, pack
from training.trainers.tests.builders import some_ids, tiny_model

short = st.lists(st.integers(0, 2), min_size=1, max_size=5)  # few tokens: many shared beginnings
some_units = st.lists(
    st.builds(Unit, short, st.lists(short, min_size=1, max_size=3).map(tuple)),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def base() -> FrozenBase:
    return wrap_base(tiny_model())


def adapter_of(base: FrozenBase) -> AdapterWeights:
    """Not at its beginning, where it adds nothing."""
    adapter = base.room_for(plan_adapter(Targets.ALL_LINEAR, rank=4, alpha=8, shapes=base.shapes))
    adapter.initialize(seed=0)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        adapter.values.add_(0.05 * torch.randn(adapter.values.shape, generator=generator))
    adapter.refresh()
    return adapter


def sequences_of(row: Row) -> list[list[int]]:
    """What each head's answer token sees, root first, and that token."""
    size = len(row.ids)
    seen = []
    for head, target in zip(row.head_of.tolist(), row.targets.tolist(), strict=True):
        at = int(row.heads[head])
        path = [before for before in range(at + 1) if int(row.ends[before]) > at]
        assert [int(row.positions[place]) for place in path] == list(range(len(path)))
        assert all(place < int(row.ends[place]) <= size for place in path)
        seen.append([int(row.ids[place]) for place in path] + [target])
    return seen


def plain_sequences(units: Sequence[Unit]) -> list[list[int]]:
    return [
        [*unit.prompt_ids, *answer[: length + 1]]
        for unit in units
        for answer in unit.answers
        for length in range(len(answer))
    ]


@given(units=some_units, max_tokens=st.integers(1, 30))
@settings(max_examples=200)
def test_each_answer_token_sees_its_own_prompt_and_answer_and_nothing_else(
    units: list[Unit], max_tokens: int
) -> None:
    rows = list(pack(units, max_tokens=max_tokens))
    assert [index for row in rows for index in row.units] == list(range(len(units)))
    assert [seen for row in rows for seen in sequences_of(row)] == plain_sequences(units)
    for row in rows:
        assert len(row.ids) <= max_tokens or len(row.units) == 1
        assert list(row.lengths) == [len(a) for index in row.units for a in units[index].answers]


@given(units=some_units)
@settings(max_examples=100)
def test_no_beginning_is_computed_twice_in_a_row(units: list[Unit]) -> None:
    (row,) = pack(units, max_tokens=10_000)
    beginnings = {
        tuple(ids[:length])
        for unit in units
        for answer in unit.answers
        for ids in [[*unit.prompt_ids, *answer[:-1]]]
        for length in range(1, len(ids) + 1)
    }
    assert len(row.ids) == len(beginnings)


def some_tasks(count: int) -> list[Unit]:
    """Longer than a chunk of queries, with a shared beginning."""
    source = random.Random(1)
    shared = some_ids(source, 40, 40)
    return [
        Unit(
            shared + some_ids(source, 1, 30),
            tuple(some_ids(source, 1, 40) for _ in range(source.randint(1, 4))),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("has_adapter", [False, True])
@pytest.mark.parametrize("max_tokens", [100, 2000])
def test_packed_logprobs_are_those_of_each_sequence_alone(
    base: FrozenBase, has_adapter: bool, max_tokens: int
) -> None:
    units = some_tasks(5)
    adapter = adapter_of(base) if has_adapter else None
    packed = [
        base.token_logprobs(row, adapter).detach() for row in pack(units, max_tokens=max_tokens)
    ]
    plain = tiny_model()
    if adapter is not None:
        merge(plain, adapter)
    alone = []
    for unit in units:
        for answer in unit.answers:
            ids = torch.tensor([[*unit.prompt_ids, *answer]])
            with torch.no_grad():
                logprobs = plain(ids).logits[0].log_softmax(-1)
            places = torch.arange(len(unit.prompt_ids) - 1, ids.shape[1] - 1)
            alone.append(logprobs[places, torch.tensor(answer)])
    torch.testing.assert_close(torch.cat(packed), torch.cat(alone), rtol=1e-4, atol=1e-4)


def merge(model: torch.nn.Module, adapter: AdapterWeights) -> None:
    """Add the adapter's product to the weights themselves."""
    with torch.no_grad():
        for name, pair in adapter.pairs.items():
            weight = model.get_submodule(name).weight
            assert isinstance(weight, torch.Tensor)
            weight.add_(adapter.plan.scale * pair.b @ pair.a)


def test_gradients_of_packed_rows_are_those_of_each_sequence_alone(base: FrozenBase) -> None:
    units, adapter = some_tasks(5), adapter_of(base)
    weights = torch.randn(sum(unit.answer_tokens for unit in units))
    gradients = []
    for max_tokens in (1, 2000):  # each unit alone, and all in one row
        adapter.grad.zero_()
        at = 0
        for row in pack(units, max_tokens=max_tokens):
            logprobs = base.token_logprobs(row, adapter)
            (logprobs * weights[at : at + len(logprobs)]).sum().backward()
            at += len(logprobs)
        gradients.append(adapter.grad.clone())
    assert float(gradients[0].abs().max()) > 1
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)
