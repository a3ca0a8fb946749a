"""What every training method says of itself."""

import pytest

from training.configs.configs import PRESETS
from training.configs.fields import InvalidConfig
from training.methods import METHODS, config_from_json
from training.methods.dpo import DPOConfig
from training.methods.examples import GROUPS
from training.methods.grpo import GRPOConfig
from training.models import TrainingRun


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("method", METHODS)
def test_json_and_back_is_the_same_config(name: str, method: str) -> None:
    preset = METHODS[method].presets[name]
    assert config_from_json(preset.as_json()) == preset


def test_the_method_chooses_the_config_and_dpo_is_the_default() -> None:
    assert config_from_json({}) == DPOConfig()
    assert config_from_json({"method": "grpo", "share": 2}) == GRPOConfig(share=2)
    for wrong in ("ppo", None, 3, ["dpo"]):
        with pytest.raises(InvalidConfig, match="Method must be one of dpo, grpo"):
            config_from_json({"method": wrong})


def test_a_group_of_shared_answers_alone_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="fewer than answers per task") as caught:
        GRPOConfig(rollouts=4, share=4)
    assert list(caught.value.problems) == ["share"]


@pytest.mark.parametrize("method", METHODS)
def test_every_setting_is_explained_and_bounded_or_a_choice(method: str) -> None:
    for setting in METHODS[method].config_class.described():
        assert setting.label
        assert setting.explanation.endswith(".")
        assert setting.choices or (setting.low is not None and setting.high is not None)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_one_name_and_a_value_for_every_preset(name: str) -> None:
    method = METHODS[name]
    assert (method.name, method.config_class.method) == (name, name)
    assert len(name) <= (TrainingRun._meta.get_field("method").max_length or 0), "a row keeps it"
    assert tuple(method.presets) == PRESETS
    assert {"loss", "grad_norm"} < {words.name for words in method.charts}


@pytest.mark.parametrize("name", METHODS)
def test_who_learns_from_groups_practises(name: str) -> None:
    method = METHODS[name]
    practises = method.practice(method.config_class()) is not None
    assert practises == (method.examples is GROUPS)
