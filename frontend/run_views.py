"""What a run's JSON says, ready for its page: stages, charts, the gate's rows. Pure.

Runs of earlier releases lack figures that later ones have; what is missing is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from frontend import charts
from training.data.curation import Reason
from training.data.groups import Source
from training.gate.criteria import Criterion
from training.gate.drift import Drift
from training.gate.figures import Probe
from training.gate.record import GateRecord
from training.methods import METHODS
from training.methods.base import LOSS, ChartWords, MethodWords
from training.methods.examples import KINDS, PAIRS
from training.states import TRANSITIONS, UPLOAD, PairSource, RunEvent, RunStatus

if TYPE_CHECKING:
    from training.runs.queries import RunView

JSON = Mapping[str, Any]

CHART_WIDTH, CHART_HEIGHT = 320, 96
VERBS = (RunEvent.PAUSE, RunEvent.RESUME, RunEvent.CANCEL)
SOURCE_WORDS: Mapping[str, str] = {
    PairSource.OWN_CHOSEN: "its own answer was better",
    PairSource.OWN_REJECTED: "another’s answer was better",
    Source.PLAYED: "its own answers in matches",
    Source.PRACTISED: "its own answers in practice",
    Source.SHARED: "others’ answers in the same matches",
    Source.SHARED_PRACTICE: "others’ answers in practice",
    Source.EPISODE: "its own turns in practised episodes",
}
LENGTH_WORDS: Mapping[str, str] = {
    "shorter_chosen": "the better answer is the shorter one, in tokens",
    "cut_rejected": "the worse answer was cut off at its maximum length",
}
LEFT_OUT_WORDS: Mapping[str, str] = {
    Reason.OVERRULED: "the other way round after an appeal",
    Reason.ILLEGAL: "the better answer was no legal move",
    Reason.ERASED: "an answer of a person who has left",
    Reason.WITHOUT_TOKENS: "stored without token ids, or no longer with them",
    Reason.OTHER_BASE: "answered by another base model",
    Reason.CONTROL_TOKENS: "an answer with chat control tokens",
    Reason.HELD_OUT: "a held-out task, or close to one",
    Reason.STALE: "answered by a version that is too old",
    Reason.TOO_LONG: "longer than the longest sequence",
    Reason.LENGTH_RATIO: "one answer far longer than the other",
    Reason.DUPLICATE: "exact duplicate",
    Reason.NEAR_DUPLICATE: "near-duplicate",
    Reason.TASK_CAP: "over the limit per task",
    Reason.OPPONENT_CAP: "over the limit per opponent",
    Reason.CODED_SHARE: "of a seat that answers by code, over the share allowed",
    Reason.NOT_ANSWERED: "not answered in practice",
    Reason.NOT_JUDGED: "not judged",
    Reason.OTHER_PROMPT: "asked under an earlier prompt",
    Reason.TOO_FEW_ANSWERS: "too few answers to compare",
    Reason.SAME_SCORES: "every answer scored the same",
}


@dataclass(frozen=True)
class Counted:
    """A line of the dataset's breakdown; `share` is of its total, or what was won."""

    words: str
    count: int
    share: float


@dataclass(frozen=True)
class DatasetView:
    """What a run learned from, as its manifest says."""

    noun: str  # "pairs" or "groups"
    count: int
    sources: tuple[Counted, ...]
    lengths: tuple[Counted, ...]  # of pairs
    coded: Counted | None  # of the answers chosen; None: made before they were counted
    left_out: tuple[Counted, ...]  # pairs, or tasks of groups
    answers_left_out: tuple[Counted, ...]  # of groups that stayed
    played: int  # whole episodes of games, in practice
    against: tuple[Counted, ...]  # their opponents; `share` is what the agent won
    rehearsed: int  # answers of the plain base


@dataclass(frozen=True)
class Chart(ChartWords):
    """The figure over a run's steps; `last` is None before the first."""

    last: float | None = None
    drawn: charts.Curve | None = None  # for browsers without script


@dataclass(frozen=True)
class Stage:
    """A stage of a run; the last one shows the run's result."""

    label: str
    is_done: bool
    is_current: bool


@dataclass(frozen=True)
class KindRow:
    """How many tasks of one kind each side passed."""

    kind: str
    tasks: int
    parent_passed: int
    child_passed: int

    @property
    def parent_share(self) -> float:
        return self.parent_passed / self.tasks

    @property
    def child_share(self) -> float:
        return self.child_passed / self.tasks


@dataclass(frozen=True)
class Distance:
    """Distance between log-probabilities of the same tokens, in nats; `share` of the longest bar."""

    words: str
    nats: float
    share: float


@dataclass(frozen=True)
class DriftView:
    """How far the trainer's view of the new version is from the server's."""

    distances: tuple[Distance, ...]
    bound: float
    bound_share: float
    mismatch: float | None
    sequences: int


@dataclass(frozen=True)
class GateView:
    """The gate's figures beyond the two means, and its criteria."""

    criteria: tuple[Criterion, ...]
    kinds: tuple[KindRow, ...]  # from the clearest gain to the clearest loss
    probes: tuple[Probe, ...]
    drift: DriftView | None

    @property
    def better_kinds(self) -> int:
        return sum(row.child_passed > row.parent_passed for row in self.kinds)

    @property
    def worse_kinds(self) -> int:
        return sum(row.child_passed < row.parent_passed for row in self.kinds)


def verbs_of(status: str) -> tuple[str, ...]:
    """What its owner may do with a run that is under way."""
    return tuple(str(event) for event in VERBS if (RunStatus(status), event) in TRANSITIONS)


def stages_of(run: "RunView") -> tuple[Stage, ...]:
    """Where the run stands."""
    status = RunStatus(run.status)
    names = ("Queued", "Gate") if run.is_upload else ("Queued", "Training", "Gate")
    match status:
        case RunStatus.QUEUED:
            at = 0
        case RunStatus.TRAINING:
            at = 1
        case RunStatus.EVALUATING:
            at = len(names) - 1
        case RunStatus.PAUSED:
            at = 1 if run.progress else 0
        case _:
            at = len(names)
    is_over = at == len(names)
    stages = [Stage(name, index < at, index == at) for index, name in enumerate(names)]
    if status == RunStatus.PAUSED:
        stages[at] = Stage(f"{names[at]}, paused", is_done=False, is_current=True)
    label = "Owner’s decision" if status == RunStatus.OFFERED else status.capitalize()
    return (*stages, Stage(label if is_over else "Decision", is_done=False, is_current=is_over))


def charts_of(run: "RunView") -> tuple[Chart, ...]:
    """Every chart of the run's method; those without a point stay hidden."""
    return tuple(_chart(words, run.curve) for words in _charts_of_method(run.method))


def columns_of(run: "RunView") -> dict[str, list[Any]]:
    """The curve by column, as the charts' script takes it."""
    names = ("step", *(words.name for words in _charts_of_method(run.method)))
    return {name: [point.get(name) for point in run.curve] for name in names}


def words_of(name: str) -> MethodWords:
    """The method in the words of its run's page, also of one that this site no longer has."""
    if method := METHODS.get(name):
        return method.words
    if name == UPLOAD:
        return MethodWords(
            title="Uploaded",
            headline="weights that its owner brought",
            explanation="Nothing was trained here: the run is the gate alone.",
        )
    return MethodWords(
        title=name,
        headline="no longer on this site",
        explanation="The run's figures stay; nothing can be trained in this way any more.",
    )


def settings_of(run: "RunView") -> list[JSON]:
    """The run's settings with their labels; none of a method that this site no longer has."""
    method = METHODS.get(run.method)
    return [
        {
            "label": setting.label,
            "explanation": setting.explanation,
            "value": run.config[setting.name],
        }
        for setting in (method.config_class.described() if method else ())
        if setting.name in run.config
    ]


def gate_of(gate: GateRecord) -> GateView:
    """The rows of the gate's tables, and the criteria."""
    rows = [
        KindRow(kind, count.tasks, count.parent_passed, count.child_passed)
        for kind, count in gate.kinds.items()
        if count.tasks
    ]
    return GateView(
        criteria=gate.criteria(),
        kinds=tuple(sorted(rows, key=lambda row: row.parent_share - row.child_share)),
        probes=gate.probes,
        drift=_drift_of(gate.drift) if gate.drift else None,
    )


def dataset_of(manifest: JSON) -> DatasetView | None:
    """The manifest's counts; None if it has none or is not written yet."""
    noun = next((one.noun for one in KINDS if isinstance(manifest.get(one.noun), list)), "")
    if not noun:
        return None
    return DatasetView(
        noun=noun,
        count=len(manifest[noun]),
        sources=_counted(manifest.get("sources", {}), SOURCE_WORDS),
        lengths=_lengths(manifest.get("lengths", {}), of=len(manifest[noun])),
        coded=_coded(manifest.get("coded"), noun),
        left_out=_counted(manifest.get("left_out", {}), LEFT_OUT_WORDS),
        answers_left_out=_counted(manifest.get("answers_left_out", {}), LEFT_OUT_WORDS),
        played=manifest.get("episodes", {}).get("played", 0),
        against=_against(manifest),
        rehearsed=manifest.get("rehearsal", {}).get("texts", 0),
    )


def _coded(counts: Mapping[str, int] | None, noun: str) -> Counted | None:
    if counts is None:
        return None
    words = "better answers of seats that answer by code"
    if noun != PAIRS.noun:
        words = "answers of seats that answer by code"
    return Counted(words, counts["answers"], counts["answers"] / (counts["of"] or 1))


def _against(manifest: JSON) -> tuple[Counted, ...]:
    learning = manifest.get("parent", {}).get("version")
    return tuple(
        Counted(_versions(one["versions"], learning), one["episodes"], one["won"])
        for one in manifest.get("episodes", {}).get("against", ())
    )


def _versions(numbers: Sequence[int], learning: int | None) -> str:
    words = ["itself" if number == learning else f"version {number}" for number in numbers]
    return f"against {' and '.join(words)}"


def _lengths(counts: Mapping[str, int], *, of: int) -> tuple[Counted, ...]:
    return tuple(
        Counted(words, counts[name], counts[name] / (of or 1))
        for name, words in LENGTH_WORDS.items()
        if name in counts
    )


def _counted(counts: Mapping[str, int], words: Mapping[str, str]) -> tuple[Counted, ...]:
    """Largest first."""
    whole = sum(counts.values()) or 1
    return tuple(
        Counted(words.get(key, key.replace("_", " ")), count, count / whole)
        for key, count in sorted(counts.items(), key=lambda item: -item[1])
    )


def _charts_of_method(name: str) -> tuple[ChartWords, ...]:
    """Every method has the loss, also one that this site no longer has."""
    method = METHODS.get(name)
    return method.charts if method else (LOSS,)


def _chart(words: ChartWords, curve: Sequence[JSON]) -> Chart:
    values = [value for point in curve if (value := point.get(words.name)) is not None]
    drawn = charts.curve(values, width=CHART_WIDTH, height=CHART_HEIGHT)
    return Chart(**vars(words), last=values[-1] if values else None, drawn=drawn)


def _drift_of(drift: Drift) -> DriftView:
    rows = {
        "With the adapter": drift.mean_child,
        "Plain base": drift.mean_base,
        "What training changed": drift.mean_change,
    }
    longest = max(*rows.values(), drift.bound) or 1.0
    return DriftView(
        distances=tuple(Distance(words, nats, nats / longest) for words, nats in rows.items()),
        bound=drift.bound,
        bound_share=drift.bound / longest,
        mismatch=drift.mismatch,
        sequences=drift.sequences,
    )
