"""The rules of the Constraints Space, by the split that uses them."""

from arena.environments.constraints.rules.long import LONG_RULES
from arena.environments.constraints.rules.rule import Rule
from arena.environments.constraints.rules.short import SHORT_RULES
from arena.environments.constraints.rules.unseen import UNSEEN_RULES
from arena.environments.constraints.rules.wording import WORDING_RULES

__all__ = ["RULES", "TRAIN_RULES", "UNSEEN_RULES"]

TRAIN_RULES: dict[str, Rule] = LONG_RULES | SHORT_RULES | WORDING_RULES
RULES: dict[str, Rule] = TRAIN_RULES | UNSEEN_RULES
