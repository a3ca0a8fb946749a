"""The form in which a person chooses the pairs of a dataset; every filter stands in the address."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.http import urlencode

from frontend.forms import PlainForm
from training.configs.fields import InvalidConfig
from training.exports.containers import Container
from training.exports.formats import FORMATS
from training.exports.rows import Choices
from training.exports.selection import MAX_LENGTH_DIFFERENCE, Selection, Whose

# What the form asks the other way round, so that an address without it means the usual.
_TURNED = {"with_cut": "without_cut", "dedup": "with_duplicates"}
# Of what is chosen, not asked for: an address may leave it out.
USUAL: Mapping[str, str] = {
    "whose": Whose.MINE,
    "format": "preference",
    "container": Container.PARQUET,
}
_CONTAINERS = {Container.PARQUET: "Parquet", Container.JSONL: "JSON Lines"}
_FLAGS = ("only_verified", "one_per_prompt")
_LISTS = ("spaces", "agents", "judges")
_VALUES = (
    "least_margin",
    "least_agreement",
    "least_length_difference",
    "most_length_difference",
)


def _several(label: str, unknown: str) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        required=False,
        error_messages={"invalid_choice": unknown},
        widget=forms.CheckboxSelectMultiple(
            attrs={"class": "checkbox checkbox-sm checkbox-primary mt-0.5"}
        ),
    )


def _day(label: str) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        error_messages={"invalid": "Choose a day such as 2026-01-31."},
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )


def _share(label: str, help_text: str) -> forms.FloatField:
    return forms.FloatField(
        label=label,
        required=False,
        min_value=0,
        max_value=1,
        help_text=help_text,
        widget=forms.NumberInput(attrs={"step": "0.05", "inputmode": "decimal"}),
    )


def _tokens(label: str) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=0,
        max_value=MAX_LENGTH_DIFFERENCE,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )


class DatasetForm(PlainForm):
    """Empty fields narrow nothing."""

    whose = forms.ChoiceField(
        label="Whose pairs",
        required=False,
        choices=[
            (Whose.MINE, "My agents’, with their prompts"),
            (Whose.PUBLIC, "Everybody’s from Spaces of public data, without prompts"),
        ],
        initial=Whose.MINE,
        error_messages={"invalid_choice": "Choose one of the two."},
        widget=forms.RadioSelect(attrs={"class": "radio radio-sm radio-primary mt-0.5"}),
    )
    format = forms.ChoiceField(
        label="Format",
        choices=[(one.name, one.label) for one in FORMATS.values()],
        error_messages={"invalid_choice": "There is no such format."},
    )
    container = forms.ChoiceField(
        label="Files",
        choices=list(_CONTAINERS.items()),
        error_messages={"invalid_choice": "Choose one of the two."},
    )
    spaces = _several("Spaces", "There is no such Space.")
    agents = _several("Agents of mine", "You have no such agent.")
    judges = _several("Judged by one of", "There is no such judge.")
    since = _day("First day")
    until = _day("Last day")
    least_margin = _share("Least margin", "By how much the better answer’s score is higher.")
    least_agreement = _share("Least agreement", "Of the judges who compared the two answers.")
    least_length_difference = _tokens("Least difference in length")
    most_length_difference = _tokens("Largest difference in length")
    only_verified = forms.BooleanField(
        label="Only pairs that checks by code confirm", required=False
    )
    without_cut = forms.BooleanField(
        label="Without worse answers that were cut off", required=False
    )
    with_duplicates = forms.BooleanField(label="Keep exact duplicates", required=False)
    one_per_prompt = forms.BooleanField(
        label="One pair for each task, the clearest", required=False
    )

    def __init__(self, *args: Any, choices: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _LISTS:
            self.fields[name].choices = list(getattr(choices, name))  # type: ignore[attr-defined]

    @property
    def number_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in _VALUES]

    @property
    def flag_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in ("one_per_prompt", "only_verified", *_TURNED.values())]

    @property
    def list_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in _LISTS if self.fields[name].choices]  # type: ignore[attr-defined]

    def selection(self) -> Selection | None:
        """What is chosen; None if a field says what is wrong."""
        if not self.is_valid():
            return None
        given = self.cleaned_data
        wanted: dict[str, Any] = {
            "whose": given["whose"] or Whose.MINE,
            "spaces": given["spaces"],
            "agents": [int(one) for one in given["agents"]],
            "judges": given["judges"],
            "since": given["since"] and given["since"].isoformat(),
            "until": given["until"] and given["until"].isoformat(),
            **{name: given[name] for name in (*_VALUES, *_FLAGS)},
            **{name: not given[turned] for name, turned in _TURNED.items()},
        }
        try:
            return Selection.from_json(wanted)
        except InvalidConfig as error:
            self.explain(error)
            return None

    def explain(self, error: InvalidConfig) -> None:
        """Put each sentence at its field."""
        for name, sentence in error.problems.items():
            self.add_error(_TURNED.get(name, name), sentence)


def query_of(given: QueryDict) -> str:
    """What the form was given, as in an address: without what is empty or is not of it."""
    return urlencode(
        [
            (name, value)
            for name, values in given.lists()
            if name in DatasetForm.base_fields
            for value in values
            if value
        ]
    )


def address_of(selection: Selection, *, format: str, container: str) -> str:
    """The form filled with this selection, as in an address."""
    given: list[tuple[str, Any]] = [("format", format), ("container", container)]
    for name, value in _narrowing(selection).items():
        if name in _TURNED or value is True:
            given.append((_TURNED.get(name, name), "on"))
        else:
            given += [(name, one) for one in (value if isinstance(value, list) else [value])]
    return urlencode(given)


def filters_in_words(selection: Selection, *, choices: Choices) -> Sequence[tuple[str, str]]:
    """The filters that narrow something, each with what was chosen (flags have nothing)."""
    fields = DatasetForm.base_fields
    found = []
    for name, value in _narrowing(selection).items():
        label = str(fields[_TURNED.get(name, name)].label)
        if name in _LISTS:
            names: dict[Any, str] = dict(getattr(choices, name))
            found.append((label, ", ".join(str(names.get(one, one)) for one in value)))
        elif name == "whose":
            found.append((label, "Everybody’s, of public data"))
        else:
            found.append((label, "" if isinstance(value, bool) else f"{value}"))
    return found


def _narrowing(selection: Selection) -> dict[str, Any]:
    """As JSON, without what is as usual."""
    usual = Selection().as_json()
    return {name: value for name, value in selection.as_json().items() if value != usual[name]}
