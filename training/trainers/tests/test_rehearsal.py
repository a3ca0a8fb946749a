"""Rehearsal: the divergence from the base, and runs of the real trainer that stay near it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import kl_div

from training.configs.configs import Precision, Targets
from training.trainers.job import ADAPTER_FOLDER
from training.trainers.model.adapter_files import read_parent
from training.trainers.model.base_model import FrozenBase, load_base, wrap_base
from training.trainers.model.lora import AdapterWeights, plan_adapter
from training.trainers.model.packing import Row, pack
from training.trainers.rehearsal import ROW_TOKENS, Rehearsal, read_rehearsal, rehearse
from training.trainers.tests.builders import (
    some_rehearsal,
    steps_of,
    tiny_model,
    train,
    weights_of,
    write_job,
    write_lines,
)

UNSEEN = some_rehearsal(30, seed=1)


def rows_of(folder: Path, base: FrozenBase, lines: list[dict[str, Any]]) -> list[Row]:
    path = write_lines(folder / "rehearsal.jsonl", lines)
    units = read_rehearsal(path, vocabulary=base.vocabulary)
    return list(pack(units, max_tokens=ROW_TOKENS))


def test_divergences_and_their_gradient_are_torchs_own(tmp_path: Path) -> None:
    base = wrap_base(tiny_model())
    adapter = base.room_for(plan_adapter(Targets.ALL_LINEAR, rank=4, alpha=8, shapes=base.shapes))
    adapter.initialize(seed=0)
    with torch.no_grad():
        adapter.values.add_(0.05 * torch.randn(adapter.values.shape))
    adapter.refresh()
    row = rows_of(tmp_path, base, some_rehearsal(5))[0]
    with torch.no_grad():
        reference = base.hidden_states(row, None)
    ours = base.divergences(row, adapter, reference)
    (ours * torch.arange(1, len(ours) + 1)).sum().backward()
    gradient = adapter.grad.clone()
    adapter.grad.zero_()
    head = base.model.get_output_embeddings().weight
    theirs = kl_div(
        (base.hidden_states(row, adapter) @ head.T).log_softmax(-1),
        (reference @ head.T).log_softmax(-1),
        log_target=True,
        reduction="none",
    ).sum(-1)
    (theirs * torch.arange(1, len(theirs) + 1)).sum().backward()
    assert float(theirs.detach().min()) > 0.001
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert float(gradient.abs().max()) > 0.1
    torch.testing.assert_close(gradient, adapter.grad, rtol=1e-3, atol=1e-4)


def test_steps_take_the_rows_in_turn(tmp_path: Path) -> None:
    base = wrap_base(tiny_model())
    path = write_lines(tmp_path / "rehearsal.jsonl", some_rehearsal(20))
    units = read_rehearsal(path, vocabulary=base.vocabulary)
    rehearsal = Rehearsal(list(rehearse(units, base)), base)
    sizes = [len(row.ids) for row in pack(units, max_tokens=ROW_TOKENS)]
    assert len(sizes) > 1
    assert [rehearsal.tokens(number) for number in range(5)] == (sizes * 5)[:5]


@pytest.mark.parametrize("method", ["dpo", "grpo"])
def test_a_run_that_rehearses_stays_nearer_to_the_base_on_what_it_never_saw(
    tiny_base: Path, tmp_path: Path, method: str
) -> None:
    rehearsed = some_rehearsal(100)
    folders = {
        weight: write_job(
            tmp_path / str(weight),
            tiny_base,
            rehearsed=rehearsed,
            method=method,
            rehearsal=weight,
            epochs=5,
        )
        for weight in (0.0, 10.0)
    }
    train(*folders.values())
    base = load_base(tiny_base, precision=Precision.BF16, device=torch.device("cpu"))
    rows = rows_of(tmp_path, base, UNSEEN)
    without, beside = (divergence_of(folder, base, rows) for folder in folders.values())
    assert 0 < beside < 0.7 * without
    assert all("base_kl" not in line for line in steps_of(folders[0.0]))
    first, *_, last = steps_of(folders[10.0])
    assert first["base_kl"] == pytest.approx(0, abs=1e-3), "a new adapter changes nothing yet"
    assert 0 < last["base_kl"] < 0.7 * without


def divergence_of(folder: Path, base: FrozenBase, rows: list[Row]) -> float:
    plan, tensors = read_parent(folder / ADAPTER_FOLDER, shapes=base.shapes)
    adapter: AdapterWeights = base.room_for(plan)
    adapter.load(tensors)
    with torch.no_grad():
        found = [base.divergences(row, adapter, base.hidden_states(row, None)) for row in rows]
    return float(torch.cat(found).mean())


def test_a_weight_of_zero_and_nothing_to_rehearse_are_the_same(
    tiny_base: Path, tmp_path: Path
) -> None:
    unweighted = write_job(tmp_path / "unweighted", tiny_base, rehearsal=0.0)
    nothing = write_job(tmp_path / "nothing", tiny_base, rehearsed=[])
    beside = write_job(tmp_path / "beside", tiny_base)
    train(unweighted, nothing, beside)
    assert weights_of(unweighted) == weights_of(nothing)
    assert weights_of(beside) != weights_of(nothing)
