import pytest

from benchmarks.gpu.proofs import ITSELF, PLAIN_BASE, Proof, table
from training.configs.configs import Precision
from training.gate.drift import decide_drift


def proof(served: str, *, child: float, change: float = 0.9) -> Proof:
    """`child`: how far the server's tokens are from the trainer's, in nats."""
    drift = decide_drift(
        mean_child=child,
        mean_base=0.05,
        mean_change=change,
        mean_mismatch=child,
        precision=Precision.BF16,
        sequences=16,
    )
    return Proof(Precision.BF16, served, drift)


@pytest.mark.parametrize(
    ("served", "child", "holds"),
    [
        (ITSELF, 0.05, True),
        (ITSELF, 0.9, False),
        (PLAIN_BASE, 0.9, True),
        (PLAIN_BASE, 0.05, False),
    ],
)
def test_an_adapter_must_agree_and_its_base_must_not(
    served: str, child: float, holds: bool
) -> None:
    found = proof(served, child=child)
    assert found.holds is holds
    assert found.as_json()["holds"] is holds
    assert ("WHICH IT MUST NOT" in table([found])) is not holds


def test_an_adapter_that_changes_nothing_proves_nothing() -> None:
    found = proof(PLAIN_BASE, child=0.04, change=0.04)
    assert not found.holds
    assert "changes too little to tell" in table([found])
