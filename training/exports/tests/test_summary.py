"""What a selection comes to: right where it is counted, near where it is estimated, and soon."""

import pytest

from agents.models import Engine
from training.exports.selection import Selection
from training.exports.summary import SHOWN, SHOWN_CHARS, Bin, Summary, summary
from training.exports.tests.builders import make_pair, play
from training.models import Pair
from training.tests.builders import make_agent

pytestmark = pytest.mark.django_db


def of_rounds(count: int) -> tuple[int, Summary]:
    """A person with so many pairs, and what they come to."""
    agent = make_agent()
    play(agent, make_agent(engine=Engine.CODE), rounds=count)
    return agent.owner_id, summary(Selection(), agent.owner_id)


def test_few_pairs_are_counted_and_the_newest_shown() -> None:
    _, found = of_rounds(12)
    assert (found.count, found.is_estimate, found.seen) == (12, False, 12)
    assert (found.prompts, found.spaces) == (12, 1)
    assert len(found.preview) == SHOWN
    assert [pair.round_number for pair in found.preview] == list(range(12, 2, -1))
    assert "write about cats" in found.preview[0].task
    assert (found.preview[0].chosen, found.preview[0].rejected) != ("", "")


def test_a_preview_shows_the_task_and_never_an_agents_prompt() -> None:
    agent = make_agent(prompt="My secret recipe.")
    play(agent, make_agent(engine=Engine.CODE))
    found = summary(Selection.from_json({"whose": "public"}), make_agent().owner_id)
    assert found.count == 1
    assert "secret recipe" not in repr(found)


def test_texts_of_any_length_are_shown_in_part() -> None:
    pair = make_pair()
    pair.rejected.text = "x" * 2_000_000
    pair.rejected.save()
    (shown,) = summary(Selection(), pair.agent.owner_id).preview
    assert len(shown.rejected) == SHOWN_CHARS + 1


def test_histograms_count_every_pair_in_its_bin() -> None:
    owner, _ = of_rounds(4)
    for pair, surplus in zip(Pair.objects.order_by("id"), (0, 1, -8, -70), strict=True):
        pair.chosen_length, pair.rejected_length = 100 + surplus, 100
        pair.margin = 1.0 if surplus else 0.05
        pair.save()
    found = summary(Selection(), owner)
    assert [each for each in found.lengths if each.count] == [
        Bin("−65 or more", 1),
        Bin("−8 to −1", 1),
        Bin("0", 1),
        Bin("+1 to +8", 1),
    ]
    assert [each for each in found.margins if each.count] == [
        Bin("0.0 to 0.1", 1),
        Bin("0.9 to 1.0", 3),
    ]
    assert found.longer_won is not None
    assert found.longer_won.pairs == 3
    assert found.longer_won.low < found.longer_won.share == 1 / 3 < found.longer_won.high


def test_pairs_of_one_length_say_nothing_of_longer_answers() -> None:
    owner, _ = of_rounds(2)
    Pair.objects.update(chosen_length=5, rejected_length=5)
    assert summary(Selection(), owner).longer_won is None


def test_beyond_the_bound_a_sample_says_how_many_there_are_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.exports.summary.COUNTED", 5)
    _, found = of_rounds(12)
    assert found.is_estimate
    assert found.count == 12  # the sample is all that there is
    assert found.seen == 12


def test_a_count_that_would_take_too_long_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner, _ = of_rounds(1)
    slow = Pair.objects.extra(where=["pg_sleep(5) IS NOT NULL"])
    monkeypatch.setattr("training.exports.summary.chosen_pairs", lambda selection, viewer: slow)
    monkeypatch.setattr("training.exports.summary.PATIENCE_MS", 20)
    found = summary(Selection(), owner)
    assert found.count is None
    assert found.preview == ()


def test_what_matches_nothing_is_a_count_of_none() -> None:
    found = summary(Selection(least_margin=1.0), make_agent().owner_id)
    assert (found.count, found.seen, found.longer_won, found.preview) == (0, 0, None, ())
