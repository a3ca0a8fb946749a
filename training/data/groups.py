"""GRPO groups: which answers to a task are compared, and whether they teach anything. Pure.

SAPO (arXiv:2509.08721): an agent learns from its own answers and from answers that others gave to
the same task. The shared answers carry no log-probabilities here: the trainer re-encodes them under
the agent's own policy, as if the agent had given them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from judges.panel import TIE_TOLERANCE
from training.data.curation import Reason


class Source(StrEnum):
    """Where an answer of a group comes from."""

    PLAYED = "played"  # the agent's own, from a match; by completion id
    PRACTISED = "practised"  # the agent's own, sampled for this run; by its number, from 0
    SHARED = "shared"  # another competitor's, from the same round; by completion id
    SHARED_PRACTICE = "shared_practice"  # sampled for another agent's run; by rollout id
    EPISODE = "episode"  # the agent's own try in a practised episode; by rollout id

    @property
    def is_own(self) -> bool:
        return self in {Source.PLAYED, Source.PRACTISED, Source.EPISODE}


@dataclass(frozen=True)
class Member:
    """One answer of a group, by where it is stored: see Source for what `id` means."""

    source: Source
    id: int


@dataclass(frozen=True)
class GroupAnswer:
    """A member with its tokens and the panel's score."""

    member: Member
    prompt_ids: Sequence[int]  # what its competitor was asked
    ids: Sequence[int]
    logprobs: Sequence[float] | None  # from sampling; None: the trainer re-encodes it
    reward: float  # [0, 1]; from one judgement of the whole group
    allowed_token_ids: Sequence[Sequence[int]] = ()  # over which its tokens are normalised


@dataclass(frozen=True)
class Group:
    """What is left of a group; `problem` if it teaches nothing."""

    prompt_ids: Sequence[int]
    answers: Sequence[GroupAnswer]
    left_out: Mapping[str, int]  # Reason -> answers
    problem: Reason | None


def choose_members(
    played: Sequence[Member],
    external: Sequence[Member],
    *,
    rollouts: int,
    share: int,
    rng: Random,
) -> tuple[Member, ...]:
    """`rollouts` answers, `share` of them drawn uniformly from the external ones.

    If there are too few external answers, the agent gives more itself: PRACTISED members may still
    have to be sampled.
    """
    shared = rng.sample(external, min(share, len(external)))
    own = played[: rollouts - len(shared)]
    missing = rollouts - len(shared) - len(own)
    practised = [Member(Source.PRACTISED, number) for number in range(missing)]
    return (*own, *practised, *shared)


def make_group(answers: Sequence[GroupAnswer], *, max_length: int) -> Group:
    """The answers that fit one prompt and `max_length` tokens, their order kept.

    The prompt is the agent's latest one; its own answers must have had the same prompt, while
    others' answers count whatever their prompts were.
    """
    own_prompts = [answer.prompt_ids for answer in answers if answer.member.source.is_own]
    prompt_ids = own_prompts[-1] if own_prompts else []
    kept: list[GroupAnswer] = []
    left_out: Counter[str] = Counter()
    for answer in answers:
        if reason := _problem_of_answer(answer, prompt_ids, max_length):
            left_out[reason.value] += 1
        else:
            kept.append(answer)
    return Group(prompt_ids, kept, dict(left_out), _problem_of_group(kept))


def _problem_of_answer(
    answer: GroupAnswer, prompt_ids: Sequence[int], max_length: int
) -> Reason | None:
    if not answer.ids or (answer.logprobs is not None and len(answer.logprobs) != len(answer.ids)):
        return Reason.WITHOUT_TOKENS
    if answer.member.source.is_own and list(answer.prompt_ids) != list(prompt_ids):
        return Reason.OTHER_PROMPT
    if len(prompt_ids) + len(answer.ids) > max_length:
        return Reason.TOO_LONG
    return None


def _problem_of_group(answers: Sequence[GroupAnswer]) -> Reason | None:
    if len(answers) < 2 or not any(answer.member.source.is_own for answer in answers):
        return Reason.TOO_FEW_ANSWERS
    rewards = [answer.reward for answer in answers]
    # An advantage is the reward minus the group's mean: here all are zero, apart from noise.
    if max(rewards) - min(rewards) <= TIE_TOLERANCE:
        return Reason.SAME_SCORES
    return None
