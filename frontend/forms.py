"""Forms parse and explain. The verbs decide what is allowed."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from django import forms

from agents.api_tokens import MAX_NAME_CHARS, Scope
from agents.models import Agent, AgentVersion
from agents.prompts import MAX_PROMPT_CHARS, problem_with_prompt
from arena.credits.brakes import RANGES, AutopilotLimits
from arena.credits.wallet import TOP_UP_MAX_CREDITS
from arena.queries import AgentCard, AutopilotView, FlightSpace, base_models
from arena.spaces.entering import MAX_LIVE_ENTRIES
from arena.states import AdoptionRule
from frontend.catalog import AgentTemplate
from frontend.learning_fields import LearningFields, initial_choices, plain_number
from judges.attacks.submitted import MAX_TEMPLATE_CHARACTERS
from training.configs.configs import LearningConfig
from training.configs.fields import InvalidConfig
from training.methods import DEFAULT, METHODS, config_from_json

# Chosen for one intent. A browser that restores the page must not restore it: see site.ts.
KEY = forms.HiddenInput(attrs={"data-key": "", "autocomplete": "off"})


class PlainForm(forms.Form):
    """Labels without colons, ranges named in full; `ui.field` renders the rest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            low, high = getattr(field, "min_value", None), getattr(field, "max_value", None)
            if low is not None and high is not None:
                sentence = f"Choose a number from {plain_number(low)} to {plain_number(high)}."
                field.error_messages |= {"min_value": sentence, "max_value": sentence}


class _SamplingFields(forms.Form):
    temperature = forms.FloatField(
        label="Temperature",
        min_value=0,
        max_value=2,
        initial=0.8,
        help_text="How freely words are sampled. 0 always picks the likeliest; above 1.2 gets wild.",
        widget=forms.NumberInput(attrs={"step": "0.05", "inputmode": "decimal"}),
    )
    top_p = forms.FloatField(
        label="Top-p",
        max_value=1,
        initial=0.95,
        help_text="Samples only from the likeliest words that together reach this probability.",
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
        required=False,  # agents.prompts has a better sentence than Django
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


class NewAgentForm(PlainForm, LearningFields, _SamplingFields, _PromptField):
    """Everything a new agent needs on one page."""

    name = forms.CharField(
        label="Name",
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
                **initial_choices(METHODS[DEFAULT].presets[template.preset]),
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


class LearningForm(PlainForm, LearningFields):
    """Whether and how an agent learns."""

    is_training_enabled = forms.BooleanField(
        label="Train automatically",
        required=False,
        help_text="Starts a run whenever there are enough new answers from one Space.",
    )

    @classmethod
    def of(cls, agent: Agent, *, kept: Mapping[str, Any]) -> "LearningForm":
        return cls(
            initial={
                "is_training_enabled": agent.is_training_enabled,
                **initial_choices(_stored_choices(agent)),
            },
            kept=kept,
        )

    def clean(self) -> dict[str, Any]:
        self.clean_learning()
        return self.cleaned_data


def _limit(name: str, *, label: str, help_text: str, initial: int | None = None) -> Any:
    low, high = RANGES[name]
    return forms.IntegerField(
        label=label,
        min_value=low,
        max_value=high,
        initial=initial,
        required=initial is not None,
        help_text=help_text,
        widget=forms.NumberInput(attrs={"step": "1", "inputmode": "numeric"}),
    )


class AutopilotForm(PlainForm):
    """Where an agent may enter by itself, and when it must stop."""

    # A control named "matches" would hide the form's own method from every script.
    prefix = "limits"

    spaces = forms.MultipleChoiceField(
        label="Spaces",
        required=False,  # arena.credits.brakes has a better sentence than Django
        widget=forms.CheckboxSelectMultiple(
            attrs={"class": "checkbox checkbox-sm checkbox-primary mt-0.5"}
        ),
    )
    fee_credits = _limit(
        "fee_credits",
        label="Highest fee of a match",
        initial=10,
        help_text="In credits. In each Space it pays the highest fee up to this one; 0 plays for free "
        "only.",
    )
    matches = _limit(
        "matches",
        label="Total matches",
        initial=50,
        help_text="Then it stops. Matches that were not played don’t count.",
    )
    matches_a_day = _limit(
        "matches_a_day",
        label="Matches per day",
        initial=10,
        help_text="Then it waits until midnight, UTC.",
    )
    at_once = forms.IntegerField(
        label="Agents at once",
        min_value=1,
        max_value=MAX_LIVE_ENTRIES,
        initial=2,
        help_text="It enters only while fewer of your agents wait or play. An agent plays one match "
        "at a time.",
        widget=forms.NumberInput(attrs={"step": "1", "inputmode": "numeric"}),
    )
    spend_a_day_credits = _limit(
        "spend_a_day_credits",
        label="Spend per day",
        initial=100,
        help_text="In credits, on fees, whatever it wins. Then it waits until midnight, UTC.",
    )
    stop_loss_credits = _limit(
        "stop_loss_credits",
        label="Stop-loss",
        initial=100,
        help_text="It stops before a match that could leave it down by more credits than this.",
    )
    take_profit_credits = _limit(
        "take_profit_credits",
        label="Take-profit",
        help_text="It stops once it is up by this many credits. Leave empty to play on.",
    )
    adoption = forms.ChoiceField(
        label="New versions",
        choices=[
            (AdoptionRule.PLAY_ON, "Play on with each new version"),
            (AdoptionRule.STOP_AFTER, "Stop after a new version is adopted"),
            (AdoptionRule.WAIT_FOR, "Wait until a new version is adopted, then play"),
        ],
    )

    def __init__(self, *args: Any, spaces: Iterable[FlightSpace], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["spaces"].choices = [  # type: ignore[attr-defined]
            (space.slug, f"{space.name}: {_fees(space.fees_credits)}") for space in spaces
        ]

    @classmethod
    def of(cls, flown: AutopilotView | None, *, spaces: Iterable[FlightSpace]) -> "AutopilotForm":
        if flown is None:
            return cls(spaces=spaces)
        return cls(spaces=spaces, initial={"spaces": flown.space_slugs, **asdict(flown.limits)})

    def limits(self) -> AutopilotLimits:
        chosen = {each.name: self.cleaned_data[each.name] for each in fields(AutopilotLimits)}
        return AutopilotLimits(**chosen | {"adoption": AdoptionRule(chosen["adoption"])})


class RenameForm(PlainForm):
    name = forms.CharField(label="Name")


class LeaveForm(PlainForm):
    """Deleting the account asks for the password again."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class TokenForm(PlainForm):
    """A new token of the API."""

    name = forms.CharField(
        label="Name",
        max_length=MAX_NAME_CHARS,
        help_text="What uses it, such as “nightly export”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    may = forms.MultipleChoiceField(
        label="It may",
        required=False,  # agents.api_tokens has a better sentence than Django
        choices=[
            (Scope.READ, "read what only I may see: prompts, entries, credits"),
            (Scope.EXPORT, "order and delete exports of datasets"),
            (Scope.AGENTS, "create, edit and retire agents"),
            (Scope.PLAY, "enter Spaces and tournaments, and appeal, which costs credits"),
            (Scope.TRAIN, "start and steer training, which costs credits"),
            (Scope.WEBHOOKS, "add, change and delete webhooks"),
            (Scope.TALK, "talk to my agents' versions, which costs credits"),
        ],
        initial=[Scope.READ],
        widget=forms.CheckboxSelectMultiple(
            attrs={"class": "checkbox checkbox-sm checkbox-primary mt-0.5"}
        ),
    )
    days = forms.TypedChoiceField(
        label="Valid for",
        coerce=int,
        choices=[(30, "30 days"), (90, "90 days"), (366, "a year"), (0, "until I revoke it")],
        initial=90,
    )

    def scopes(self) -> list[Scope]:
        return [Scope(scope) for scope in self.cleaned_data["may"]]


class EnterForm(PlainForm):
    """Which agent plays. Thanks to the hidden id, a double click enters once, at the fee and terms shown."""

    agent = forms.TypedChoiceField(label="Agent", coerce=int)
    entry_id = forms.UUIDField(widget=KEY)
    fee = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    terms = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, choices: Iterable[tuple[int, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["agent"].choices = list(choices)  # type: ignore[attr-defined]

    @classmethod
    def offering(
        cls, agents: Iterable[AgentCard], *, fee: int, terms: str, chosen: int | None = None
    ) -> "EnterForm":
        choices = [(agent.agent_id, f"{agent.name}, v{agent.version_number}") for agent in agents]
        initial = {"entry_id": uuid.uuid4(), "fee": fee, "terms": terms, "agent": chosen}
        return cls(choices=choices, initial=initial)


class PracticeForm(PlainForm):
    """Which agent practises. Thanks to the hidden id, a double click practises once."""

    prefix = "practice"  # beside the form to enter, whose control is called "agent", too

    agent = forms.TypedChoiceField(label="Agent", coerce=int)
    key = forms.UUIDField(widget=KEY)

    def __init__(self, *args: Any, choices: Iterable[tuple[int, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["agent"].choices = list(choices)  # type: ignore[attr-defined]

    @classmethod
    def offering(cls, agents: Iterable[AgentCard], *, chosen: int | None = None) -> "PracticeForm":
        choices = [(agent.agent_id, f"{agent.name}, v{agent.version_number}") for agent in agents]
        return cls(choices=choices, initial={"key": uuid.uuid4(), "agent": chosen})


class TopUpForm(PlainForm):
    """Sandbox credits. Thanks to the hidden id, a double click pays once."""

    amount = forms.IntegerField(
        label="Credits",
        min_value=1,
        max_value=TOP_UP_MAX_CREDITS,
        initial=500,
        widget=forms.NumberInput(attrs={"step": "1", "inputmode": "numeric"}),
    )
    transfer_id = forms.UUIDField(widget=KEY)

    @classmethod
    def fresh(cls) -> "TopUpForm":
        return cls(initial={"amount": 500, "transfer_id": uuid.uuid4()})


class BountyForm(PlainForm):
    """An attack on a judge. Thanks to the hidden id, a double click submits once."""

    template = forms.CharField(
        label="What the seat says",
        help_text="{prompt} is replaced by the task\u2019s words.",
        max_length=MAX_TEMPLATE_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    form_id = forms.UUIDField(widget=KEY)

    @classmethod
    def fresh(cls) -> "BountyForm":
        return cls(initial={"form_id": uuid.uuid4()})


def _fees(fees_credits: Iterable[int]) -> str:
    """Free, 10 or 50 credits."""
    words = [f"{fee:,}" if fee else "free" for fee in fees_credits]
    listed = " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
    return listed if listed == "free" else f"{listed} credits"


def _stored_choices(agent: Agent) -> LearningConfig:
    """The stored settings, or the defaults where this release no longer allows them."""
    try:
        return config_from_json(agent.learning)
    except InvalidConfig:
        return config_from_json({})
