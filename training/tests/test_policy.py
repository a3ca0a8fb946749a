"""How a run's optimizer moves an adapter."""

from itertools import pairwise
from types import SimpleNamespace

import torch

from training.trainers.policy import Policy


def test_the_learning_rate_falls_in_a_line_to_the_end_of_the_run() -> None:
    values = torch.zeros(3, requires_grad=True)
    refreshed: list[torch.Tensor] = []
    adapter = SimpleNamespace(values=values, refresh=lambda: refreshed.append(values.clone()))
    policy = Policy(adapter, learning_rate=0.1)  # type: ignore[arg-type]
    places = [0.0]
    for left in (1.0, 0.75, 0.5, 0.25):
        values.grad = torch.ones(3)  # AdamW moves by its rate where the gradient never changes
        policy.move(left=left)
        places.append(float(values[0].detach()))
    moves = [before - after for before, after in pairwise(places)]
    torch.testing.assert_close(torch.tensor(moves), torch.tensor([0.1, 0.075, 0.05, 0.025]))
    assert len(refreshed) == 4
