"""An export names a Space's licence only if it holds for every row."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.models import Agent
from arena.models import Entry, Space
from arena.states import DataLicence
from training.exports import writing
from training.exports.folders import export_folder
from training.exports.formats import pairs
from training.exports.formats.tally import ExportTally
from training.exports.selection import Selection, Whose
from training.exports.tests.builders import entry_of, play
from training.exports.tests.orders import order, written
from training.models import Export
from training.tests.builders import make_agent, make_space

PUBLIC = Selection(whose=Whose.PUBLIC)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> None:
    settings.EXPORT_STORE = tmp_path / "exports"


def give(space: Space, licence: DataLicence) -> None:
    Space.objects.filter(pk=space.pk).update(data_licence=licence)


def enter(agent: Agent, space: Space) -> Entry:
    return entry_of(agent, play(agent, make_agent(), space=space))


def licences(export: Export) -> tuple[list[str], bool]:
    """Of its Spaces, and whether the card's head names another than one of the hub's."""
    card = (export_folder(export.pk) / "README.md").read_text()
    return [one["licence"] for one in export.manifest["spaces"]], 'license: "other"' in card


def test_answers_given_under_another_licence_are_exported_under_none() -> None:
    agent, space = make_agent(), make_space()
    give(space, DataLicence.NONE)
    enter(agent, space)
    give(space, DataLicence.CC_BY)
    later = make_agent()
    enter(later, space)
    assert licences(written(order(agent))) == ([""], True)
    assert licences(written(order(agent, selection=PUBLIC))) == ([DataLicence.CC_BY], False)
    assert licences(written(order(later))) == ([DataLicence.CC_BY], False)


def test_who_entered_before_a_licence_and_was_seated_after_it_has_not_given_it() -> None:
    agent, space = make_agent(), make_space()
    entry = enter(agent, space)
    before = Space.objects.get(pk=space.pk).data_licence_since - timedelta(seconds=1)
    Entry.objects.filter(pk=entry.pk).update(created_at=before)
    assert licences(written(order(agent))) == ([""], True)


def test_a_licence_that_ends_while_an_export_is_written_is_not_replaced_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "FILE_ROWS", 1)
    monkeypatch.setattr(pairs, "PAGE_ROWS", 1)
    agent, space = make_agent(), make_space()
    enter(agent, space)
    export = order(agent, selection=PUBLIC)
    assert writing.write_due()
    give(space, DataLicence.CC0)
    assert licences(written(export)) == ([""], True)


def test_an_export_that_an_earlier_release_began_names_no_licence() -> None:
    stored = ExportTally().as_json() | {"spaces": {"poems": 3}}
    del stored["entered"]
    tally = ExportTally.from_json(stored)
    assert not tally.is_entered_since("poems", make_space().data_licence_since)
