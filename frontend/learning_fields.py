"""Form fields for how an agent learns: method, preset or every setting, and who adopts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django import forms

from training.configs.configs import (
    NOT_IN_PRESETS,
    PRESETS,
    Adoption,
    LearningConfig,
    PracticeAnswers,
    Precision,
    Targets,
)
from training.configs.fields import InvalidConfig, SettingHelp
from training.methods import DEFAULT, METHODS, config_from_json, method_of
from training.methods.base import Method, MethodWords

PREFIX = "learning_"
CUSTOM = "custom"


PRESET_WORDS: Mapping[str, tuple[str, str]] = {
    "gentle": ("Gentle", "Small adapter, small steps, close to the parent. Hard to break."),
    "steady": ("Steady", "The default, for most agents."),
    "bold": ("Bold", "Large steps, far from the parent. Learns fast and may overshoot."),
    CUSTOM: ("Custom", "Every setting below, exactly as you set it."),
}
CHOICE_WORDS: Mapping[str, str] = {
    Precision.NF4: "nf4, the base in 4 bits",
    Precision.BF16: "bf16, the base as it plays",
    Targets.ALL_LINEAR: "all-linear, attention and feed-forward",
    Targets.ATTENTION: "attention only",
    Adoption.AUTOMATIC: "automatic, it plays at once",
    Adoption.BY_HAND: "by-hand, you decide",
    PracticeAnswers.SHARED: "shared, others may learn from them",
    PracticeAnswers.PRIVATE: "private",
}


@dataclass(frozen=True)
class MethodChoice(MethodWords):
    """A method with the fields that only it has."""

    slug: str
    is_chosen: bool
    fields: tuple[forms.BoundField, ...]


@dataclass(frozen=True)
class PresetChoice:
    """A preset; `values` are what its fields show, by method and field name."""

    slug: str
    title: str
    explanation: str
    is_chosen: bool
    values: Mapping[str, Mapping[str, Any]]


class LearningFields(forms.Form):
    """Settings that all methods describe alike share a field; the others have one per method."""

    method = forms.ChoiceField(
        label="Method",
        choices=[(name, method.words.title) for name, method in METHODS.items()],
        initial=DEFAULT,
        widget=forms.RadioSelect,
        error_messages=dict.fromkeys(
            ("required", "invalid_choice"),
            f"Choose {' or '.join(method.words.title for method in METHODS.values())}.",
        ),
    )
    preset = forms.ChoiceField(
        label="Preset",
        choices=[(slug, title) for slug, (title, _) in PRESET_WORDS.items()],
        initial="steady",
        widget=forms.RadioSelect,
        error_messages=dict.fromkeys(
            ("required", "invalid_choice"), "Choose one of the four presets."
        ),
    )

    def __init__(self, *args: Any, kept: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """`kept`: settings fixed by the agent's adapter; they are shown and cannot be changed."""
        super().__init__(*args, **kwargs)
        for method in METHODS.values():
            for setting in method.config_class.described():
                self.fields[_field_names(method)[setting.name]] = _field_of(setting)
        for name, value in (kept or {}).items():
            field = self.fields[PREFIX + name]
            field.disabled = True
            field.help_text = "Fixed by the adapter that the agent plays with."
            self.initial[PREFIX + name] = value

    @property
    def method_choices(self) -> list[MethodChoice]:
        chosen = self["method"].value()
        return [
            MethodChoice(
                **vars(method.words),
                slug=name,
                is_chosen=name == chosen,
                fields=tuple(
                    self[field]
                    for setting, field in _field_names(method).items()
                    if setting not in _SHARED
                ),
            )
            for name, method in METHODS.items()
        ]

    @property
    def preset_choices(self) -> list[PresetChoice]:
        chosen = self["preset"].value()
        return [
            PresetChoice(
                slug=slug,
                title=title,
                explanation=explanation,
                is_chosen=slug == chosen,
                values={
                    name: shown(method.presets[slug], but=NOT_IN_PRESETS)
                    for name, method in METHODS.items()
                    if slug in PRESETS
                },
            )
            for slug, (title, explanation) in PRESET_WORDS.items()
        ]

    @property
    def shared_fields(self) -> list[forms.BoundField]:
        return [self[PREFIX + name] for name in _SHARED if name not in NOT_IN_PRESETS]

    @property
    def has_setting_errors(self) -> bool:
        """Whether a field under "Every setting" has an error."""
        return any(name.startswith(PREFIX) for name in self.errors)

    def clean_learning(self) -> None:
        """Fill `cleaned_data["learning"]`; call from clean()."""
        if not {"method", "preset"} <= self.cleaned_data.keys():
            return
        method, preset = METHODS[self.cleaned_data["method"]], self.cleaned_data["preset"]
        names = _field_names(method)
        counting = {names[one] for one in (names if preset == CUSTOM else NOT_IN_PRESETS)}
        # What was typed under "Custom", or for the other method, must not block the form.
        for name in [key for key in self.errors if key.startswith(PREFIX)]:
            if name not in counting:
                del self.errors[name]
        if counting & self.errors.keys():
            return
        typed = {
            name: value
            for name, field in names.items()
            if field in counting and (value := self.cleaned_data.get(field)) not in (None, "")
        }
        known = method.presets[preset].as_json() if preset in PRESETS else {"method": method.name}
        try:
            config = config_from_json({**known, **typed})
        except InvalidConfig as error:
            for name, sentence in error.problems.items():
                self.add_error(names[name], sentence)
        else:
            self.cleaned_data["learning"] = config.as_json()


def initial_choices(config: LearningConfig) -> dict[str, Any]:
    """What the form shows for stored settings, including the fields of the other method."""
    method = method_of(config)
    beside = {name: getattr(config, name) for name in NOT_IN_PRESETS}
    preset = next(
        (slug for slug, one in method.presets.items() if replace(one, **beside) == config),
        CUSTOM,
    )
    values = {"method": method.name, "preset": preset}
    for other in METHODS.values():
        if preset in PRESETS:
            values |= shown(other.presets[preset])
    return values | shown(config)


def shown(config: LearningConfig, *, but: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The config's values by form field."""
    names = _field_names(method_of(config))
    return {
        names[name]: value for name, value in config.as_json().items() if name in names.keys() - but
    }


def plain_number(number: float) -> str:
    """0.000001 and 2,000, never 1e-06."""
    text = f"{number:,.10f}"
    return text.rstrip("0").rstrip(".")


def _shared_settings() -> tuple[str, ...]:
    first, *others = (method.config_class.described() for method in METHODS.values())
    return tuple(one.name for one in first if all(one in other for other in others))


_SHARED = _shared_settings()


def _field_names(method: Method[Any]) -> dict[str, str]:
    """Name of a setting -> name of its field."""
    return {
        one.name: PREFIX + (one.name if one.name in _SHARED else f"{method.name}_{one.name}")
        for one in method.config_class.described()
    }


def _field_of(setting: SettingHelp) -> forms.Field:
    common: dict[str, Any] = {
        "label": setting.label,
        "help_text": _with_range(setting),
        "initial": setting.default,
        "required": False,
    }
    if setting.choices:
        choices = [(one, CHOICE_WORDS.get(one, one)) for one in setting.choices]
        return forms.ChoiceField(choices=choices, **common)
    low, high = setting.low, setting.high
    if setting.kind is int:
        return forms.IntegerField(
            min_value=None if low is None else int(low),
            max_value=None if high is None else int(high),
            **common,
        )
    widget = forms.NumberInput(attrs={"step": "any"})
    return forms.FloatField(min_value=low, max_value=high, widget=widget, **common)


def _with_range(setting: SettingHelp) -> str:
    if setting.low is None or setting.high is None:
        return setting.explanation
    low, high = plain_number(setting.low), plain_number(setting.high)
    return f"{setting.explanation} {low} to {high}."
