"""A run's dataset file, one example per line, and how the trainer reads a line. Pure.

There are two kinds: preference pairs and groups of scored answers. Each method learns from one of
them. Token ids are as sampled or served, never rebuilt from text.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from itertools import chain, takewhile
from typing import Any, TypeAlias

SMALLEST_ADVANTAGE = 1e-6

# For each token of an answer the ids among which it was drawn: its log-probability, of whatever
# policy, is normalised over these. Empty if it was any token.
Allowed: TypeAlias = Sequence[Sequence[int]]


def telling(ids: Sequence[int], allowed: Allowed) -> list[bool]:
    """For each token whether it had an alternative; the others are certain under any policy."""
    return [len(set(among)) != 1 for among in allowed] if allowed else [True] * len(ids)


@dataclass(frozen=True)
class PairExample:
    """A line of a dataset of pairs."""

    prompt_ids: list[int]  # the agent's own prompt and the task, as its chat template made them
    chosen_ids: list[int]  # with the end-of-turn token if the answer ended by itself
    rejected_ids: list[int]
    noise: float  # probability that the panel was wrong, [0, 0.5), from its agreement
    chosen_allowed_token_ids: Allowed = ()
    rejected_allowed_token_ids: Allowed = ()

    def as_json(self) -> dict[str, Any]:
        return _as_json(self)


@dataclass(frozen=True)
class AnswerExample:
    """One answer of a group."""

    ids: list[int]
    reward: float  # [0, 1]
    # Natural logarithms under the policy that answered, one per token. None: shared by another
    # competitor; the trainer re-encodes it under the parent before the first step.
    logprobs: list[float] | None
    allowed_token_ids: Allowed = ()
    # Of a turn of an episode: what it was asked, and what its advantage is multiplied by.
    own_prompt_ids: Sequence[int] = ()
    weight: float = 1.0

    def as_json(self) -> dict[str, Any]:
        return _as_json(self)


@dataclass(frozen=True)
class GroupExample:
    """A line of a dataset of groups: answers to one prompt, or turns of episodes in one role."""

    prompt_ids: list[int]  # [] if every answer has its own
    answers: list[AnswerExample]

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> "GroupExample":
        answers = [AnswerExample(**answer) for answer in line["answers"]]
        return cls(prompt_ids=line["prompt_ids"], answers=answers)

    def as_json(self) -> dict[str, Any]:
        return {
            "prompt_ids": self.prompt_ids,
            "answers": [answer.as_json() for answer in self.answers],
        }


@dataclass(frozen=True)
class Unit:
    """Answers to one prompt that one row must hold together: a pair, or one answer of a group."""

    prompt_ids: Sequence[int]  # not empty
    answers: tuple[Sequence[int], ...]  # not empty, each not empty
    allowed: tuple[Allowed, ...] = ()  # one for each answer; () if none is restricted

    @property
    def answer_tokens(self) -> int:
        return sum(map(len, self.answers))

    @property
    def telling(self) -> list[list[bool]]:
        """For each answer, which of its tokens are counted in averages: see `telling`."""
        restricted = self.allowed or [()] * len(self.answers)
        return [telling(*both) for both in zip(self.answers, restricted, strict=True)]


@dataclass(frozen=True)
class ScoredAnswer:
    """One answer of a group, with its reward and advantage."""

    ids: tuple[int, ...]
    advantage: float
    reward: float
    behaviour: tuple[float, ...] | None  # log-probabilities; None: not this agent's own


@dataclass(frozen=True)
class Example:
    """A pair or a group: what is shuffled and what a step counts."""

    units: tuple[Unit, ...]  # a pair's one unit, or one for each answer of a group
    noise: float = 0.0  # of a pair
    answers: tuple[ScoredAnswer, ...] = ()  # of a group, one per unit

    def tokens(self) -> Iterator[int]:
        for unit in self.units:
            yield from unit.prompt_ids
            for answer in unit.answers:
                yield from answer
            for allowed in unit.allowed:
                yield from chain.from_iterable(allowed)

    @property
    def prefers(self) -> bool:
        """Whether it prefers one of its answers to another."""
        if self.answers:
            return any(abs(answer.advantage) > SMALLEST_ADVANTAGE for answer in self.answers)
        chosen, rejected = self.units[0].answers
        return tuple(chosen) != tuple(rejected)


@dataclass(frozen=True)
class ExampleKind:
    """What a method may learn from."""

    noun: str  # the manifest's key of the examples' digests
    # From a line and the maximum tokens of prompt and answer; None if the example is too long.
    # Raises ValueError, TypeError or KeyError for an invalid line.
    read: Callable[[Mapping[str, Any], int], Example | None]
    nothing_preferred: str  # a sentence for a dataset in which no example prefers anything


def _as_json(example: PairExample | AnswerExample) -> dict[str, Any]:
    # Lines that need no later field stay as they are without it, so that their runs keep their
    # identity.
    defaults = {one.name: one.default for one in fields(example) if one.default is not MISSING}
    return {
        name: value
        for name, value in asdict(example).items()
        if name not in defaults or (value and value != defaults[name])
    }


def shared_beginning(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def group_advantages(rewards: Sequence[float]) -> list[float]:
    """Reward minus the group's mean, not divided by the deviation (Dr. GRPO, arXiv:2503.20783)."""
    mean = sum(rewards) / len(rewards)
    return [reward - mean for reward in rewards]


def _read_pair(line: Mapping[str, Any], max_length: int) -> Example | None:
    pair = PairExample(**line)
    if not 0 <= pair.noise < 0.5:
        raise ValueError(f"a pair's noise is {pair.noise}")
    answers = (tuple(pair.chosen_ids), tuple(pair.rejected_ids))
    if not pair.prompt_ids or not all(answers):
        raise ValueError("an empty prompt or answer")
    allowed = (pair.chosen_allowed_token_ids, pair.rejected_allowed_token_ids)
    if len(pair.prompt_ids) + max(map(len, answers)) > max_length:
        return None
    return Example((_unit(pair.prompt_ids, answers, allowed),), noise=pair.noise)


def _unit(
    prompt_ids: Sequence[int],
    answers: tuple[Sequence[int], ...],
    allowed: tuple[Allowed, ...],
) -> Unit:
    for ids, sets in zip(answers, allowed, strict=True):
        if sets and not all(one in among for one, among in zip(ids, sets, strict=True)):
            raise ValueError("a token outside of what was allowed")
    return Unit(tuple(prompt_ids), answers, allowed if any(allowed) else ())


def _read_group(line: Mapping[str, Any], max_length: int) -> Example | None:
    group = GroupExample.from_json(line)
    prompts = [answer.own_prompt_ids or group.prompt_ids for answer in group.answers]
    if not all(prompts) or not all(answer.ids for answer in group.answers):
        raise ValueError("an empty prompt or answer")
    for answer in group.answers:
        if answer.logprobs is not None and len(answer.logprobs) != len(answer.ids):
            raise ValueError("log-probabilities that do not match their answer")
    kept = [
        (prompt, answer)
        for prompt, answer in zip(prompts, group.answers, strict=True)
        if len(prompt) + len(answer.ids) <= max_length
    ]
    if len(kept) < 2:
        return None
    advantages = group_advantages([answer.reward for _, answer in kept])
    answers = tuple(
        ScoredAnswer(
            ids=tuple(answer.ids),
            advantage=answer.weight * advantage,
            reward=answer.reward,
            behaviour=None if answer.logprobs is None else tuple(answer.logprobs),
        )
        for (_, answer), advantage in zip(kept, advantages, strict=True)
    )
    units = tuple(
        _unit(prompt, (tuple(answer.ids),), (answer.allowed_token_ids,)) for prompt, answer in kept
    )
    return Example(units, answers=answers)


PAIRS = ExampleKind(
    noun="pairs",
    read=_read_pair,
    nothing_preferred="There is nothing to prefer: in every pair, both answers are the same.",
)
GROUPS = ExampleKind(
    noun="groups",
    read=_read_group,
    nothing_preferred=(
        "There is nothing to prefer: in every group, all answers have the same score."
    ),
)
KINDS = (PAIRS, GROUPS)
