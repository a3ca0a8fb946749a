"""The whole episodes of a run that has practised: what they came to, and the turns that teach."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import fmean
from typing import Any

from agents.models import AgentVersion
from arena.environments import ENVIRONMENTS
from arena.environments.asking import with_prompt
from arena.environments.base import Task
from arena.environments.episode import Episode, Try
from arena.models import Round
from judges.panel import TIE_TOLERANCE
from training.data.curation import HeldOutTasks, Reason
from training.data.groups import Source
from training.data.tokens import ChatTokens
from training.data.turns import Credit, OwnTry, credits_of
from training.methods.examples import AnswerExample, GroupExample
from training.models import Rollout, TrainingRun
from training.practice.episode_plan import FEWEST_EPISODES, EpisodePlan, PlannedEpisodes
from training.practice.plan import canonical_ids

JSON = dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """A try of the agent in an ended episode, and what it is trained on."""

    row: Rollout
    messages: Sequence[Mapping[str, str]]  # what it was asked
    credit: Credit


@dataclass(frozen=True)
class EndedEpisode:
    """An episode that was played to its end."""

    payoff: float  # the agent's, [0, 1]
    turns: Sequence[Turn]


@dataclass(frozen=True)
class EpisodeGroup:
    """The ended episodes from one opening."""

    planned: PlannedEpisodes
    opening: Round
    episodes: Sequence[EndedEpisode]

    @property
    def turns(self) -> list[Turn]:
        return [turn for one in self.episodes for turn in one.turns]


@dataclass
class TaughtByEpisodes:
    """Examples with their sources, oldest opening first, and counts by reason of what is left out."""

    examples: list[GroupExample] = field(default_factory=list)
    origins: list[JSON] = field(default_factory=list)
    round_ids: list[int] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)  # openings
    answers_left_out: Counter[str] = field(default_factory=Counter)

    @property
    def answer_count(self) -> int:
        return sum(len(one.answers) for one in self.examples)


def ended_episodes(run: TrainingRun, plan: EpisodePlan, *, discount: float) -> list[EpisodeGroup]:
    """Every opening of which an episode was begun, oldest first. Raises EnvironmentFault."""
    rows: dict[int, list[Rollout]] = defaultdict(list)
    stored = run.rollouts.filter(episode__gt=0).select_related("version__agent", "round")
    for row in stored.order_by("round_id", "episode", "index"):
        rows[row.round_id].append(row)
    begun = [one for one in reversed(plan.groups) if one.round_id in rows]
    return [_group(run, one, rows[one.round_id], discount=discount) for one in begun]


def taught(
    run: TrainingRun,
    groups: Sequence[EpisodeGroup],
    *,
    tokens: ChatTokens,
    max_length: int,
    held_out: HeldOutTasks,
) -> TaughtByEpisodes:
    """What the trainer is given of them: openings in which some turns had better ends than others."""
    found = TaughtByEpisodes()
    for group in groups:
        if len(group.episodes) < FEWEST_EPISODES:
            found.left_out[Reason.NOT_ANSWERED.value] += 1
            continue
        kept: list[tuple[Turn, AnswerExample]] = []
        for turn in group.turns:
            answer = _example(turn, tokens)
            if reason := _problem(turn, answer, max_length=max_length, held_out=held_out):
                found.answers_left_out[reason.value] += 1
            else:
                kept.append((turn, answer))
        rewards = [answer.reward for _, answer in kept]
        if len(kept) < 2 or max(rewards) - min(rewards) <= TIE_TOLERANCE:
            few = len(kept) < 2
            reason = Reason.TOO_FEW_ANSWERS if few else Reason.SAME_SCORES
            found.left_out[reason.value] += 1
            continue
        found.examples.append(GroupExample([], [answer for _, answer in kept]))
        found.origins.append(_origin(run, group, [turn for turn, _ in kept]))
        found.round_ids.append(group.planned.round_id)
    return found


def results(run: TrainingRun, groups: Sequence[EpisodeGroup]) -> JSON:
    """For the manifest: how many episodes ended, and the mean payoff against which versions."""
    numbers = dict(AgentVersion.objects.filter(agent=run.agent_id).values_list("id", "number"))
    payoffs: dict[tuple[int, ...], list[float]] = defaultdict(list)
    for group in groups:
        others = [
            each for at, each in enumerate(group.planned.versions) if at != group.planned.role
        ]
        against = tuple(sorted({numbers[each] for each in others}))
        payoffs[against] += [one.payoff for one in group.episodes]
    return {
        "played": sum(map(len, payoffs.values())),
        "against": [
            {"versions": list(against), "episodes": len(found), "won": round(fmean(found), 4)}
            for against, found in sorted(payoffs.items(), reverse=True)
            if found
        ],
    }


def episode_texts(run: TrainingRun, groups: Sequence[EpisodeGroup]) -> Iterator[JSON]:
    """Every ended episode with the agent's own turns, for exports: prompts, answers, provenance."""
    for group in groups:
        for one in group.episodes:
            origin = _origin(run, group, one.turns)
            yield origin | {
                "payoff": one.payoff,
                "turns": [
                    {
                        "prompt": [dict(message) for message in turn.messages],
                        "content": turn.row.text,
                        "prompt_token_ids": list(turn.row.prompt_token_ids),
                        "token_ids": list(turn.row.token_ids),
                        "allowed_token_ids": turn.row.allowed_token_ids,
                    }
                    | told
                    for turn, told in zip(one.turns, origin["answers"], strict=True)
                ],
            }


def _group(
    run: TrainingRun, planned: PlannedEpisodes, rows: Sequence[Rollout], *, discount: float
) -> EpisodeGroup:
    episodes = [
        ended
        for _, tries in groupby(rows, key=lambda row: row.episode)
        if (ended := _ended(run, planned, list(tries), discount=discount))
    ]
    return EpisodeGroup(planned, rows[0].round, episodes)


def _ended(
    run: TrainingRun, planned: PlannedEpisodes, rows: Sequence[Rollout], *, discount: float
) -> EndedEpisode | None:
    """The episode as its rows replay it; None if it has not ended, or does not follow from today's rules."""
    task = Task.from_json(rows[0].round.task)
    environment = ENVIRONMENTS[run.space.environment]
    episode = Episode.begin(environment, task, range(len(planned.versions)))
    own: list[tuple[Rollout, list[dict[str, str]], OwnTry]] = []
    for row in rows:
        before = episode
        if row.seat not in before.to_move:
            return None
        episode, problem = before.after(Try(row.seat, row.text))
        if row.is_own:
            told = with_prompt(row.version.prompt, before.observe(row.seat))
            again = any(seat == row.seat for seat, _, _ in episode.problems)
            own.append((row, told, OwnTry(is_legal=not problem, ends_turn=not again)))
    if episode.to_move:
        return None
    payoff = episode.payoffs()[planned.role]
    credits = credits_of([one for _, _, one in own], payoff=payoff, discount=discount)
    turns = [Turn(row, told, credit) for (row, told, _), credit in zip(own, credits, strict=True)]
    return EndedEpisode(payoff, turns)


def _example(turn: Turn, tokens: ChatTokens) -> AnswerExample:
    row = turn.row
    ids = canonical_ids(row, tokens)
    return AnswerExample(
        ids=ids,
        reward=turn.credit.reward,
        logprobs=list(row.logprobs),
        allowed_token_ids=ChatTokens.allowed(ids, row.allowed_token_ids),
        own_prompt_ids=list(row.prompt_token_ids),
        weight=turn.credit.weight,
    )


def _problem(
    turn: Turn, answer: AnswerExample, *, max_length: int, held_out: HeldOutTasks
) -> Reason | None:
    if not answer.ids or len(turn.row.logprobs) != len(answer.ids):
        return Reason.WITHOUT_TOKENS
    if len(answer.own_prompt_ids) + len(answer.ids) > max_length:
        return Reason.TOO_LONG
    # The message after the agent's own prompt is the position, which the gate may ask.
    if held_out.contain(turn.messages[1]["content"]):
        return Reason.HELD_OUT
    return None


def _origin(run: TrainingRun, group: EpisodeGroup, turns: Sequence[Turn]) -> JSON:
    opening = group.opening
    return {
        "run": run.pk,
        "space": run.space.slug,
        "match": opening.match_id,
        "round": opening.number,
        "task": opening.task_key,
        "task_kind": opening.task_kind,
        "agreement": 1.0,  # the rules decide
        "role": group.planned.role,
        "answers": [
            {
                "source": Source.EPISODE.value,
                "episode": turn.row.episode,
                "reward": turn.credit.reward,
                "weight": turn.credit.weight,
                "agent": turn.row.version.agent_id,
                "version": str(turn.row.version),
                "adapter": turn.row.adapter_digest,
                "match": opening.match_id,
                "practised_for": run.pk,
                "finish_reason": turn.row.finish_reason,
            }
            for turn in turns
        ],
    }
