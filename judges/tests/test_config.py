from typing import Any

import pytest

from judges.call import KINDS
from judges.kinds.config import BadConfig, read_config
from judges.kinds.pairwise import PairwiseConfig


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ({"colour": 1}, {"colour": "is not known"}),
        ({"thinking_tokens": "many"}, {"thinking_tokens": "must be a whole number"}),
        ({"thinking_tokens": 1.5}, {"thinking_tokens": "must be a whole number"}),
        ({"thinking_tokens": True}, {"thinking_tokens": "must be a whole number"}),
        ({"thinking_tokens": -1}, {"thinking_tokens": "must be at least 0"}),
        ({"limit_seconds": 1e9}, {"limit_seconds": "must be at most 600"}),
        ({"limit_seconds": float("nan")}, {"limit_seconds": "must be a finite number"}),
        ({"limit_seconds": None}, {"limit_seconds": "must be a number"}),
        ({"limit_seconds": {1, 2}}, {"": "it must be JSON"}),
    ],
)
def test_a_wrong_configuration_is_refused_in_words(
    value: dict[str, Any], problems: dict[str, str]
) -> None:
    with pytest.raises(BadConfig) as refused:
        read_config(PairwiseConfig, value)
    assert refused.value.problems == problems


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(BadConfig) as refused:
        read_config(PairwiseConfig, {"colour": 1, "shape": 2, "thinking_tokens": -1})
    assert str(refused.value) == (
        "its configuration has unknown names: colour, shape; thinking_tokens must be at least 0"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_of_every_kind_has_a_title_and_a_description_for_its_form(kind: str) -> None:
    for field in KINDS[kind].config_class.model_fields.values():
        assert field.title
        assert field.description
