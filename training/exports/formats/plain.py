"""The same pairs as texts, in which the chat template stands already.

A trainer puts the tokenizer's beginning token before a text by itself, so that a prompt begins without
it; an answer ends with the token that ends a turn, unless it was cut off.
"""

import json
from collections.abc import Iterator, Sequence

from training.data.reading import Reader, needed_reader
from training.exports.formats.columns import Column, Scalar
from training.exports.formats.lines import text_json
from training.exports.formats.pairs import PAIR_COLUMNS, PairFormat, pair_json
from training.exports.formats.records import PairRecord, ToldAnswer
from training.exports.formats.tally import ExportTally


class PlainPreference(PairFormat):
    """Texts, for trainers that apply no chat template."""

    name = "preference-plain"
    label = "Preference, as plain texts (TRL)"
    explanation = "The same with the chat template applied: a trainer continues the prompt."
    columns = (
        Column("prompt", Scalar.TEXT, "What was asked, up to where the answer begins."),
        Column("chosen", Scalar.TEXT, "The better answer with the end of its turn."),
        Column("rejected", Scalar.TEXT, "The worse answer with the end of its turn."),
        *PAIR_COLUMNS,
    )

    def lines(self, pairs: Sequence[PairRecord], tally: ExportTally) -> Iterator[str]:
        texts = _Texts(pairs)
        for pair in pairs:
            is_read = texts.is_read(pair)
            tally.otherwise += not is_read
            yield (
                f'{{"prompt": {text_json(texts.prompts[pair.pair_id])}, '
                f'"chosen": {text_json(texts.answers[pair.chosen.completion_id])}, '
                f'"rejected": {text_json(texts.answers[pair.rejected.completion_id])}, '
                f"{pair_json(pair, is_read=is_read)}}}"
            )


class _Texts:
    """The texts of a page, each made once, and what the tokenizers read of them.

    Both answers follow the prompt of the pair's own agent, and are read by its base.
    """

    def __init__(self, pairs: Sequence[PairRecord]) -> None:
        self.prompts: dict[int, str] = {}  # by pair
        self.answers: dict[int, str] = {}  # by completion
        self._reads: dict[int, bool] = {}
        self._reads_prompt: dict[int, bool] = {}
        bases = {pair.own.base_id for pair in pairs}
        for base_id in bases:
            self._add(needed_reader(base_id), [one for one in pairs if one.own.base_id == base_id])

    def is_read(self, pair: PairRecord) -> bool:
        return (
            self._reads_prompt[pair.pair_id]
            and self._reads[pair.chosen.completion_id]
            and self._reads[pair.rejected.completion_id]
        )

    def _add(self, reader: Reader, pairs: Sequence[PairRecord]) -> None:
        answers: dict[int, ToldAnswer] = {}
        asked: dict[tuple[int, bool], str] = {}
        for pair in pairs:
            key = (pair.own.completion_id, pair.is_own)
            if key not in asked:
                asked[key] = reader.plain_prompt(pair.prompt)
            self.prompts[pair.pair_id] = asked[key]
            answers |= {one.completion_id: one for one in pair.answers}
        sampled = {each: one.sampled for each, one in answers.items()}
        self.answers |= {each: reader.plain_answer(one) for each, one in sampled.items()}
        reads = reader.reads(list(sampled.values()), is_plain=True)
        self._reads |= dict(zip(answers, reads, strict=True))
        own = {pair.own.completion_id: pair for pair in pairs if pair.is_own}
        read = reader.reads_prompts(
            [self.prompts[one.pair_id] for one in own.values()],
            [json.loads(one.own.prompt_ids_json) for one in own.values()],
        )
        is_read = dict(zip(own, read, strict=True))
        for pair in pairs:
            self._reads_prompt[pair.pair_id] = is_read.get(pair.own.completion_id, True)
