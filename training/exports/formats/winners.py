"""The better answers by themselves, as TRL's SFTTrainer reads them."""

from collections.abc import Iterator, Sequence

from training.exports.formats.columns import MESSAGES, Column
from training.exports.formats.pairs import PairFormat
from training.exports.formats.records import PairRecord, readings
from training.exports.formats.tally import ExportTally
from training.exports.formats.unpaired import ANSWER_COLUMNS, answer_json


class Winners(PairFormat):
    """What won, as an example to imitate."""

    name = "winners"
    label = "Winners, for supervised fine-tuning (TRL)"
    explanation = "The better answers only, each after its prompt."
    columns = (
        Column("prompt", MESSAGES, "What was asked; without the prompt of another's agent."),
        Column("completion", MESSAGES, "The answer."),
        *ANSWER_COLUMNS,
    )

    def lines(self, pairs: Sequence[PairRecord], tally: ExportTally) -> Iterator[str]:
        """An agent's answer that beat several others comes once in a page."""
        reads = readings(pairs)
        shown: set[tuple[int, int]] = set()
        for pair in pairs:
            key = (pair.agent_id, pair.chosen.completion_id)
            if key in shown:
                continue
            shown.add(key)
            is_read = reads[pair.chosen.completion_id]
            tally.otherwise += not is_read
            yield (
                f'{{"prompt": {pair.prompt_json}, "completion": {pair.chosen.said_json}, '
                f"{answer_json(pair, pair.chosen, is_read=is_read)}}}"
            )
