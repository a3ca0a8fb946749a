"""Which version of a learned judge votes."""

import pytest

from judges.kinds.config import read_config
from judges.kinds.learned import LearnedConfig
from judges.learned.records import CannotRollBack, record_training, roll_back, version_in_use
from judges.models import Judge, JudgeKind, LearnedStatus, LearnedVersion

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def judge() -> Judge:
    return Judge.objects.create(slug="learned", name="Learned judge", kind=JudgeKind.LEARNED)


def record(judge: Judge, letter: str, *, is_adopted: bool = True) -> LearnedVersion:
    return record_training(
        judge.pk,
        digest=letter * 64,
        base="base",
        is_adopted=is_adopted,
        reason="It agrees.",
        kinds=["lowercase", "bullets"],
        figures={"steps": 3},
    )


def test_an_adopted_version_votes_and_is_a_version_of_the_judge(judge: Judge) -> None:
    record(judge, "a")
    judge.refresh_from_db()
    config = read_config(LearnedConfig, judge.config)
    assert (config.digest, config.kinds) == ("a" * 64, ("bullets", "lowercase"))
    newest = judge.versions.latest("number")
    assert newest.config == judge.config


def test_a_refused_version_is_kept_and_does_not_vote(judge: Judge) -> None:
    adopted = record(judge, "a")
    record(judge, "b", is_adopted=False)
    judge.refresh_from_db()
    assert version_in_use(judge) == adopted
    assert judge.learned.count() == 2


def test_rolling_back_lets_the_version_before_vote_again(judge: Judge) -> None:
    first, second = record(judge, "a"), record(judge, "b")
    assert roll_back(judge.pk) == first
    judge.refresh_from_db()
    second.refresh_from_db()
    assert judge.config["digest"] == "a" * 64
    assert second.status == LearnedStatus.REFUSED
    assert second.reason.startswith("Rolled back by the staff.")


def test_there_is_nothing_before_the_first_version(judge: Judge) -> None:
    record(judge, "a")
    with pytest.raises(CannotRollBack, match="no earlier version"):
        roll_back(judge.pk)
