"""How agents learn: a file for each method, and the registry of them. Pure."""

from collections.abc import Mapping
from typing import Any

from training.configs.configs import LearningConfig
from training.configs.fields import InvalidConfig
from training.methods.base import Method
from training.methods.dpo import DPO
from training.methods.grpo import GRPO

METHODS: Mapping[str, Method[Any]] = {
    DPO.name: DPO(),
    GRPO.name: GRPO(),
}
DEFAULT = DPO.name


def method_of(config: LearningConfig) -> Method[Any]:
    """The method whose settings these are."""
    return METHODS[config.method]


def config_from_json(value: Mapping[str, Any]) -> LearningConfig:
    """The config of the method that `value` names, or of the default method if it names none.

    Raises InvalidConfig.
    """
    name = value.get("method", DEFAULT)
    if not isinstance(name, str) or name not in METHODS:
        raise InvalidConfig({"method": f"Method must be one of {', '.join(METHODS)}."})
    config: LearningConfig = METHODS[name].config_class.from_json(value)
    return config
