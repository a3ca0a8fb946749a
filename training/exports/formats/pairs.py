"""What the formats that are made of pairs have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from django.db.models import Max

from training.exports.formats.base import ALL_FILTERS, Order, RowBatch
from training.exports.formats.columns import TOKENS, Column, ListOf, Scalar, Struct
from training.exports.formats.lines import as_json, listed, member
from training.exports.formats.records import PairRecord, read_pairs, votes_on
from training.exports.formats.tally import ExportTally
from training.exports.rows import pairs_after
from training.exports.selection import Whose
from training.models import Pair

PAGE_ROWS = 1000  # pairs that are in memory at once

READS = Column(
    "reads_as_sampled",
    Scalar.FLAG,
    "Whether the base's tokenizer makes the sampled token ids of the texts. If not, the ids are "
    "right and the texts only nearly so.",
)
PROVENANCE = (
    Column("pair", Scalar.WHOLE, "The pair's number in the arena."),
    Column("space", Scalar.TEXT, "The Space in which it was played."),
    Column("match", Scalar.WHOLE, "The match; its page has everything that was said."),
    Column("round", Scalar.WHOLE, "The round of the match."),
    Column("task", Scalar.TEXT, "A digest: the same task has the same one."),
    Column("task_kind", Scalar.TEXT, "The kind of the task."),
)
PAIR_COLUMNS = (
    READS,
    *PROVENANCE,
    Column("source", Scalar.TEXT, "own_chosen or own_rejected: where the pair's own agent stands."),
    Column("margin", Scalar.NUMBER, "The difference of the panel's scores, from 0 to 1."),
    Column("agreement", Scalar.NUMBER, "The share of the panel that prefers the better answer."),
    Column("chosen_length", Scalar.WHOLE, "Of the better answer, in tokens."),
    Column("rejected_length", Scalar.WHOLE, "Of the worse answer, in tokens."),
    Column(
        "length_bias",
        Scalar.NUMBER,
        "How much oftener the judges preferred the longer answer than is right.",
    ),
    Column("length_bias_pairs", Scalar.WHOLE, "On how many comparisons that rests."),
    Column("chosen_version", Scalar.TEXT, "The version of the agent that gave the better answer."),
    Column("rejected_version", Scalar.TEXT, "The version that gave the worse one."),
    Column("chosen_adapter", Scalar.TEXT, "SHA-256 of its adapter; empty: the plain base."),
    Column("rejected_adapter", Scalar.TEXT, "SHA-256 of the other one's."),
    Column("chosen_finish_reason", Scalar.TEXT, "Why the better answer ended."),
    Column("rejected_finish_reason", Scalar.TEXT, "Why the worse one did; length: it was cut off."),
    Column(
        "judge_votes",
        ListOf(
            Struct(
                {
                    "judge": Scalar.TEXT,
                    "weight": Scalar.NUMBER,
                    "chosen": Scalar.NUMBER,
                    "rejected": Scalar.NUMBER,
                }
            )
        ),
        "What each judge gave the two answers.",
    ),
    Column("prompt_token_ids", TOKENS, "The prompt as it was sampled; empty: another's prompt."),
    Column("chosen_token_ids", TOKENS, "The better answer as it was sampled."),
    Column("rejected_token_ids", TOKENS, "The worse answer as it was sampled."),
    Column(
        "chosen_allowed_token_ids",
        ListOf(TOKENS),
        "For each token those that it was drawn among; empty: any was allowed.",
    ),
    Column("rejected_allowed_token_ids", ListOf(TOKENS), "The same of the worse answer."),
)


class PairFormat(ABC):
    """Reads pairs page by page; what it makes of a page is its own."""

    name: str
    label: str
    explanation: str
    filters = ALL_FILTERS
    columns: Sequence[Column]

    def newest_id(self) -> int:
        return Pair.objects.aggregate(newest=Max("id"))["newest"] or 0

    def pages(self, order: Order, *, after_id: int) -> Iterator[RowBatch]:
        while ids := self._next(order, after_id):
            tally = ExportTally()
            # What anybody may export has nobody's own prompt, not even the person's who exports it.
            owner_id = order.owner_id if order.selection.whose == Whose.MINE else None
            pairs = list(read_pairs(ids, owner_id=owner_id))
            for pair in pairs:
                _count(pair, tally)
            after_id = ids[-1]
            yield RowBatch(after_id, list(self.lines(pairs, tally)), tally)

    @abstractmethod
    def lines(self, pairs: Sequence[PairRecord], tally: ExportTally) -> Iterator[str]:
        """The rows, which it counts in the tally. Raises Refused."""

    def _next(self, order: Order, after_id: int) -> list[int]:
        ids = pairs_after(order.selection, order.owner_id, after_id=after_id, limit=PAGE_ROWS)
        return [each for each in ids if each <= order.up_to_id]


def provenance_parts(pair: PairRecord) -> dict[str, str]:
    one = pair.round
    return {
        "pair": str(pair.pair_id),
        "space": as_json(one.space),
        "match": str(one.match_id),
        "round": str(one.number),
        "task": as_json(one.task_key),
        "task_kind": as_json(one.task_kind),
    }


def pair_parts(pair: PairRecord, *, is_read: bool) -> dict[str, str]:
    """The columns of PAIR_COLUMNS."""
    chosen, rejected = pair.chosen, pair.rejected
    return {
        "reads_as_sampled": as_json(is_read),
        **provenance_parts(pair),
        "source": as_json(pair.source),
        "margin": repr(float(pair.margin)),
        "agreement": repr(float(pair.agreement)),
        "chosen_length": str(chosen.length),
        "rejected_length": str(rejected.length),
        "length_bias": repr(float(pair.length_bias)),
        "length_bias_pairs": str(pair.length_bias_pairs),
        "chosen_version": as_json(chosen.version),
        "rejected_version": as_json(rejected.version),
        "chosen_adapter": as_json(chosen.adapter_digest),
        "rejected_adapter": as_json(rejected.adapter_digest),
        "chosen_finish_reason": as_json(chosen.finish_reason),
        "rejected_finish_reason": as_json(rejected.finish_reason),
        "judge_votes": _votes_json(pair),
        "prompt_token_ids": pair.prompt_ids_json,
        "chosen_token_ids": chosen.ids_json,
        "rejected_token_ids": rejected.ids_json,
        "chosen_allowed_token_ids": chosen.allowed_json,
        "rejected_allowed_token_ids": rejected.allowed_json,
    }


def _votes_json(pair: PairRecord) -> str:
    return listed(
        member(
            judge=as_json(vote.judge),
            weight=repr(float(vote.weight)),
            chosen=repr(float(better)),
            rejected=repr(float(worse)),
        )
        for vote, better, worse in votes_on(pair)
    )


def _count(pair: PairRecord, tally: ExportTally) -> None:
    tally.spaces[pair.round.space] += 1
    tally.agents[str(pair.agent_id)] += 1
    tally.note_match(pair.round.match_id)
    for vote, _, _ in votes_on(pair):
        tally.votes[f"{vote.judge} {vote.version_id or ''}".strip()] += 1
