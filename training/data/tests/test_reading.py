"""Whether a tokenizer reads a text as it was sampled."""

from pathlib import Path

import pytest

from training.data.harvest import harvest_matches
from training.data.reading import Reader, Sampled
from training.exports.tests.tiny import letters_of, play, tiny_base
from training.models import Pair
from training.tests.builders import make_agent, make_match

pytestmark = pytest.mark.django_db


def test_a_pair_knows_from_its_making_how_its_texts_are_read(tmp_path: Path) -> None:
    base = tiny_base(tmp_path / "base")
    agent = play(base, ["abab", "abab"], ids=[letters_of(base, "abab"), letters_of(base, "xyxy")])
    pairs = Pair.objects.filter(agent=agent).order_by("id")
    assert [(one.chosen_reads, one.rejected_reads) for one in pairs] == [(False, True)] * 2
    alike = play(base, ["abab"])
    assert Pair.objects.get(agent=alike).chosen_reads is True


def test_without_a_tokenizer_nobody_knows_it(tmp_path: Path) -> None:
    agent = make_agent()
    make_match([agent, make_agent()], [{0: 1.0, 1: 0.2}])
    harvest_matches()
    assert Pair.objects.get(agent=agent).chosen_reads is None


def test_an_answer_that_was_cut_off_has_no_end_to_be_read(tmp_path: Path) -> None:
    base = tiny_base(tmp_path / "base")
    assert base.folder is not None
    reader = Reader(base.folder)
    cut = Sampled("abx", letters_of(base, "xx"), is_cut=True)
    assert reader.reads([cut]) == [False]
    assert reader.plain_answer(cut) == "abx"
    assert reader.plain_answer(cut._replace(is_cut=False)) == "abx<|im_end|>"
