"""Texts that try to win without answering, by name: what every judge has to withstand. Pure.

An attack is written for one task, as anybody could who has read it: without the task's hidden data
and without solving it. Where it stands above an honest answer, a judge has been fooled.
"""

from collections.abc import Mapping

from judges.attacks import disguises, empty, injections
from judges.attacks.base import Attack

ATTACKS: Mapping[str, Attack] = {**empty.ATTACKS, **injections.ATTACKS, **disguises.ATTACKS}
