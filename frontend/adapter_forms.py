"""The form with which an owner brings an adapter in."""

import uuid
from collections.abc import Iterable
from typing import Any

from django import forms

from agents.adapters.archive import SentFile
from frontend.forms import KEY, PlainForm


class _FilesInput(forms.FileInput):
    allow_multiple_selected = True


class _FilesField(forms.FileField):
    """One file or several."""

    widget = _FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        each = data if isinstance(data, list) and data else [None]
        return [super(_FilesField, self).clean(one, initial) for one in each]


class UploadForm(PlainForm):
    """An adapter's files. Thanks to the hidden id, a double click uploads once."""

    adapter = _FilesField(
        label="Files",
        help_text="adapter_config.json and adapter_model.safetensors, or one zip file with both.",
        error_messages={"required": "Choose the adapter’s files."},
    )
    space = forms.ChoiceField(
        label="Space",
        help_text="Its gate decides whether the new version is good enough to play.",
    )
    request_id = forms.UUIDField(widget=KEY)

    def __init__(self, *args: Any, spaces: Iterable[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["space"].choices = list(spaces)  # type: ignore[attr-defined]

    @classmethod
    def fresh(cls, spaces: Iterable[tuple[str, str]], *, chosen: str | None) -> "UploadForm":
        initial = {"request_id": uuid.uuid4(), "space": chosen}
        return cls(spaces=spaces, initial=initial)

    def sent(self) -> list[SentFile]:
        return [SentFile(one.name, one.file) for one in self.cleaned_data["adapter"]]
