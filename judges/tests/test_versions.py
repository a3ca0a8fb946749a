"""Votes name the version of their judge, and a version never changes."""

import pytest
from django.db import IntegrityError, transaction

from arena.config.tests.rewinding import migrate, rewound
from judges import versions
from judges.kinds.config import BadConfig
from judges.models import Judge, JudgeKind, JudgeVersion

pytestmark = pytest.mark.django_db(transaction=True)

POEM = {"gates": ["verse"], "relevance_cut": 0.3}


def make_judge(slug: str = "form") -> Judge:
    return Judge.objects.create(slug=slug, name="Form", kind=JudgeKind.POEM)


def numbers(judge: Judge) -> list[int]:
    return [version.number for version in judge.versions.order_by("number")]


def test_another_kind_or_configuration_is_another_version_and_the_same_is_none() -> None:
    judge = make_judge()
    versions.note_versions()
    assert versions.configure(judge.pk, kind="poem", config=POEM).number == 2
    assert versions.configure(judge.pk, kind="poem", config=POEM).number == 2
    assert versions.configure(judge.pk, kind="pairwise", config={}).number == 3
    assert numbers(judge) == [1, 2, 3]
    judge.refresh_from_db()
    assert (judge.kind, judge.config) == ("pairwise", {})


def test_a_configuration_that_the_kind_cannot_use_changes_nothing() -> None:
    judge = make_judge()
    with pytest.raises(BadConfig, match="taste"):
        versions.configure(judge.pk, kind="poem", config={"taste": 1})
    assert numbers(judge) == []


def test_a_release_with_other_prompts_makes_another_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = make_judge()
    versions.configure(judge.pk, kind="pairwise", config={})
    versions.note_versions()
    assert numbers(judge) == [1]
    monkeypatch.setattr(versions, "prompt_digest", lambda _: "b" * 64)
    versions.note_versions()
    assert numbers(judge) == [1, 2]


@pytest.mark.parametrize("change", ["update", "delete"])
def test_a_version_never_changes(change: str) -> None:
    versions.configure(make_judge().pk, kind="poem", config=POEM)
    rows = JudgeVersion.objects.all()
    with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
        rows.update(number=9) if change == "update" else rows._raw_delete(rows.db)


def test_judges_of_an_earlier_release_get_version_1() -> None:
    with rewound([("judges", "0003_calibration")]) as before:
        judges = before.get_model("judges", "Judge").objects
        judges.create(slug="old", name="Old", kind="poem", config=POEM)
        after = migrate([("judges", "0004_judge_versions")])
        row = after.get_model("judges", "JudgeVersion").objects.get()
        assert (row.judge.slug, row.number, row.kind, row.config) == ("old", 1, "poem", POEM)
        assert row.prompt_digest == ""
