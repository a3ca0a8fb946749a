"""How a run's optimizer moves an adapter."""

from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from training.trainers.policy import Policy, rate_share


def test_the_rate_rises_over_a_fifth_of_the_steps_and_falls_in_a_line_to_the_end() -> None:
    shares = [rate_share(number, 20) for number in range(20)]
    assert shares[:4] == pytest.approx([0.25, 0.5, 0.75, 0.85])
    falls = [before - after for before, after in pairwise(shares[3:])]
    assert falls == pytest.approx([0.05] * 16)
    assert shares[-1] == pytest.approx(0.05)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_run_of_few_steps_begins_at_the_full_rate(steps: int) -> None:
    assert rate_share(0, steps) == 1.0
    assert all(0 < rate_share(number, steps) <= 1 for number in range(steps))


def test_an_adapter_moves_by_its_share_of_the_learning_rate() -> None:
    values = torch.zeros(3, requires_grad=True)
    refreshed: list[torch.Tensor] = []
    adapter = SimpleNamespace(values=values, refresh=lambda: refreshed.append(values.clone()))
    policy = Policy(adapter, learning_rate=0.1)  # type: ignore[arg-type]
    places = [0.0]
    for share in (1.0, 0.75, 0.5, 0.25):
        values.grad = torch.ones(3)  # AdamW moves by its rate where the gradient never changes
        policy.move(share=share)
        places.append(float(values[0].detach()))
    moves = [before - after for before, after in pairwise(places)]
    torch.testing.assert_close(torch.tensor(moves), torch.tensor([0.1, 0.075, 0.05, 0.025]))
    assert len(refreshed) == 4
