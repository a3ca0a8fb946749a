import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.configs.configs import Precision, Targets
from training.configs.fields import InvalidConfig
from training.methods.dpo import DPOConfig


def test_missing_keys_take_their_defaults() -> None:
    assert DPOConfig.from_json({}) == DPOConfig()
    assert DPOConfig.from_json({"rank": 8}) == DPOConfig(rank=8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rank", 0),
        ("rank", 65),
        ("rank", 8.5),
        ("rank", "8"),
        ("rank", True),
        ("rank", None),
        ("alpha", 257),
        ("target_modules", "lm_head"),
        ("target_modules", ["q_proj"]),
        ("learning_rate", 0),
        ("learning_rate", 1.0),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("beta", -0.1),
        ("epochs", 100),
        ("pairs_per_step", 0),
        ("sft_weight", -1),
        ("max_length", 10**9),
        ("precision", "int8"),
        ("clip", 0),
        ("max_pairs", 10**6),
        ("seed", -1),
        ("rank", 10**400),
        ("learning_rate", 10**400),
    ],
)
def test_each_value_out_of_range_has_a_sentence_that_names_it(name: str, value: Any) -> None:
    with pytest.raises(InvalidConfig) as caught:
        DPOConfig.from_json({name: value})
    label = next(one.label for one in DPOConfig.described() if one.name == name)
    assert list(caught.value.problems) == [name]
    assert caught.value.problems[name].startswith(label)
    assert caught.value.problems[name].endswith(".")


def test_unknown_settings_are_refused_and_all_problems_told_at_once() -> None:
    with pytest.raises(InvalidConfig) as caught:
        DPOConfig.from_json({"rnak": 8, "rank": 1000, "beta": "high"})
    assert set(caught.value.problems) == {"rnak", "rank", "beta"}


@given(
    st.dictionaries(
        st.sampled_from([one.name for one in DPOConfig.described()]),
        st.one_of(st.integers(), st.floats(), st.text(), st.none(), st.booleans()),
    )
)
def test_any_json_gives_a_config_in_range_or_sentences(value: dict[str, Any]) -> None:
    try:
        config = DPOConfig.from_json(value)
    except InvalidConfig:
        return
    assert 1 <= config.rank <= 64
    assert isinstance(config.precision, Precision)
    assert isinstance(config.target_modules, Targets)
