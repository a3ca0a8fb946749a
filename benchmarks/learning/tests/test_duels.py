import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from agents.inference.client import Message, Sampling, ServedModel, plain_model
from arena.environments.episode import Episode
from arena.management.bouts import Contestant
from arena.tests.scripted import ScriptedModel
from benchmarks.learning import duels, table
from benchmarks.learning.games import GAMES
from benchmarks.learning.tests.test_table import make_result

PROMPT = "I am the learner."
LEARNER = Contestant("learner", plain_model("tiny"), PROMPT, Sampling(max_tokens=24))


def played(monkeypatch: pytest.MonkeyPatch, answer: str, slug: str = "nim") -> dict[str, Any]:
    """Games of a learner that always says `answer`; the others' models say nothing of use."""

    def script(model: ServedModel, messages: Sequence[Message]) -> str:
        return answer if messages[0]["content"] == PROMPT else "hm"

    monkeypatch.setattr(duels, "Inference", ScriptedModel(script))
    return asyncio.run(duels.play(GAMES[slug], LEARNER, games=12))


def test_a_learner_without_a_legal_move_loses_to_code_and_each_try_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = duels.scores(played(monkeypatch, "no idea"))
    assert list(found) == ["House Master", "House Solver", "House Apprentice", "House Plain"]
    for score in found.values():
        assert score.games == 12
        assert score.illegal == score.turns > 0
    assert found["House Master"].share < 0.5
    low, high = found["House Master"].interval
    assert low <= found["House Master"].share <= high < 1


def test_every_opening_is_played_from_both_sides_and_is_the_same_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    openings = []
    begin = Episode.begin

    def noted(environment: Any, task: Any, order: Any) -> Any:
        openings.append((task.key, tuple(order)))
        return begin(environment, task, order)

    monkeypatch.setattr(Episode, "begin", noted)
    played(monkeypatch, "A1")
    first = sorted(openings)
    openings.clear()
    played(monkeypatch, "A1")
    assert sorted(openings) == first
    keys = {key for key, _ in first}
    assert len(keys) == 6
    assert {(key, order) for key in keys for order in ((0, 1), (1, 0))} == set(first)


def test_the_table_shows_games_before_and_after() -> None:
    before, after = (
        {"House Plain": {"games": 100, "points": points, "turns": 400, "illegal": illegal}}
        for points, illegal in ((20.0, 200), (70.0, 20))
    )
    result = make_result(space="nim", base_duels=before, duels=after)
    text = table.table({"results": [result, make_result()]})
    (row,) = [line for line in text.splitlines() if "House Plain" in line]
    assert row.startswith("| 20 | 1 | dpo in nim | House Plain | 100 | 0.20 [0.13, 0.29] |")
    assert row.endswith("| 50% | 5% |")
    assert "| 1 | dpo |" in text


def test_the_base_plays_once_for_one_commit_and_space() -> None:
    kept = {"results": [make_result(space="nim", base_duels={"House Plain": {}}, duels={})]}
    here = {"commit": "abc", "machine": "a machine"}
    assert table.base_duels(kept, "nim", **here) == {"House Plain": {}}
    assert table.base_duels(kept, "tictactoe", **here) is None
    assert table.base_duels(kept, "nim", commit="other", machine="a machine") is None
    assert not table.has(kept, table.Piece(20.0, 1, "dpo", 0))


def test_only_games_for_two_are_offered() -> None:
    assert {"nim", "connectfour"} <= GAMES.keys()
    assert not {"constraints", "public-goods"} & GAMES.keys()
