"""Pairs of a better and a worse answer, as TRL's DPOTrainer and RewardTrainer read them.

https://huggingface.co/docs/trl/dataset_formats
"""

from collections.abc import Iterator, Sequence

from training.exports.formats.columns import MESSAGES, Column
from training.exports.formats.pairs import PAIR_COLUMNS, PairFormat, pair_json
from training.exports.formats.records import PairRecord, readings
from training.exports.formats.tally import ExportTally


class Preference(PairFormat):
    """Messages, to which a trainer applies the base's chat template."""

    name = "preference"
    label = "Preference, as messages (TRL)"
    explanation = "A prompt, a better and a worse answer: for DPO and reward models."
    columns = (
        Column("prompt", MESSAGES, "What was asked; without the prompt of another's agent."),
        Column("chosen", MESSAGES, "The better answer."),
        Column("rejected", MESSAGES, "The worse answer."),
        *PAIR_COLUMNS,
    )

    def lines(self, pairs: Sequence[PairRecord], tally: ExportTally) -> Iterator[str]:
        reads = readings(pairs)
        for pair in pairs:
            is_read = all(reads[one.completion_id] for one in pair.answers)
            tally.otherwise += not is_read
            yield (
                f'{{"prompt": {pair.prompt_json}, "chosen": {pair.chosen.said_json}, '
                f'"rejected": {pair.rejected.said_json}, {pair_json(pair, is_read=is_read)}}}'
            )
