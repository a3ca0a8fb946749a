"""Answers by themselves, each with a verdict on it, as TRL's KTOTrainer reads them."""

from collections.abc import Iterator, Sequence

from training.exports.formats.columns import MESSAGES, TOKENS, Column, ListOf, Scalar
from training.exports.formats.lines import flag_json
from training.exports.formats.pairs import PROVENANCE, READS, PairFormat
from training.exports.formats.records import PairRecord, ToldAnswer, readings
from training.exports.formats.tally import ExportTally

# Of a pair's answer, in formats in which each answer has a row of its own.
ANSWER_COLUMNS = (
    READS,
    *PROVENANCE,
    Column("margin", Scalar.NUMBER, "The difference of the panel's scores in the pair, 0 to 1."),
    Column("agreement", Scalar.NUMBER, "The share of the panel that agrees with the pair."),
    Column("version", Scalar.TEXT, "The version of the agent that gave the answer."),
    Column("adapter", Scalar.TEXT, "SHA-256 of its adapter; empty: the plain base."),
    Column("finish_reason", Scalar.TEXT, "Why the answer ended; length: it was cut off."),
    Column("prompt_token_ids", TOKENS, "The prompt as it was sampled; empty: another's prompt."),
    Column("token_ids", TOKENS, "The answer as it was sampled."),
    Column("allowed_token_ids", ListOf(TOKENS), "For each token those that it was drawn among."),
)


class Unpaired(PairFormat):
    """Two rows a pair: the better answer is desirable, the worse one is not."""

    name = "unpaired"
    label = "Unpaired, for KTO (TRL)"
    explanation = "Each answer by itself, with whether it was the better one of its pair."
    rows_a_pair = 2
    columns = (
        Column("prompt", MESSAGES, "What was asked; without the prompt of another's agent."),
        Column("completion", MESSAGES, "The answer."),
        Column("label", Scalar.FLAG, "Whether it was the better one."),
        *ANSWER_COLUMNS,
    )

    def lines(self, pairs: Sequence[PairRecord], tally: ExportTally) -> Iterator[str]:
        reads = readings(pairs)
        for pair in pairs:
            for answer in pair.answers:
                is_read = reads[answer.completion_id]
                tally.otherwise += not is_read
                yield (
                    f'{{"prompt": {pair.prompt_json}, "completion": {answer.said_json}, '
                    f'"label": {flag_json(answer is pair.chosen)}, '
                    f"{answer_json(pair, answer, is_read=is_read)}}}"
                )


def answer_json(pair: PairRecord, answer: ToldAnswer, *, is_read: bool) -> str:
    """The columns of ANSWER_COLUMNS, without braces."""
    return (
        f'"reads_as_sampled": {flag_json(is_read)}, "pair": {pair.pair_id}, {pair.round.parts_json}, '
        f'"margin": {float(pair.margin)!r}, "agreement": {float(pair.agreement)!r}, '
        f'"version": {answer.version_json}, "adapter": {answer.adapter_json}, '
        f'"finish_reason": {answer.finish_json}, "prompt_token_ids": {pair.prompt_ids_json}, '
        f'"token_ids": {answer.ids_json}, "allowed_token_ids": {answer.allowed_json}'
    )
