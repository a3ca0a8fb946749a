import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.kinds.steps import MAX_STEPS, step_spans


def cut(text: str) -> list[str]:
    return [text[begin:end] for begin, end in step_spans(text)]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", []),
        (" \n ", []),
        ("One thing only", ["One thing only"]),
        ("Add 2. Then double it. So 8.", ["Add 2.", "Then double it.", "So 8."]),
        ("Add 2\nDouble it", ["Add 2", "Double it"]),
        ("Add 2.\nIt is 4.\n\nDouble it.", ["Add 2.\nIt is 4.", "Double it."]),
        ("First:\n1. Add 2\n   to 2\n2. Double", ["First:", "1. Add 2\n   to 2", "2. Double"]),
        ("Step 1: add 2\n\nStep 2: double", ["Step 1: add 2", "Step 2: double"]),
        ("**Step 1**: add\n**Step 2**: double", ["**Step 1**: add", "**Step 2**: double"]),
        ("- add 2\n- double", ["- add 2", "- double"]),
        ("It is 3.14 in all", ["It is 3.14 in all"]),
        ("Add 2.\n\n---\n\nDouble it.", ["Add 2.\n\n---", "Double it."]),
    ],
)
def test_an_answer_is_cut_where_its_writer_began_something_new(text: str, steps: list[str]) -> None:
    assert cut(text) == steps


def test_a_long_answer_has_no_more_than_so_many_steps_and_loses_nothing() -> None:
    text = "\n".join(f"{number}. so" for number in range(100))
    steps = cut(text)
    assert len(steps) == MAX_STEPS
    assert steps[-1].endswith("99. so")


@given(st.text(alphabet="ab1. \n-*!?:", max_size=300))
def test_steps_are_apart_and_in_order_and_leave_out_only_blanks(text: str) -> None:
    spans = step_spans(text)
    ends = [0, *(end for _, end in spans)]
    begins = [*(begin for begin, _ in spans), len(text)]
    between = [text[end:begin] for end, begin in zip(ends, begins, strict=True)]
    assert all(end <= begin for end, begin in zip(ends, begins, strict=True))
    assert not "".join(between).strip()
    assert all(re.search(r"\S", text[begin:end]) for begin, end in spans)
