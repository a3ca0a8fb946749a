"""What came of comparing trainer and server, and what had to. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from training.configs.configs import Precision
from training.gate.drift import Drift

ITSELF, PLAIN_BASE = "the adapter itself", "the plain base in its place"


@dataclass(frozen=True)
class Proof:
    """What came of one comparison, and what had to."""

    precision: Precision
    served: str
    drift: Drift

    @property
    def holds(self) -> bool:
        return self.drift.drifted == (self.served == PLAIN_BASE)

    @property
    def says_something(self) -> bool:
        """Whether the adapter changes enough for its plain base to be seen."""
        return self.drift.mismatch is not None

    def as_json(self) -> dict[str, Any]:
        drift = asdict(self.drift)
        return {"precision": self.precision, "served": self.served, "holds": self.holds} | drift


def table(proofs: Sequence[Proof]) -> str:
    """Distances are means over all tokens, in nats."""
    lines = [
        f"{'trainer':8}{'served':30}"
        + "".join(f"{word:>8}" for word in ("apart", "bound", "bases", "bound", "change"))
        + f"{'mismatch':>10}"
    ]
    for proof in proofs:
        drift = proof.drift
        mismatch = "" if drift.mismatch is None else f"{drift.mismatch:.2f}"
        lines.append(
            f"{proof.precision:8}{proof.served:30}{drift.mean_child:>8.3f}{drift.bound:>8.3f}"
            f"{drift.mean_base:>8.3f}{drift.base_bound or 0:>8.2f}{drift.mean_change:>8.3f}"
            f"{mismatch:>10}  {_outcome(proof)}"
        )
    return "\n".join(lines)


def _outcome(proof: Proof) -> str:
    word = "differs" if proof.drift.drifted else "agrees"
    if proof.holds:
        return word
    if proof.served == PLAIN_BASE and not proof.says_something:
        return f"{word}, because the adapter changes too little to tell"
    return f"{word}, WHICH IT MUST NOT. {proof.drift.why}".rstrip()
