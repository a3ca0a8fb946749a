"""What judges learn from and are measured with: groups of answers whose order is known.

Code decides: solutions against verified corruptions and attacks, and answers of finished rounds that
the environment's checks tell apart. People decide too: granted appeals, and the votes of a blind audience. Whatever belongs to a prompt
lies on one side: a share of the prompts is gold, which no training sees. Attacks that a bounty was paid
for are among what is worse, and among the gold.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from random import Random

from django.db.models import QuerySet

from agents.models import Engine
from arena.environments import ENVIRONMENTS
from arena.environments.base import Environment, EnvironmentFault, Split, Task
from arena.models import Completion, CompletionStatus, Space
from arena.review.labels import (
    AppealLabel,
    AudienceLabel,
    appeal_labels,
    audience_labels,
)
from judges.models import GoldItem, GoldSource, Judge, JudgeKind
from training.judging.attacks import attack
from training.judging.corruptions import corrupted
from training.trainers.judging.job import JudgedGroup

GOLD_SHARE = 0.2  # of all prompts
WORSE = 3  # answers beside the better one in a group
ATTACK_SHARE = 0.6  # of the groups made by code have an attack among the worse answers
MAX_TRIES = 20
MAX_COMPLETIONS = 20_000  # the newest, of which natural answers are read
MAX_LABELS = 10_000  # of appeals, and rounds that an audience voted on
MIN_AUDIENCE_VOTES = 3  # for an order of two answers to count
PAIRS_OF_PROMPT = 4  # natural ones that are judged
ALWAYS = ("constraints", "arithmetic")  # environments whose checks decide, Spaces or not


@dataclass(frozen=True)
class NaturalAnswer:
    """What a model answered to a task that code can decide."""

    environment: str
    task: Task
    text: str


@dataclass(frozen=True)
class GoldPair:
    """Two answers to one task in their right order."""

    environment: str
    task: Task
    better: str
    worse: str

    @property
    def prompt_key(self) -> str:
        return self.task.key


def is_gold(prompt: str) -> bool:
    """Whether a prompt is kept for measuring, by its digest."""
    return int(sha256(prompt.encode()).hexdigest()[:8], 16) < GOLD_SHARE * 16**8


def decided_by_code() -> list[str]:
    """Environments of questions whose Spaces seat the rule checker."""
    checkers = set(Judge.objects.filter(kind=JudgeKind.CODE).values_list("slug", flat=True))
    found = list(ALWAYS)
    for environment, panel in Space.objects.order_by("id").values_list("environment", "panel"):
        if any(chair["judge"] in checkers for chair in panel):
            found.append(environment)
    return [slug for slug in dict.fromkeys(found) if _asks_questions(slug)]


def _asks_questions(slug: str) -> bool:
    """Whether it is an environment of questions; one whose package fails is none."""
    try:
        return slug in ENVIRONMENTS and ENVIRONMENTS[slug].turn_limit == 1
    except EnvironmentFault:
        return False


def groups_by_code(
    environments: Sequence[str], count: int, *, rng: Random, gold: bool
) -> Iterator[tuple[str, Task, JudgedGroup]]:
    """Solutions with what is worse, on prompts of one side; attacks are the last of a group."""
    made = 0
    for _ in range(count * MAX_TRIES):
        if made == count:
            return
        slug = rng.choice(environments)
        rules = ENVIRONMENTS[slug]
        try:
            task = rules.make_task(rng, Split.TRAIN, rng.randrange(rules.difficulty_count))
            if is_gold(task.prompt) is not gold:
                continue
            group = _group(rules, task, rng)
        except EnvironmentFault:
            continue
        if group is not None:
            made += 1
            yield slug, task, group


def _group(rules: Environment, task: Task, rng: Random) -> JudgedGroup | None:
    better = _solution(rules, task, rng)
    if not rules.score(task, better).passed:
        return None
    worse: list[str] = []
    for _ in range(MAX_TRIES):
        if len(worse) == WORSE:
            break
        bad = _worse(rules, task, better, rng)
        if bad.strip() and bad not in worse and not rules.score(task, bad).passed:
            worse.append(bad)
    if not worse:
        return None
    if rng.random() < ATTACK_SHARE:
        worse = [*worse[: WORSE - 1], attack(task.prompt, rng)]
    return JudgedGroup(task.prompt, better, tuple(worse), is_absolute=True)


def _worse(rules: Environment, task: Task, better: str, rng: Random) -> str:
    if rng.random() < 0.3:  # a good answer to another task
        other = rules.make_task(rng, Split.TRAIN, rng.randrange(rules.difficulty_count))
        return _solution(rules, other, rng)
    return corrupted(better, rng)


def _solution(rules: Environment, task: Task, rng: Random) -> str:
    return rules.solve(rules.begin(task, 1), 0, rng)


def natural_answers(environments: Sequence[str]) -> Iterator[NaturalAnswer]:
    """What models answered in finished rounds, the newest first; people who left are left out."""
    rows = _answers_in_rounds(environments).order_by("-id")
    columns = rows.values_list("round__match__space__environment", "round__task", "text")
    for environment, task, text in columns[:MAX_COMPLETIONS].iterator():
        yield NaturalAnswer(environment, Task.from_json(task), text)


def answers_since(since: datetime | None, *, limit: int) -> int:
    """How many answers were given in rounds that ended since then, at most `limit`; None: ever."""
    rows = _answers_in_rounds(decided_by_code())
    if since is not None:
        rows = rows.filter(round__decided_at__gt=since)
    return rows.order_by()[:limit].count()


def _answers_in_rounds(environments: Sequence[str]) -> QuerySet[Completion]:
    return Completion.objects.filter(
        round__match__space__environment__in=environments,
        round__turn_limit=1,
        round__decided_at__isnull=False,
        seat__is_practice=False,
        status=CompletionStatus.OK,
        seat__agent__engine=Engine.MODEL,
        seat__agent__owner__leaving_since=None,
    ).exclude(text="")


def answers_of_file(path: Path) -> Iterator[NaturalAnswer]:
    """Recorded answers, JSON Lines of environment, task and text. Raises OSError, ValueError."""
    for line in path.read_text().splitlines():
        try:
            row = json.loads(line)
            yield NaturalAnswer(row["environment"], Task.from_json(row["task"]), row["text"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"a line of {path.name} is no answer to a task") from error


def natural_pairs(answers: Iterable[NaturalAnswer], *, rng: Random) -> list[GoldPair]:
    """For each task some pairs of an answer that passes and one that fails."""
    by_task: dict[tuple[str, str], list[NaturalAnswer]] = defaultdict(list)
    for answer in answers:
        if answer.environment in ENVIRONMENTS:
            by_task[answer.environment, answer.task.key].append(answer)
    found = []
    for (environment, _), of_task in sorted(by_task.items()):
        texts, task = sorted({answer.text for answer in of_task}), of_task[0].task
        try:
            rules = ENVIRONMENTS[environment]
            passed = [text for text in texts if rules.score(task, text).passed]
        except EnvironmentFault:
            continue
        failed = [text for text in texts if text not in passed]
        pairs = [(good, bad) for good in passed for bad in failed]
        for good, bad in rng.sample(pairs, k=min(len(pairs), PAIRS_OF_PROMPT)):
            found.append(GoldPair(environment, task, good, bad))
    return found


def submitted_attacks() -> list[GoldPair]:
    """Honest answers against the texts that a judge put above them, for which people were paid.

    Without those whose authors have left.
    """
    found = []
    for item in GoldItem.objects.filter(source=GoldSource.ATTACK).order_by("-id")[:MAX_LABELS]:
        shown, (honest, (attacker,)) = item.transcript, item.order
        texts = {answer["seat"]: answer["text"] for answer in shown["answers"]}
        if not texts[attacker] or not _asks_questions(item.environment):
            continue
        task = Task(shown["kind"], shown["prompt"], shown["data"], Split.TRAIN)
        found.append(GoldPair(item.environment, task, texts[honest[0]], texts[attacker]))
    return found


def natural_groups(pairs: Iterable[GoldPair]) -> list[JudgedGroup]:
    """The pairs of each better answer as one group."""
    worse: dict[tuple[str, str], list[str]] = defaultdict(list)
    for pair in pairs:
        worse[pair.task.prompt, pair.better].append(pair.worse)
    return [
        JudgedGroup(prompt, better, tuple(bad[:WORSE]), is_absolute=True)
        for (prompt, better), bad in worse.items()
    ]


def groups_by_people() -> list[JudgedGroup]:
    """What granted appeals and a blind audience teach: an order, not that an answer does what was asked."""
    voted = [
        label for label in audience_labels(limit=MAX_LABELS) if label.votes >= MIN_AUDIENCE_VOTES
    ]
    labels: list[AppealLabel | AudienceLabel] = [*appeal_labels(limit=MAX_LABELS), *voted]
    return [
        JudgedGroup(label.prompt, label.better, (label.worse,))
        for label in labels
        if not is_gold(label.prompt)
    ]
