"""Pairs as exports tell them, read a page at a time.

An answer stands in several pairs of its round, so that each is read and put into JSON once a page.
Token ids come from the database as text: nothing here looks into them. Texts pass through
`neutralised`, as they do on their way to vLLM, so that no answer can speak as another role when the
chat template is applied.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from django.db.models import F, Func, IntegerField, TextField
from django.db.models.functions import Cast

from agents.prompts import neutralised
from arena.models import Completion, Round, Vote
from arena.states import CUT_OFF
from judges.panel import preference
from judges.transcript import Comparisons
from training.exports.formats.lines import as_json, listed, member
from training.models import Pair
from training.states import PairSource

NO_IDS = "[]"


@dataclass(frozen=True)
class ToldAnswer:
    """A stored answer; what ends in `_json` is JSON already."""

    completion_id: int
    seat: int
    agent_id: int
    base_id: int
    version: str
    text: str
    messages: Sequence[Mapping[str, str]]
    prompt_ids_json: str
    ids_json: str
    allowed_json: str
    length: int  # in tokens
    finish_reason: str
    adapter_digest: str

    @property
    def is_cut(self) -> bool:
        return self.finish_reason == CUT_OFF

    @cached_property
    def said(self) -> str:
        """Its text for a chat template."""
        return neutralised(self.text)

    @cached_property
    def said_json(self) -> str:
        """As the message of an assistant, in a list."""
        return listed([_message("assistant", self.said)])

    @cached_property
    def asked(self) -> Sequence[Mapping[str, str]]:
        """The messages that it answers, for a chat template."""
        return [
            {"role": one["role"], "content": neutralised(one["content"])} for one in self.messages
        ]

    @property
    def told(self) -> Sequence[Mapping[str, str]]:
        """The same without the agent's own prompt, which only its owner may read."""
        return [one for one in self.asked if one["role"] != "system"]

    @cached_property
    def asked_json(self) -> str:
        return _messages(self.asked)

    @cached_property
    def told_json(self) -> str:
        return _messages(self.told)


class Voted(NamedTuple):
    """One judge's vote on a round."""

    judge: str
    version_id: int | None
    weight: float
    scores: Mapping[str, float]
    compared: Comparisons | None


@dataclass(frozen=True)
class RoundFacts:
    """What a round's pairs have in common."""

    space: str
    match_id: int
    number: int
    task_key: str
    task_kind: str
    is_episode: bool
    votes: Sequence[Voted] = field(default_factory=list)


@dataclass(frozen=True)
class PairRecord:
    """A pair with its answers."""

    pair_id: int
    agent_id: int
    round: RoundFacts
    chosen: ToldAnswer
    rejected: ToldAnswer
    source: str
    margin: float
    agreement: float
    length_bias: float
    length_bias_pairs: int
    is_own: bool  # of the person whose prompts are told

    @property
    def own(self) -> ToldAnswer:
        """The answer that the pair's own agent gave."""
        return self.chosen if self.source == PairSource.OWN_CHOSEN else self.rejected

    @property
    def answers(self) -> tuple[ToldAnswer, ToldAnswer]:
        return self.chosen, self.rejected

    @property
    def prompt(self) -> Sequence[Mapping[str, str]]:
        """What the pair's agent was asked, for a chat template."""
        return self.own.asked if self.is_own else self.own.told

    @property
    def prompt_json(self) -> str:
        return self.own.asked_json if self.is_own else self.own.told_json

    @property
    def prompt_ids_json(self) -> str:
        return self.own.prompt_ids_json if self.is_own else NO_IDS


def read_pairs(ids: Sequence[int], *, owner_id: int | None) -> Iterator[PairRecord]:
    """The pairs with these ids, in their order. For the system.

    `owner_id`: of whose agents the prompts are told.
    """
    rows = {
        row[0]: row
        for row in Pair.objects.filter(id__in=ids).values_list(
            "id",
            "agent_id",
            "agent__owner_id",
            "round_id",
            "chosen_id",
            "rejected_id",
            "source",
            "margin",
            "agreement",
            "length_bias",
            "length_bias_pairs",
        )
    }
    answers = read_answers({each for row in rows.values() for each in row[4:6]})
    rounds = read_rounds({row[3] for row in rows.values()})
    for pair_id in ids:
        if (row := rows.get(pair_id)) is None:  # deleted meanwhile
            continue
        yield PairRecord(
            pair_id=pair_id,
            agent_id=row[1],
            round=rounds[row[3]],
            chosen=answers[row[4]],
            rejected=answers[row[5]],
            source=row[6],
            margin=row[7],
            agreement=row[8],
            length_bias=row[9],
            length_bias_pairs=row[10],
            is_own=row[2] == owner_id,
        )


def read_answers(ids: Collection[int]) -> dict[int, ToldAnswer]:
    """By completion id."""
    rows = Completion.objects.filter(id__in=ids).values_list(
        "id",
        "seat__index",
        "version__agent_id",
        "version__agent__base_model_id",
        "version__number",
        "text",
        "messages",
        _as_text("prompt_token_ids"),
        _as_text("token_ids"),
        Cast("allowed_token_ids", TextField()),
        Func("token_ids", function="cardinality", output_field=IntegerField()),
        "finish_reason",
        "adapter_digest",
    )
    return {
        row[0]: ToldAnswer(
            completion_id=row[0],
            seat=row[1],
            agent_id=row[2],
            base_id=row[3],
            version=f"{row[2]}.v{row[4]}",
            text=row[5],
            messages=row[6],
            prompt_ids_json=row[7],
            ids_json=row[8],
            allowed_json=row[9],
            length=row[10],
            finish_reason=row[11],
            adapter_digest=row[12],
        )
        for row in rows
    }


def read_rounds(ids: Collection[int]) -> dict[int, RoundFacts]:
    votes: dict[int, list[Voted]] = defaultdict(list)
    cast = Vote.objects.filter(round__in=ids).order_by("id")
    for round_id, judge, version_id, weight, scores, comparisons in cast.values_list(
        "round_id", "judge__slug", "version_id", "weight", "scores", "comparisons"
    ):
        compared = None
        if comparisons is not None:
            compared = {(one, two): preferred for one, two, preferred in comparisons}
        votes[round_id].append(Voted(judge, version_id, weight, scores, compared))
    rows = Round.objects.filter(id__in=ids).values_list(
        "id",
        "match__space__slug",
        "match_id",
        "number",
        "task_key",
        "task_kind",
        "turn_limit",
    )
    return {
        row[0]: RoundFacts(
            space=row[1],
            match_id=row[2],
            number=row[3],
            task_key=row[4],
            task_kind=row[5],
            is_episode=row[6] > 1,
            votes=votes[row[0]],
        )
        for row in rows
    }


def votes_on(pair: PairRecord) -> Iterator[tuple[Voted, float, float]]:
    """What its judges gave the better and the worse answer; without those that said nothing of them."""
    # Moves of an episode are valued by code, and the other one may come from another match.
    for vote in [] if pair.round.is_episode else pair.round.votes:
        chosen, rejected = pair.chosen.seat, pair.rejected.seat
        better, worse = vote.scores.get(str(chosen)), vote.scores.get(str(rejected))
        if better is None or worse is None:
            continue
        if preference({chosen: better, rejected: worse}, vote.compared, chosen, rejected) is None:
            continue
        yield vote, better, worse


def _as_text(column: str) -> Cast:
    return Cast(Func(F(column), function="array_to_json"), TextField())


def _messages(messages: Sequence[Mapping[str, str]]) -> str:
    return listed(_message(one["role"], one["content"]) for one in messages)


def _message(role: str, content: str) -> str:
    return member(role=as_json(role), content=as_json(content))
