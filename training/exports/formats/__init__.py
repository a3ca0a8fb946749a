"""Every format that a dataset can be written in, one file each."""

from collections.abc import Mapping
from types import MappingProxyType

from training.exports.formats.base import Format
from training.exports.formats.episodes import Episodes
from training.exports.formats.groups import Groups
from training.exports.formats.plain import PlainPreference
from training.exports.formats.preference import Preference
from training.exports.formats.unpaired import Unpaired
from training.exports.formats.winners import Winners

_ALL: tuple[Format, ...] = (
    Preference(),
    PlainPreference(),
    Unpaired(),
    Winners(),
    Groups(),
    Episodes(),
)
FORMATS: Mapping[str, Format] = MappingProxyType({one.name: one for one in _ALL})
