from pathlib import Path

import pytest

from judges.bench.figures import PairOutcome
from judges.bench.records import OtherPairs, Outcomes

FIRST = PairOutcome("1", 1, None, 1, 0.5, requests=2, prompt_tokens=9, reasons=("late",))
SECOND = PairOutcome("2", 0, -1, 0, 0.25)


def test_outcomes_are_read_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    with Outcomes(path, pairs_digest="p") as outcomes:
        outcomes.add("reader", FIRST, digest="r")
        outcomes.add("other", SECOND, digest="o")
    with Outcomes(path, pairs_digest="p") as outcomes:
        assert list(outcomes.read("reader", digest="r")) == [FIRST]
        assert list(outcomes.read("other", digest="o")) == [SECOND]


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_a_line_that_a_kill_cut_short_is_dropped_and_written_anew(
    tmp_path: Path, kept: int
) -> None:
    path = tmp_path / "outcomes.jsonl"
    with Outcomes(path, pairs_digest="p") as outcomes:
        outcomes.add("reader", FIRST, digest="r")
    whole = path.read_bytes()
    with Outcomes(path, pairs_digest="p") as outcomes:
        outcomes.add("reader", SECOND, digest="r")
    last = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + last[:kept])
    with Outcomes(path, pairs_digest="p") as outcomes:
        assert list(outcomes.read("reader", digest="r")) == [FIRST]
        outcomes.add("reader", SECOND, digest="r")
    with Outcomes(path, pairs_digest="p") as outcomes:
        assert list(outcomes.read("reader", digest="r")) == [FIRST, SECOND]


def test_a_header_that_a_kill_cut_short_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    path.write_bytes(b'{"form')
    with Outcomes(path, pairs_digest="p") as outcomes:
        outcomes.add("reader", FIRST, digest="r")
        assert list(outcomes.read("reader", digest="r")) == [FIRST]


def test_outcomes_of_other_pairs_or_another_configuration_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    with Outcomes(path, pairs_digest="p") as outcomes:
        outcomes.add("reader", FIRST, digest="r")
        with pytest.raises(OtherPairs, match="reader with another configuration"):
            list(outcomes.read("reader", digest="s"))
    with pytest.raises(OtherPairs, match="another file of pairs"), Outcomes(path, pairs_digest="q"):
        pass
