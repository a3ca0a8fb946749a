"""How strong a house agent is taken to be before its first match in a Space. Pure."""

from arena.spaces.ratings import Skill

_PLAIN_MU = 24.0  # answers with its base model, as most newcomers do
_CODE_MU = 18.0  # more, if every answer came from code
_SIGMA = 25.0 / 6  # half a newcomer's: the order is measured by `manage.py house_strengths`


def house_skill(code_share: float) -> Skill:
    """The belief about an agent that answers by code in this share of its turns, [0, 1].

    Why it does not start like anybody: docs/decisions/pairing.md
    """
    return Skill(_PLAIN_MU + _CODE_MU * code_share, _SIGMA)
