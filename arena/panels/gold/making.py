"""Makes gold: an answer by code against one that code has spoiled, or a clear pair of a round.

Tasks are drawn from what matches use, never from the gate's: a judge may be somebody's server.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from random import Random

from django.utils import timezone

from agents.canonical import digest_of
from agents.models import Engine
from arena.environments import ENVIRONMENTS
from arena.environments.base import Environment, EnvironmentFault, Split, Task, TextView
from arena.models import Completion, CompletionStatus, Round
from arena.panels.gold.spoiling import SPOILED
from arena.panels.voting import (
    SaidInEpisode,
    episode_transcript,
    make_transcript,
    reference_of,
)
from arena.states import RoundStatus
from judges.models import GoldItem, GoldSource, Judge, JudgeKind
from judges.transcript import Transcript

MAX_TRIES = 40
ROUND_SHARE = 1 / 3  # of the items, where rounds can give any
ROUNDS_WITHIN = timedelta(days=30)
CLEAR_MARGIN = 0.5  # of code's scores, between answers one of which passes
ROUNDS_READ = 50


@dataclass(frozen=True)
class Gold:
    """An item before it is stored. Of its two seats, `best` has the better answer."""

    source: GoldSource
    environment: str
    fault: str
    transcript: Transcript
    best: int
    authors: Mapping[int, str]  # seat -> served name of the base model; "": code


def make_gold(
    environment: str,
    *,
    rng: Random,
    may_repeat: bool = True,
    kinds: Collection[str] | None = None,
) -> GoldItem | None:
    """Store a new item of this environment. None if none can be made.

    `may_repeat`: whether it may show what agents answered in a round. `kinds`: of tasks by code that
    it may be of; None: any.
    """
    try:
        is_of_round = may_repeat and rng.random() < ROUND_SHARE
        gold = _of_a_round(environment, rng) if is_of_round else None
        gold = gold or _by_code(environment, rng, kinds)
    except EnvironmentFault:
        return None
    return None if gold is None else _stored(gold)


def makes_gold(environment: str) -> bool:
    """Whether good and bad answers to its tasks can be written by code: not so of games."""
    try:
        return _kind_of(environment) is not None
    except EnvironmentFault:
        return False


def _kind_of(environment: str) -> str | None:
    if environment not in ENVIRONMENTS:
        return None
    rules = ENVIRONMENTS[environment]
    if rules.turn_limit == 1:
        return "question"
    opening = rules.begin(rules.make_task(Random(0), Split.TRAIN), rules.seats.fewest)
    # Games are won by moves; only in a debate does a seat say what could be spoiled.
    return "speeches" if isinstance(rules.view(opening), TextView) else None


def _by_code(environment: str, rng: Random, kinds: Collection[str] | None) -> Gold | None:
    kind, rules = _kind_of(environment), ENVIRONMENTS[environment]
    for _ in range(MAX_TRIES if kind else 0):
        task, other = (_task(rules, rng) for _ in range(2))
        if task.prompt == other.prompt or (kinds is not None and task.kind not in kinds):
            continue
        fault = rng.choice(list(SPOILED))
        best = rng.randrange(2)
        if kind == "question":
            transcript = _question(rules, task, other, fault, best, rng)
        else:
            transcript = _speeches(rules, task, other, fault, best, rng)
        if transcript is not None:
            return Gold(GoldSource.CODE, environment, fault, transcript, best, {0: "", 1: ""})
    return None


def _task(rules: Environment, rng: Random) -> Task:
    return rules.make_task(rng, Split.TRAIN, rng.randrange(rules.difficulty_count))


def _question(
    rules: Environment, task: Task, other: Task, fault: str, best: int, rng: Random
) -> Transcript | None:
    good = rules.solve(rules.begin(task, 1), 0, rng)
    elsewhere = rules.solve(rules.begin(other, 1), 0, rng)
    bad = SPOILED[fault](good, task.prompt, elsewhere, rng)
    if bad is None or bad.split() == good.split():
        return None
    found, spoiled = rules.score(task, good), rules.score(task, bad)
    # Code that scores form only may find both equal; it must not find the worse one better.
    if not found.passed or spoiled.value > found.value:
        return None
    return _with_reference(rules, task, {best: good, 1 - best: bad})


def _with_reference(rules: Environment, task: Task, texts: Mapping[int, str]) -> Transcript:
    """As a panel sees it on which a judge wants a reference: every judge is asked the same items."""
    return replace(make_transcript(rules, task, texts), reference=reference_of(rules, task))


def _speeches(
    rules: Environment, task: Task, other: Task, fault: str, best: int, rng: Random
) -> Transcript | None:
    """A whole debate by code, in which one seat's speeches are spoiled."""
    position, elsewhere = (rules.begin(each, 2) for each in (task, other))
    said = []
    while moving := rules.to_move(position):
        (seat,) = moving
        good = rules.solve(position, seat, rng)
        away = rules.solve(elsewhere, seat, rng)
        bad = SPOILED[fault](good, _shown(rules, position), away, rng)
        if bad is None:
            return None
        text = good if seat == best else bad
        said.append(SaidInEpisode(seat, text, ""))
        position, elsewhere = (
            rules.act(position, seat, good),
            rules.act(elsewhere, seat, away),
        )
    asked = Task(task.kind, _shown(rules, position), task.data, task.split)
    return episode_transcript(asked, said, {}, seats=(0, 1))


def _shown(rules: Environment, position: Mapping[str, object]) -> str:
    """The motion, as spectators read it."""
    view = rules.view(position)
    return view.text.partition("\n")[0] if isinstance(view, TextView) else ""


def _of_a_round(environment: str, rng: Random) -> Gold | None:
    """Two answers of house agents that code tells apart clearly; people's may have to be erased."""
    checkers = set(Judge.objects.filter(kind=JudgeKind.CODE).values_list("slug", flat=True))
    newest = (
        Round.objects.filter(
            match__space__environment=environment,
            match__is_practice=False,
            status=RoundStatus.DECIDED,
            turn_limit=1,
            decided_at__gt=timezone.now() - ROUNDS_WITHIN,
        )
        .select_related("match__space")
        .order_by("-id")[:ROUNDS_READ]
    )
    rounds = [
        one for one in newest if any(chair["judge"] in checkers for chair in one.match.space.panel)
    ]
    rng.shuffle(rounds)
    for one in rounds:
        if (gold := _pair_of(one, environment, rng)) is not None:
            return gold
    return None


def _pair_of(one: Round, environment: str, rng: Random) -> Gold | None:
    rules, task = ENVIRONMENTS[environment], Task.from_json(one.task)
    rows = Completion.objects.filter(
        round=one, status=CompletionStatus.OK, seat__agent__owner__is_house=True
    ).exclude(text="")
    answers = []
    for text, engine, base in rows.values_list(
        "text", "seat__agent__engine", "seat__agent__base_model__served_name"
    ):
        author = "" if engine == Engine.CODE else base
        answers.append((rules.score(task, text), text, author))
    answers.sort(key=lambda answer: answer[0].value)
    if len(answers) < 2:
        return None
    (low, bad, bad_author), (high, good, good_author) = answers[0], answers[-1]
    if not high.passed or high.value - low.value < CLEAR_MARGIN:
        return None
    best = rng.randrange(2)
    return Gold(
        GoldSource.ROUND,
        environment,
        "fails the task",
        _with_reference(rules, task, {best: good, 1 - best: bad}),
        best,
        {best: good_author, 1 - best: bad_author},
    )


def _stored(gold: Gold) -> GoldItem:
    shown = asdict(gold.transcript)
    row, _ = GoldItem.objects.get_or_create(
        key=digest_of(shown),
        defaults={
            "source": gold.source,
            "environment": gold.environment,
            "kind": gold.transcript.kind,
            "fault": gold.fault,
            "transcript": shown,
            "order": [[gold.best], [1 - gold.best]],
            "authors": {str(seat): base for seat, base in gold.authors.items()},
        },
    )
    return row
