"""What the formats that are made of pairs have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from django.db.models import Max

from training.exports.formats.base import ALL_FILTERS, Order, RowBatch
from training.exports.formats.columns import TOKENS, Column, ListOf, Scalar, Struct
from training.exports.formats.lines import flag_json, listed, text_json
from training.exports.formats.records import PairRecord, read_entered, read_pairs
from training.exports.formats.tally import ExportTally
from training.exports.rows import pairs_after
from training.exports.selection import Whose
from training.exports.summary import about_count
from training.models import Pair

PAGE_ROWS = 1000  # pairs that are in memory at once
# Ids that are found at once: to plan that query takes longer than to find a page of them.
FOUND_IDS = 20 * PAGE_ROWS

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
        "How much more often the judges preferred the longer answer than they should have.",
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
    rows_a_pair = 1  # at most

    def newest_id(self) -> int:
        return Pair.objects.aggregate(newest=Max("id"))["newest"] or 0

    def estimate(self, order: Order) -> int | None:
        count = about_count(order.selection, order.owner_id)
        return None if count is None else count * self.rows_a_pair

    def pages(self, order: Order, *, after_id: int) -> Iterator[RowBatch]:
        # What anybody may export has nobody's own prompt, not even the person's who exports it.
        owner_id = order.owner_id if order.selection.whose == Whose.MINE else None
        for ids in self._found(order, after_id):
            tally = ExportTally()
            pairs = list(read_pairs(ids, owner_id=owner_id))
            entered = read_entered({one.match_id for pair in pairs for one in pair.answers})
            for pair in pairs:
                _count(pair, tally)
                for answer in pair.answers:
                    tally.note_entered(pair.round.space, entered[answer.match_id])
            yield RowBatch(ids[-1], list(self.lines(pairs, tally)), tally)

    @abstractmethod
    def lines(self, pairs: Sequence[PairRecord], tally: ExportTally) -> Iterator[str]:
        """The rows, which it counts in the tally. Raises Refused."""

    def _found(self, order: Order, after_id: int) -> Iterator[list[int]]:
        """Ids of the order's pairs after this one, page by page."""
        while found := pairs_after(
            order.selection,
            order.owner_id,
            after_id=after_id,
            limit=FOUND_IDS,
            up_to_id=order.up_to_id,
        ):
            after_id = found[-1]
            for begin in range(0, len(found), PAGE_ROWS):
                yield found[begin : begin + PAGE_ROWS]


def pair_json(pair: PairRecord, *, is_read: bool) -> str:
    """The columns of PAIR_COLUMNS, without braces."""
    chosen, rejected = pair.chosen, pair.rejected
    return (
        f'"reads_as_sampled": {flag_json(is_read)}, "pair": {pair.pair_id}, {pair.round.parts_json}, '
        f'"source": "{pair.source}", "margin": {float(pair.margin)!r}, '
        f'"agreement": {float(pair.agreement)!r}, "chosen_length": {chosen.length}, '
        f'"rejected_length": {rejected.length}, "length_bias": {float(pair.length_bias)!r}, '
        f'"length_bias_pairs": {pair.length_bias_pairs}, "chosen_version": {chosen.version_json}, '
        f'"rejected_version": {rejected.version_json}, "chosen_adapter": {chosen.adapter_json}, '
        f'"rejected_adapter": {rejected.adapter_json}, '
        f'"chosen_finish_reason": {chosen.finish_json}, '
        f'"rejected_finish_reason": {rejected.finish_json}, "judge_votes": {_votes_json(pair)}, '
        f'"prompt_token_ids": {pair.prompt_ids_json}, "chosen_token_ids": {chosen.ids_json}, '
        f'"rejected_token_ids": {rejected.ids_json}, '
        f'"chosen_allowed_token_ids": {chosen.allowed_json}, '
        f'"rejected_allowed_token_ids": {rejected.allowed_json}'
    )


def _votes_json(pair: PairRecord) -> str:
    return listed(
        f'{{"judge": {text_json(vote.judge)}, "weight": {float(vote.weight)!r}, '
        f'"chosen": {float(better)!r}, "rejected": {float(worse)!r}}}'
        for vote, better, worse in pair.votes
    )


def _count(pair: PairRecord, tally: ExportTally) -> None:
    tally.spaces[pair.round.space] += 1
    tally.agents[str(pair.agent_id)] += 1
    tally.note_match(pair.round.match_id)
    for vote, _, _ in pair.votes:
        tally.votes[f"{vote.judge} {vote.version_id or ''}".strip()] += 1
