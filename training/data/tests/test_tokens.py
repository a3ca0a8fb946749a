import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import Refused
from training.data.tokens import ChatTokens, read_chat_tokens

TOKENS = ChatTokens(end_id=2, stop_ids=frozenset({0, 2}), control_ids=frozenset({0, 1, 2}))


def make_tokenizer(folder: Path, *, eos: Any = "<|im_end|>", stops: Any = None) -> Path:
    added = [
        {"id": 1, "content": "<|im_start|>", "special": True},
        {"id": 2, "content": "<|im_end|>", "special": True},
        {"id": 9, "content": "<think>", "special": False},
    ]
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": added}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": eos}))
    if stops is not None:
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": stops}))
    return folder


def test_a_finished_answer_ends_with_the_end_of_turn_and_a_cut_one_does_not() -> None:
    assert TOKENS.canonical([7, 8], is_finished=True) == [7, 8, 2]
    assert TOKENS.canonical([7, 8, 2], is_finished=True) == [7, 8, 2]
    assert TOKENS.canonical([7, 8, 0], is_finished=True) == [7, 8, 0], "as it was sampled"
    assert TOKENS.canonical([7, 8], is_finished=False) == [7, 8]


@given(st.lists(st.integers(0, 20)), st.booleans())
def test_what_is_canonical_stays_as_it_is(ids: list[int], is_finished: bool) -> None:
    once = TOKENS.canonical(ids, is_finished=is_finished)
    assert TOKENS.canonical(once, is_finished=is_finished) == once


def test_a_special_token_is_plain_at_the_end_only() -> None:
    assert TOKENS.is_plain([7, 8, 2])
    assert TOKENS.is_plain([7, 8])
    assert not TOKENS.is_plain([7, 2, 1, 8, 2])
    assert not TOKENS.is_plain([7, 1])


def test_the_tokens_are_read_from_the_bases_folder(tmp_path: Path) -> None:
    tokens = read_chat_tokens(make_tokenizer(tmp_path, stops=[2, 5]))
    assert (tokens.end_id, tokens.stop_ids, tokens.control_ids) == (
        2,
        frozenset({2, 5}),
        frozenset({1, 2}),
    )


@pytest.mark.parametrize(("eos", "stops"), [({"content": "<|im_end|>"}, 2), ("<|im_end|>", None)])
def test_both_ways_of_writing_a_token_are_read(tmp_path: Path, eos: Any, stops: Any) -> None:
    tokens = read_chat_tokens(make_tokenizer(tmp_path, eos=eos, stops=stops))
    assert (tokens.end_id, tokens.stop_ids) == (2, frozenset({2}))


def test_a_folder_without_a_tokenizer_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="tokenizer"):
        read_chat_tokens(tmp_path)
    with pytest.raises(Refused, match="tokenizer"):
        read_chat_tokens(make_tokenizer(tmp_path, eos="<unknown>"))
