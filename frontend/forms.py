"""Forms: they parse and explain. The verbs have the last word on what is allowed."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

from agents.models import Agent, AgentVersion
from agents.prompts import MAX_PROMPT_CHARS, problem_with_prompt
from agents.roster import MAX_NAME_CHARS
from arena.queries import AgentCard, base_models
from arena.wallet import TOP_UP_MAX_CREDITS
from frontend.catalog import AgentTemplate
from training.configs import PRESETS, DPOConfig, InvalidConfig, Method, SettingHelp

_LEARNING = "learning_"
CUSTOM = "custom"
PRESET_WORDS = {
    "gentle": ("Gentle", "Small adapter, small steps, close to the parent. Hard to break."),
    "steady": ("Steady", "The measured default, for most agents."),
    "bold": ("Bold", "Large steps, far from the parent. Learns fast and may overshoot."),
    CUSTOM: ("Custom", "Every setting below as you wrote it."),
}


class PlainForm(forms.Form):
    """Labels without colons, ranges named in full; `ui.field` renders the rest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            low, high = getattr(field, "min_value", None), getattr(field, "max_value", None)
            if low is not None and high is not None:
                sentence = f"Choose a number from {_plain(low)} to {_plain(high)}."
                field.error_messages |= {"min_value": sentence, "max_value": sentence}


class _SamplingFields(forms.Form):
    temperature = forms.FloatField(
        label="Temperature",
        min_value=0,
        max_value=2,
        initial=0.8,
        help_text="How freely words are drawn. 0 always takes the likeliest; above 1.2 gets wild.",
        widget=forms.NumberInput(attrs={"step": "0.05", "inputmode": "decimal"}),
    )
    top_p = forms.FloatField(
        label="Top-p",
        max_value=1,
        initial=0.95,
        help_text="Draw only from the likeliest words that together have this probability.",
        widget=forms.NumberInput(attrs={"step": "0.01", "min": "0.01", "inputmode": "decimal"}),
    )
    max_tokens = forms.IntegerField(
        label="Longest answer",
        min_value=8,
        max_value=256,
        initial=96,
        help_text="In tokens, about three quarters of a word each. A Space may allow fewer.",
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )

    def clean_top_p(self) -> float:
        value: float = self.cleaned_data["top_p"]
        if value <= 0:
            raise forms.ValidationError("Top-p must be above 0 and at most 1.")
        return value

    def sampling(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("temperature", "top_p", "max_tokens")}


class _PromptField(forms.Form):
    prompt = forms.CharField(
        label="Prompt",
        strip=False,
        required=False,  # the sentence of agents.prompts is better than Django's
        help_text="What your agent is told before every task. Only you can read it.",
        widget=forms.Textarea(
            attrs={"rows": 7, "data-count-to": MAX_PROMPT_CHARS, "spellcheck": "true"}
        ),
    )

    def clean_prompt(self) -> str:
        text: str = self.cleaned_data["prompt"].replace("\r\n", "\n")
        if problem := problem_with_prompt(text):
            raise forms.ValidationError(problem)
        return text


class _LearningFields(forms.Form):
    """Presets, or every setting of training.configs under "Custom"."""

    preset = forms.ChoiceField(
        label="How it learns",
        choices=[(slug, words[0]) for slug, words in PRESET_WORDS.items()],
        initial="steady",
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for setting in DPOConfig.described():
            self.fields[_LEARNING + setting.name] = _field_of(setting)

    @property
    def learning_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith(_LEARNING)]

    @property
    def has_learning_errors(self) -> bool:
        return any(bound.errors for bound in self.learning_fields) or "preset" in self.errors

    @property
    def preset_words(self) -> list[tuple[str, str, str, bool, dict[str, Any]]]:
        """(slug, title, explanation, chosen, settings)"""
        chosen = self["preset"].value()
        return [
            (
                slug,
                *words,
                slug == chosen,
                PRESETS[slug][Method.DPO].as_json() if slug in PRESETS else {},
            )
            for slug, words in PRESET_WORDS.items()
        ]

    def clean_learning(self) -> None:
        """Fill `cleaned_data["learning"]`; call from clean()."""
        preset = self.cleaned_data.get("preset", "")
        if preset in PRESETS:
            # What was typed under "Custom" does not count and must not stand in the way.
            for name in [key for key in self.errors if key.startswith(_LEARNING)]:
                del self.errors[name]
            self.cleaned_data["learning"] = PRESETS[preset][Method.DPO].as_json()
            return
        typed = {
            name.removeprefix(_LEARNING): value
            for name, value in self.cleaned_data.items()
            if name.startswith(_LEARNING) and value not in (None, "")
        }
        try:
            self.cleaned_data["learning"] = DPOConfig.from_json(typed).as_json()
        except InvalidConfig as error:
            for name, sentence in error.problems.items():
                self.add_error(_LEARNING + name, sentence)


class NewAgentForm(PlainForm, _LearningFields, _SamplingFields, _PromptField):
    """Everything a new agent needs on one page."""

    name = forms.CharField(
        label="Name",
        max_length=MAX_NAME_CHARS,
        help_text="Shown to everyone, on leaderboards and in matches.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    base_model = forms.TypedChoiceField(
        label="Base model",
        coerce=int,
        help_text="The open model under every adapter. A Space is played on one base model.",
    )
    field_order = ["name", "prompt", "temperature", "top_p", "max_tokens", "base_model"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["base_model"].choices = base_models()  # type: ignore[attr-defined]

    @classmethod
    def starting_from(cls, template: AgentTemplate) -> "NewAgentForm":
        return cls(
            initial={
                "name": template.suggested_name,
                "prompt": template.prompt,
                "temperature": template.temperature,
                "top_p": template.top_p,
                "max_tokens": template.max_tokens,
                "preset": template.preset,
                **_initial_learning(PRESETS[template.preset][Method.DPO].as_json()),
            }
        )

    def clean(self) -> dict[str, Any]:
        self.clean_learning()
        return self.cleaned_data


class EditAgentForm(PlainForm, _SamplingFields, _PromptField):
    """A new version: another prompt or other sampling over the same adapter."""

    field_order = ["prompt", "temperature", "top_p", "max_tokens"]

    @classmethod
    def of(cls, version: AgentVersion) -> "EditAgentForm":
        return cls(initial={"prompt": version.prompt, **version.sampling})


class LearningForm(PlainForm, _LearningFields):
    """Whether and how an agent learns."""

    is_training_enabled = forms.BooleanField(
        label="Train by itself",
        required=False,
        help_text="Starts a run whenever enough new pairs of one Space have come together.",
    )

    @classmethod
    def of(cls, agent: Agent) -> "LearningForm":
        learning = DPOConfig.from_json(agent.learning).as_json()
        preset = next(
            (slug for slug, one in PRESETS.items() if one[Method.DPO].as_json() == learning),
            CUSTOM,
        )
        return cls(
            initial={
                "is_training_enabled": agent.is_training_enabled,
                "preset": preset,
                **_initial_learning(learning),
            }
        )

    def clean(self) -> dict[str, Any]:
        self.clean_learning()
        return self.cleaned_data


class RenameForm(PlainForm):
    name = forms.CharField(label="Name", max_length=MAX_NAME_CHARS)


class EnterForm(PlainForm):
    """Which agent plays; the hidden id makes a double click enter once."""

    agent = forms.TypedChoiceField(label="Agent", coerce=int)
    entry_id = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, choices: Iterable[tuple[int, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["agent"].choices = list(choices)  # type: ignore[attr-defined]

    @classmethod
    def offering(cls, agents: Iterable[AgentCard], *, chosen: int | None = None) -> "EnterForm":
        choices = [(agent.agent_id, f"{agent.name}, v{agent.version_number}") for agent in agents]
        return cls(choices=choices, initial={"entry_id": uuid.uuid4(), "agent": chosen})


class TopUpForm(PlainForm):
    """Sandbox credits; the hidden id makes a double click pay once."""

    amount = forms.IntegerField(
        label="Credits",
        min_value=1,
        max_value=TOP_UP_MAX_CREDITS,
        initial=500,
        widget=forms.NumberInput(attrs={"step": "1", "inputmode": "numeric"}),
    )
    transfer_id = forms.UUIDField(widget=forms.HiddenInput)

    @classmethod
    def fresh(cls) -> "TopUpForm":
        return cls(initial={"amount": 500, "transfer_id": uuid.uuid4()})


def _field_of(setting: SettingHelp) -> forms.Field:
    common: dict[str, Any] = {
        "label": setting.label,
        "help_text": _with_range(setting),
        "initial": setting.default,
        "required": False,
    }
    if setting.choices:
        return forms.ChoiceField(choices=[(one, one) for one in setting.choices], **common)
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
    return f"{setting.explanation} {_plain(setting.low)} to {_plain(setting.high)}."


def _plain(number: float) -> str:
    """0.000001 and 2,000, never 1e-06."""
    text = f"{number:,.10f}"
    return text.rstrip("0").rstrip(".")


def _initial_learning(learning: Mapping[str, Any]) -> dict[str, Any]:
    return {_LEARNING + name: value for name, value in learning.items()}
