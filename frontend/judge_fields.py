"""A form for the configuration of a judge's kind, made from the kind's own description."""

import json
from collections.abc import Mapping
from typing import Any

from django import forms

from judges.call import KINDS
from judges.kinds.config import BadConfig, KindConfig, read_config

PREFIX = "config_"
MAX_CHARACTERS = 20_000


def config_form(kind: str, config: Mapping[str, Any] | None, data: Any = None) -> "ConfigForm":
    """Shows the configuration, or reads one from `data`."""
    return ConfigForm(KINDS[kind].config_class, config or {}, data)


class ConfigForm(forms.Form):
    """One field for each setting; what it may be is for the kind to say. `config` is what was read."""

    def __init__(
        self, config_class: type[KindConfig], config: Mapping[str, Any], data: Any = None
    ) -> None:
        super().__init__(data, label_suffix="")
        self._class = config_class
        schema = config_class.model_json_schema()
        definitions = schema.get("$defs", {})
        self._schema: Mapping[str, Mapping[str, Any]] = {
            name: _resolved(described, definitions)
            for name, described in schema.get("properties", {}).items()
        }
        self.config: dict[str, Any] = {}
        for name, described in self._schema.items():
            setting = config_class.model_fields[name]
            default = (
                _example(described, definitions)
                if setting.is_required()
                else _plain(setting.get_default(call_default_factory=True))
            )
            self.fields[f"{PREFIX}{name}"] = _field(described, config.get(name, default))

    def clean(self) -> dict[str, Any]:
        """Raise what the kind refuses, each at its field."""
        values = super().clean() or {}
        read: dict[str, Any] = {}
        for name, described in self._schema.items():
            value = values.get(f"{PREFIX}{name}")
            if value in ("", None):
                continue  # the default
            read[name] = _read(described, value)
        try:
            checked = read_config(self._class, read)
        except BadConfig as error:
            for place, problem in error.problems.items():
                setting, _, rest = place.partition(" ")
                at = f"{PREFIX}{setting}" if setting in self._schema else None
                sentence = f"{rest} {problem}.".strip()
                self.add_error(at, f"{sentence[:1].upper()}{sentence[1:]}")
            return values
        # Only what differs: a default may be better in a later release.
        self.config = checked.model_dump(mode="json", exclude_defaults=True)
        return values


def _field(described: Mapping[str, Any], value: Any) -> forms.Field:
    common: dict[str, Any] = {
        "label": described.get("title", ""),
        "help_text": described.get("description", ""),
        "required": False,
    }
    kind = _kind(described)
    if kind == "boolean":
        return forms.BooleanField(initial=value, **common)
    if kind == "enum":
        choices = [(one, one) for one in described["enum"]]
        return forms.ChoiceField(initial=value, choices=choices, **common)
    if kind == "lines":
        widget = forms.Textarea(attrs={"rows": 3})
        common["help_text"] = f"{common['help_text']} One in each line."
        initial = "\n".join(str(one) for one in value or ())
        return forms.CharField(initial=initial, widget=widget, max_length=MAX_CHARACTERS, **common)
    if kind == "json":
        widget = forms.Textarea(attrs={"rows": 8, "spellcheck": "false"})
        common["help_text"] = f"{common['help_text']} As JSON."
        initial = json.dumps(value, indent=2, ensure_ascii=False)
        return forms.CharField(initial=initial, widget=widget, max_length=MAX_CHARACTERS, **common)
    return forms.CharField(initial=value, max_length=MAX_CHARACTERS, **common)


def _resolved(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """What a schema says of a setting, with what it refers to."""
    name = described.get("$ref", "").rpartition("/")[2]
    return {**definitions.get(name, {}), **described}


def _example(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """What is shown where a kind has no default: one entry to fill in."""
    item = _resolved(described.get("items", {}), definitions)
    names = item.get("properties", {})
    return [{name: each.get("default", "") for name, each in names.items()}] if names else ""


def _kind(described: Mapping[str, Any]) -> str:
    """How a setting is typed: "boolean", "enum", "number", "text", "lines", else "json"."""
    if "enum" in described:
        return "enum"
    match described.get("type"):
        case "boolean":
            return "boolean"
        case "integer" | "number":
            return "number"
        case "string":
            return "text"
        case "array" if described.get("items", {}).get("type") == "string":
            return "lines"
    return "json"


def _read(described: Mapping[str, Any], value: Any) -> Any:
    """The JSON that somebody typed; what cannot be read stays text, which the kind refuses in words."""
    match _kind(described):
        case "lines":
            return [line.strip() for line in value.splitlines() if line.strip()]
        case "number" | "json":
            try:
                return json.loads(value)
            except (ValueError, RecursionError):
                return value
    return value


def _plain(value: Any) -> Any:
    """A default as JSON has it."""
    if isinstance(value, KindConfig) or hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value
