"""Pairs as exports tell them, read a page at a time.

An answer stands in several pairs of its round, so that each is read and put into JSON once a page.
Token ids come from the database as text: nothing here looks into them. Texts pass through
`neutralised`, as they do on their way to vLLM, so that no answer can speak as another role when the
chat template is applied.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from django.db.models import F, Func, IntegerField, Min, TextField
from django.db.models.functions import Cast, Least

from agents.prompts import neutralised
from arena.models import Completion, Match, Round, Vote
from arena.states import CUT_OFF
from judges.panel import preference
from judges.transcript import Comparisons
from training.data.reading import Sampled, read_as_sampled
from training.exports.formats.any_of import AnyOf
from training.exports.formats.lines import listed, text_json
from training.models import Pair
from training.states import PairSource

NO_IDS = "[]"


@dataclass(frozen=True)
class ToldAnswer:
    """A stored answer; what ends in `_json` is JSON already."""

    completion_id: int
    match_id: int
    seat: int
    agent_id: int
    base_id: int
    said: str  # its text for a chat template
    messages: Sequence[Mapping[str, str]]
    finish_reason: str
    length: int  # in tokens
    said_json: str  # as the message of an assistant, in a list
    version_json: str
    adapter_json: str
    finish_json: str
    prompt_ids_json: str
    ids_json: str
    allowed_json: str

    @property
    def sampled(self) -> Sampled:
        return Sampled(self.said, json.loads(self.ids_json), self.finish_reason == CUT_OFF)

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

    @cached_property
    def parts_json(self) -> str:
        """Columns of PROVENANCE in training.exports.formats.pairs, without braces."""
        return (
            f'"space": {text_json(self.space)}, "match": {self.match_id}, "round": {self.number}, '
            f'"task": {text_json(self.task_key)}, "task_kind": {text_json(self.task_kind)}'
        )


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
    # Whether the base reads the texts as they were sampled; None: not known when the pair was made.
    chosen_reads: bool | None
    rejected_reads: bool | None
    is_own: bool  # of the person whose prompts are told

    @property
    def own(self) -> ToldAnswer:
        """The answer that the pair's own agent gave."""
        return self.chosen if self.source == PairSource.OWN_CHOSEN else self.rejected

    @property
    def answers(self) -> tuple[ToldAnswer, ToldAnswer]:
        return self.chosen, self.rejected

    @cached_property
    def votes(self) -> list[tuple[Voted, float, float]]:
        """What its judges gave the two answers; without those that said nothing of them."""
        if self.round.is_episode:
            # Moves of an episode are valued by code, and the other may come from another match.
            return []
        chosen, rejected = self.chosen.seat, self.rejected.seat
        found = []
        for vote in self.round.votes:
            better, worse = vote.scores.get(str(chosen)), vote.scores.get(str(rejected))
            if better is None or worse is None:
                continue
            scores = {chosen: better, rejected: worse}
            if preference(scores, vote.compared, chosen, rejected) is not None:
                found.append((vote, better, worse))
        return found

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
        for row in Pair.objects.filter(AnyOf(F("id"), ids)).values_list(
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
            "chosen_reads",
            "rejected_reads",
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
            chosen_reads=row[11],
            rejected_reads=row[12],
            is_own=row[2] == owner_id,
        )


def readings(pairs: Sequence[PairRecord]) -> dict[int, bool]:
    """By completion id, whether messages with it are read as they were sampled; False: or not known."""
    known: dict[int, bool] = {}
    unknown: dict[int, tuple[int, Sampled]] = {}
    for pair in pairs:
        noted = (pair.chosen_reads, pair.rejected_reads)
        for answer, is_read in zip(pair.answers, noted, strict=True):
            if is_read is not None:
                known[answer.completion_id] = is_read
            elif answer.completion_id not in unknown:
                unknown[answer.completion_id] = (answer.base_id, answer.sampled)
    found = read_as_sampled(unknown)
    return {key: bool(is_read) for key, is_read in found.items()} | known


def read_answers(ids: Collection[int]) -> dict[int, ToldAnswer]:
    """By completion id."""
    rows = Completion.objects.filter(AnyOf(F("id"), ids)).values_list(
        "id",
        "seat__match_id",
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
    return {row[0]: _told(*row) for row in rows}


def _told(
    completion_id: int,
    match_id: int,
    seat: int,
    agent_id: int,
    base_id: int,
    version: int,
    text: str,
    messages: Sequence[Mapping[str, str]],
    prompt_ids: str,
    ids: str,
    allowed: str,
    length: int,
    finish_reason: str,
    adapter: str,
) -> ToldAnswer:
    said = neutralised(text)
    return ToldAnswer(
        completion_id=completion_id,
        match_id=match_id,
        seat=seat,
        agent_id=agent_id,
        base_id=base_id,
        said=said,
        messages=messages,
        finish_reason=finish_reason,
        length=length,
        said_json=listed([_message("assistant", said)]),
        version_json=text_json(f"{agent_id}.v{version}"),
        adapter_json=text_json(adapter),
        finish_json=text_json(finish_reason),
        prompt_ids_json=prompt_ids,
        ids_json=ids,
        allowed_json=allowed,
    )


def read_rounds(ids: Collection[int]) -> dict[int, RoundFacts]:
    votes: dict[int, list[Voted]] = defaultdict(list)
    cast = Vote.objects.filter(AnyOf(F("round_id"), ids)).order_by("id")
    for round_id, judge, version_id, weight, scores, comparisons in cast.values_list(
        "round_id", "judge__slug", "version_id", "weight", "scores", "comparisons"
    ):
        compared = None
        if comparisons is not None:
            compared = {(one, two): preferred for one, two, preferred in comparisons}
        votes[round_id].append(Voted(judge, version_id, weight, scores, compared))
    rows = Round.objects.filter(AnyOf(F("id"), ids)).values_list(
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


def read_entered(match_ids: Collection[int]) -> dict[int, datetime]:
    """By match, when it was first entered for, or made if nobody entered.

    A licence that the Space has had for longer holds for it; see also training.exports.rows.
    """
    rows = Match.objects.filter(AnyOf(F("id"), match_ids)).values_list("id")
    # LEAST of PostgreSQL passes over the null of a match without entries.
    return dict(rows.annotate(entered=Min(Least("created_at", "entries__created_at"))))


def _as_text(column: str) -> Cast:
    return Cast(Func(F(column), function="array_to_json"), TextField())


def _messages(messages: Sequence[Mapping[str, str]]) -> str:
    return listed(_message(one["role"], one["content"]) for one in messages)


def _message(role: str, content: str) -> str:
    return f'{{"role": {text_json(role)}, "content": {text_json(content)}}}'
