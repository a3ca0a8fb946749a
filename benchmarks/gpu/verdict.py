"""What the steps' reports say, beside what is wanted. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.gpu.proofs import ITSELF
from benchmarks.gpu.steps import DEMO, IDENTITY, LEARNING, MATCHES, SERVING, TRAINING

TIMES_TRL, TIMES_CHEAPER, OF_PLAIN_CLIENT = 2.0, 2.5, 0.95
# The names that benchmarks.training gives its rows.
BF16, NF4 = "ours, bf16", "ours, nf4"
TURN = "one turn"  # the load of benchmarks.arena that counts

JSON = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """A line of the table. `holds` is None where nothing is wanted."""

    step: str
    name: str
    value: str
    wanted: str = ""
    holds: bool | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def figures(reports: Mapping[str, JSON]) -> list[Figure]:
    """Of the steps that have a report, by their names; one that cannot be read is a line, too."""
    found: list[Figure] = []
    for name, read in READERS.items():
        if name not in reports:
            continue
        try:
            found += read(reports[name])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            found.append(Figure(name, "report", f"cannot be read: {error!r}", holds=False))
    return found


def _at_least(step: str, name: str, value: float, wanted: float, unit: str = "") -> Figure:
    """`wanted` 0: nothing is."""
    if not wanted:
        return Figure(step, name, f"{value:.2f}{unit}")
    return Figure(
        step, name, f"{value:.2f}{unit}", f"at least {wanted:g}{unit}", holds=value >= wanted
    )


def _demo(report: JSON) -> Iterator[Figure]:
    closed = bool(report["loop_closed"])
    yield Figure(DEMO, "loop", "closed" if closed else "not closed", "closed", holds=closed)
    yield Figure(DEMO, "time", f"{report['seconds']:.0f} s")


def _identity(report: JSON) -> Iterator[Figure]:
    for proof in report["proofs"]:
        is_itself = proof["served"] == ITSELF
        yield Figure(
            IDENTITY,
            f"{proof['precision']}, {proof['served']}",
            f"{proof['mean_child']:.3f} nats apart",
            f"at most {proof['bound']:.3f}" if is_itself else "told apart",
            holds=bool(proof["holds"]),
        )


def _training(report: JSON) -> Iterator[Figure]:
    for name, row in report["rows"].items():
        yield Figure(
            TRAINING, name, f"{row['pairs_per_second']:.1f} pairs/s, {row['peak_gib']:.2f} GiB"
        )
    for name in (BF16, NF4):
        wanted = TIMES_TRL if name == BF16 else 0.0
        yield _at_least(
            TRAINING, f"{name}, of TRL's speed", report["rows"][name]["times_trl"], wanted, " times"
        )
    # Later parts are missing if the step overran its share.
    if at_once := report.get("at_once"):
        name = f"{at_once['agents']} agents at once"
        yield _at_least(TRAINING, name, at_once["times_cheaper"], TIMES_CHEAPER, " times cheaper")
    if step := report.get("step"):
        yield Figure(TRAINING, "a step, of the plain pass", f"{step['of_the_limit']:.2f}")


def _serving(report: JSON) -> Iterator[Figure]:
    speeds = report["tokens_per_second"]
    base = next(iter(speeds.values()))
    for name, speed in speeds.items():
        yield Figure(
            SERVING,
            f"{report['places']} answers: {name}",
            f"{speed:.0f} tokens/s, {speed / base:.2f} of the base's",
        )


def _matches(report: JSON) -> Iterator[Figure]:
    for name, load in report["loads"].items():
        label = f"{report['matches']} matches, {name}: {load['ours']:.0f} tokens/s"
        wanted = OF_PLAIN_CLIENT if name == TURN else 0.0
        yield _at_least(MATCHES, label, load["ratio"], wanted, " of a plain client's")


def _learning(report: JSON) -> Iterator[Figure]:
    results = report["results"]
    arms = dict.fromkeys(result["arm"] for result in results)
    seeds = {result["seed"] for result in results}
    yield Figure(
        LEARNING,
        "ways measured",
        f"{len(arms)}, with {len(seeds)} seeds: {', '.join(arms)}",
        "at least 1",
        holds=bool(results),
    )
    for result in results:
        yield Figure(
            LEARNING,
            f"{result['arm']}, seed {result['seed']}, {result['minutes']:.1f} minutes",
            f"{result['matches']} matches, {len(result['runs'])} runs, version {result['version']}",
        )


READERS = {
    DEMO: _demo,
    IDENTITY: _identity,
    TRAINING: _training,
    SERVING: _serving,
    MATCHES: _matches,
    LEARNING: _learning,
}


def table(outcomes: Mapping[str, JSON], found: Sequence[Figure]) -> str:
    """The outcome of each step, with its figures below it."""
    lines = []
    for step, outcome in outcomes.items():
        why = f": {outcome['why']}" if outcome.get("why") else ""
        lines.append(f"{step:10}{outcome['outcome']}, {outcome['seconds']:.0f} s{why}")
        for figure in found:
            if figure.step == step:
                word = {True: "holds", False: "DOES NOT HOLD", None: ""}[figure.holds]
                lines.append(
                    f"  {figure.name:46} {figure.value:36} {figure.wanted:24} {word}".rstrip()
                )
    return "\n".join(lines)
