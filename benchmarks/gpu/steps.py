"""What `gpu-check` does, and how long each step may take. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TOTAL_SECONDS = 480.0
SERVER_SECONDS = 65.0  # of these, for vLLM's start
PROOF_SECONDS, TRAINING_SECONDS, SERVING_SECONDS, MATCH_SECONDS = 90.0, 100.0, 25.0, 50.0
ENDING_SECONDS = 25.0  # and for the end of the last step and of vLLM
# Around the minutes of learning: the arena's start, the base's exam before them, the learners' after.
AROUND_LEARNING_SECONDS = 60.0
MOST_LEARNING_MINUTES, LEAST_LEARNING_MINUTES = 4.0, 1.0
DEMO, IDENTITY, TRAINING, SERVING, MATCHES, LEARNING = (
    "demo",
    "identity",
    "training",
    "serving",
    "matches",
    "learning",
)
REPORT, MINUTES = "{report}", "{minutes}"  # in a command: the file to write, and for how long


@dataclass(frozen=True)
class Step:
    """One program. It writes its report into a JSON file."""

    name: str
    told: str
    command: tuple[str, ...]  # after "python"
    share: float  # of TOTAL_SECONDS, in seconds
    needs_server: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)

    def arguments(self, *, report: str, minutes: float) -> list[str]:
        return [
            word.replace(REPORT, report).replace(MINUTES, f"{minutes:.2f}") for word in self.command
        ]


Stage = tuple[Step, ...]  # which run at once: those that measure run alone


def stages(*, base: str, tiny: bool) -> tuple[Stage, ...]:
    """All steps in order. `tiny`: the smallest settings, to see whether the check itself works."""
    demo = {"TRAINING_PAIRS": "8", "GATE_TASKS": "16", "PROBE_TASKS": "4"} if tiny else {}
    size = ("--pairs", "8", "--agents", "2") if tiny else ("--pairs", "96", "--agents", "8")
    identity = ("--pairs", "8", "--precisions", "bf16") if tiny else ()
    places = "2" if tiny else "64"
    # Seven arms of three seeds each, in the time of one.
    learning = ("--arms", "dpo", "--seeds", "1") if tiny else ("--seeds", "3", "--together", "24")
    matches = ("--part", "tokens", "--load", "one turn", "--matches", places)
    out = ("--json", REPORT)
    return (
        (  # proofs, whose speed doesn't matter
            Step(
                DEMO,
                "the headless demo closes its loop",
                ("manage.py", "demo", "--headless", *out),
                PROOF_SECONDS,
                variables=demo,
            ),
            Step(
                IDENTITY,
                "server and trainer give the same tokens the same probabilities",
                ("-m", "benchmarks.gpu.identity", *identity, *out),
                PROOF_SECONDS,
            ),
        ),
        (
            Step(
                TRAINING,
                "training beside TRL, and eight agents at once",
                (
                    "-m",
                    "benchmarks.training",
                    "--short",
                    "--alone",
                    "2",
                    "--base",
                    base,
                    *size,
                    *out,
                ),
                TRAINING_SECONDS,
                needs_server=False,
            ),
        ),
        (
            Step(
                SERVING,
                "vLLM with and without adapters",
                ("-m", "benchmarks.serving", "--answers", "2", "--places", places, *out),
                SERVING_SECONDS,
            ),
        ),
        (
            Step(
                MATCHES,
                "complete matches beside a plain client",
                ("-m", "benchmarks.arena", *matches, *out),
                MATCH_SECONDS,
            ),
        ),
        (
            Step(
                LEARNING,
                "all ways to learn at once",
                ("manage.py", "learn_bench", "--minutes", MINUTES, *learning, *out),
                125,  # and all that the others leave over
            ),
        ),
    )


def share_of(stage: Stage) -> float:
    return max(step.share for step in stage)


def limit(place: int, planned: Sequence[Stage], *, left: float, total: float) -> float:
    """Seconds that a stage may take: its share, and what those before it have left over.

    `left` of `total` seconds remain. Never so much that those after it, or the end, lose their shares.
    """
    later = ENDING_SECONDS + sum(share_of(stage) for stage in planned[place + 1 :])
    return max(left - later * total / TOTAL_SECONDS, 0.0)


def learning_minutes(seconds: float) -> float:
    """What `learn_bench` can be given within this time; 0 if that is too little to learn in."""
    minutes = min((seconds - AROUND_LEARNING_SECONDS) / 60, MOST_LEARNING_MINUTES)
    return minutes if minutes >= LEAST_LEARNING_MINUTES else 0.0
