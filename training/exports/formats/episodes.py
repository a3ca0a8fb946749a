"""Whole episodes of games, turn by turn."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Exists, Max, OuterRef, QuerySet

from agents.prompts import neutralised
from arena.environments.base import Split
from arena.models import Completion, MatchStatus, Round, RoundStatus, Seat
from training.exports.formats.base import Order, RowBatch, selected_between
from training.exports.formats.columns import MESSAGES, TOKENS, Column, ListOf, Scalar, Struct
from training.exports.formats.lines import as_json
from training.exports.formats.records import read_entered
from training.exports.formats.tally import ExportTally
from training.exports.summary import soon_counted

PAGE_ROUNDS = 50  # read at once
_NUMBERS = ListOf(Scalar.NUMBER)


class Episodes:
    """Games of one's own agents: each turn of every seat; prompts of one's own seats only."""

    name = "episodes"
    label = "Episodes of games"
    explanation = (
        "Whole games with every turn, its token ids and log-probabilities, and the scores."
    )
    filters = frozenset({"spaces", "agents", "since", "until"})
    columns = (
        Column("space", Scalar.TEXT, "The Space in which it was played."),
        Column("match", Scalar.WHOLE, "The match; its page shows the same game."),
        Column("round", Scalar.WHOLE, "The round of the match."),
        Column("task", Scalar.TEXT, "A digest of the opening: the same one has the same digest."),
        Column("task_kind", Scalar.TEXT, "The game."),
        Column("opening", Scalar.TEXT, "What the seats are told of the game before it begins."),
        Column("seats", ListOf(Scalar.WHOLE), "The seats that played, by their numbers."),
        Column("own_seats", ListOf(Scalar.WHOLE), "Those of the person who exported it."),
        Column("versions", ListOf(Scalar.TEXT), "By seat, the version that played."),
        Column("scores", _NUMBERS, "By seat, what the panel gave it, from 0 to 1."),
        Column(
            "turns",
            ListOf(
                Struct(
                    {
                        "seat": Scalar.WHOLE,
                        "is_legal": Scalar.FLAG,
                        "problem": Scalar.TEXT,
                        "prompt": MESSAGES,
                        "content": Scalar.TEXT,
                        "finish_reason": Scalar.TEXT,
                        "adapter": Scalar.TEXT,
                        "prompt_token_ids": TOKENS,
                        "token_ids": TOKENS,
                        "logprobs": _NUMBERS,
                        "allowed_token_ids": ListOf(TOKENS),
                    }
                )
            ),
            "Every try to move, in order. What others’ seats were told is not in it.",
        ),
    )

    def newest_id(self) -> int:
        return Round.objects.aggregate(newest=Max("id"))["newest"] or 0

    def estimate(self, order: Order) -> int | None:
        return soon_counted(_rounds(order))

    def pages(self, order: Order, *, after_id: int) -> Iterator[RowBatch]:
        rounds = _rounds(order)
        while page := list(rounds.filter(id__gt=after_id).order_by("id")[:PAGE_ROUNDS]):
            tally = ExportTally()
            entered = read_entered({one.match_id for one in page})
            for one in page:
                tally.spaces[one.match.space.slug] += 1
                tally.note_entered(one.match.space.slug, entered[one.match_id])
                tally.note_match(one.match_id)
            after_id = page[-1].pk
            yield RowBatch(after_id, list(_lines(page, order, tally)), tally)


def _rounds(order: Order) -> QuerySet[Round]:
    """Decided episodes in which an agent of the owner sat, of tasks that agents may learn from."""
    chosen = order.selection
    own = Seat.objects.filter(match=OuterRef("match"), agent__owner=order.owner_id)
    if chosen.agents:
        own = own.filter(agent__in=chosen.agents)
    rounds = Round.objects.filter(
        Exists(own),
        id__lte=order.up_to_id,
        turn_limit__gt=1,
        status=RoundStatus.DECIDED,
        match__status=MatchStatus.SETTLED,
        match__is_practice=False,
        task__split=Split.TRAIN.value,
    )
    if chosen.spaces:
        rounds = rounds.filter(match__space__slug__in=chosen.spaces)
    return selected_between(rounds, chosen).select_related("match__space", "verdict")


def _lines(rounds: Sequence[Round], order: Order, tally: ExportTally) -> Iterator[str]:
    turns: dict[int, list[Completion]] = defaultdict(list)
    answers = Completion.objects.filter(round__in=rounds).defer("chunk_times", "view", "asked")
    for turn in answers.select_related("seat__agent__owner", "version").order_by("id"):
        turns[turn.round_id].append(turn)
    for one in rounds:
        played = turns[one.pk]
        # Nothing is told of who leaves, and without their turns it is no whole game.
        if not played or any(each.seat.agent.owner.leaving_since for each in played):
            continue
        versions = {each.seat.index: each.version for each in played}
        seats = sorted(versions)
        own = sorted(
            {each.seat.index for each in played if each.seat.agent.owner_id == order.owner_id}
        )
        for version in versions.values():
            tally.agents[str(version.agent_id)] += 1
        yield as_json(
            {
                "space": one.match.space.slug,
                "match": one.match_id,
                "round": one.number,
                "task": one.task_key,
                "task_kind": one.task_kind,
                "opening": neutralised(one.task["prompt"]),
                "seats": seats,
                "own_seats": own,
                "versions": [str(versions[seat]) for seat in seats],
                "scores": [float(one.verdict.scores.get(str(seat), 0.0)) for seat in seats],
                "turns": [_turn(each, is_own=each.seat.index in own) for each in played],
            }
        )


def _turn(one: Completion, *, is_own: bool) -> Mapping[str, Any]:
    prompt = [
        {"role": each["role"], "content": neutralised(each["content"])} for each in one.messages
    ]
    return {
        "seat": one.seat.index,
        "is_legal": not one.problem,
        "problem": one.problem,
        "prompt": prompt if is_own else [],
        "content": neutralised(one.text),
        "finish_reason": one.finish_reason,
        "adapter": one.adapter_digest,
        "prompt_token_ids": one.prompt_token_ids if is_own else [],
        "token_ids": one.token_ids,
        "logprobs": [each if math.isfinite(each) else None for each in one.logprobs],
        "allowed_token_ids": one.allowed_token_ids,
    }
