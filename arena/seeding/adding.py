"""A Space of an operator's own, by the fields of `arena.models.Space` as JSON."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from django.core.exceptions import ValidationError

from agents.models import BaseModel
from arena.models import Space

NOT_GIVEN = {"id", "base_model", "status", "data_licence_since", "created_at"}


def add_space(values: Mapping[str, Any], *, base_model: BaseModel) -> tuple[Space, bool]:
    """The Space of this slug, and whether it is new; one that exists stays as it is.

    Raises ValidationError with a sentence for each bad field.
    """
    _check_names(values)
    space = Space(**values, base_model=base_model)
    space.clean_fields()  # the checks of the whole expect fields of the right type
    existing = Space.objects.filter(slug=space.slug).first()
    if existing is not None:
        return existing, False
    space.full_clean()
    space.save()
    return space, True


def _check_names(values: Mapping[str, Any]) -> None:
    known = {field.name for field in Space._meta.concrete_fields} - NOT_GIVEN
    problems = {}
    for name in values.keys() - known:
        near = get_close_matches(name, known, n=1)
        hint = f"Do you mean {near[0]}?" if near else f"There are {', '.join(sorted(known))}."
        problems[name] = f"A Space has no such field. {hint}"
    for name, value in values.items():
        if name in known and value is None:  # Django takes it for an optional text
            problems[name] = "This field cannot be null."
    if problems:
        raise ValidationError(problems)
