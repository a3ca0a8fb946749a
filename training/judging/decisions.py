"""Whether a trained judge may vote, and on which kinds of tasks. PURE."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from training.gate.bootstrap import bootstrap, central, wilson

CERTIFIED_ACCURACY = 0.7  # the least lower bound, on natural pairs of a kind
MIN_CERTIFIED_PROMPTS = 10  # fewer say nothing of a kind
MIN_GATE_PROMPTS = 40
CONFIDENCE = 0.95
MAX_LOSS = 0.05  # of agreement with gold, that the confidence may not exclude


@dataclass(frozen=True)
class OrderOutcome:
    """How a judge fared on one pair of answers whose order is known."""

    prompt: str  # pairs of one prompt are no independent trials
    kind: str
    right: float  # 1: it preferred the better answer; 0: the worse; 0.5: neither


@dataclass(frozen=True)
class Accuracy:
    """A share of pairs with its 95 % interval, in which each prompt counts once."""

    value: float
    low: float
    high: float
    prompts: int
    pairs: int

    def __str__(self) -> str:
        return (
            f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] "
            f"({self.pairs} pairs of {self.prompts} prompts)"
        )


@dataclass(frozen=True)
class Decision:
    """Whether a version is adopted, with a sentence for everybody."""

    is_adopted: bool
    reason: str


def accuracy_of(said: Sequence[OrderOutcome]) -> Accuracy | None:
    """The mean over prompts of the share that was right, and its Wilson interval; None without any."""
    by_prompt = _by_prompt(said)
    if not by_prompt:
        return None
    value = fmean(by_prompt.values())
    low, high = wilson(value, len(by_prompt))
    return Accuracy(value, low, high, len(by_prompt), len(said))


def certified_kinds(natural: Sequence[OrderOutcome]) -> dict[str, Accuracy]:
    """The kinds for which the lower bound of the accuracy on natural pairs suffices."""
    of_kind: dict[str, list[OrderOutcome]] = defaultdict(list)
    for one in natural:
        of_kind[one.kind].append(one)
    found = {kind: accuracy_of(said) for kind, said in sorted(of_kind.items())}
    return {
        kind: accuracy
        for kind, accuracy in found.items()
        if accuracy is not None
        and accuracy.prompts >= MIN_CERTIFIED_PROMPTS
        and accuracy.low >= CERTIFIED_ACCURACY
    }


def decide_judge(
    new: Sequence[OrderOutcome], in_use: Sequence[OrderOutcome] | None, *, rng: Random
) -> Decision:
    """Compare a new version with the one in use on the same held-out pairs; None: none is in use.

    The first version has to beat chance. A later one has to agree with gold at least as well as the
    one in use, and the bootstrap over prompts must exclude that it agrees much less.
    """
    own = _by_prompt(new)
    if len(own) < MIN_GATE_PROMPTS:
        return Decision(
            False,
            f"Only {len(own)} held-out prompts with a known order were there; the gate needs "
            f"{MIN_GATE_PROMPTS}.",
        )
    if in_use is None:
        low, high = central(bootstrap([list(own.values())], fmean, rng=rng), CONFIDENCE)
        said = f"It agrees with {fmean(own.values()):.3f} [{low:.3f}, {high:.3f}] of held-out gold"
        if low > 0.5:
            return Decision(True, f"{said}, which is better than chance. It is the first version.")
        return Decision(False, f"{said}, which may be chance.")
    other = _by_prompt(in_use)
    differences = [own[prompt] - other[prompt] for prompt in own if prompt in other]
    low, high = central(bootstrap([differences], fmean, rng=rng), CONFIDENCE)
    mean = fmean(differences)
    said = (
        f"Its agreement with held-out gold differs by {mean:+.3f} [{low:+.3f}, {high:+.3f}] from "
        "that of the version in use"
    )
    if mean < 0:
        return Decision(False, f"{said}, which is less.")
    if low < -MAX_LOSS:
        return Decision(False, f"{said}: a loss of more than {MAX_LOSS} cannot be excluded.")
    return Decision(True, f"{said}.")


def _by_prompt(said: Sequence[OrderOutcome]) -> Mapping[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for one in said:
        found[one.prompt].append(one.right)
    return {prompt: fmean(values) for prompt, values in sorted(found.items())}
