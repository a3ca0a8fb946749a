import asyncio
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from judges import call
from judges.call import KINDS, MAX_ERROR_CHARACTERS, KindSpec, cast_vote
from judges.defaults import DEFAULT_JUDGES
from judges.kinds.config import KindConfig
from judges.models import JudgeKind
from judges.tests.builders import ScriptedTools, make_answer, make_transcript
from judges.tools import CannotJudge, Tools
from judges.transcript import Ballot, Transcript

MARK = {"reason": "So it is.", "score": 4}
TWO = make_transcript(make_answer(0), make_answer(1, "cats nap", score=0.3, failed="rule two"))


def vote(
    kind: str,
    transcript: Transcript,
    script: ScriptedTools,
    config: Mapping[str, Any] | None = None,
) -> Ballot:
    return asyncio.run(cast_vote(kind, config or {}, transcript, script.tools()))


def test_every_kind_of_the_model_has_a_judge() -> None:
    assert set(KINDS) == {kind.value for kind in JudgeKind}
    # The coin is a control of measurements, not a judge for people; a learned judge has to be trained;
    # the last two need a server that the staff name.
    others = {"coin", "learned", "reward", "embedding"}
    assert {judge.kind for judge in DEFAULT_JUDGES} == set(KINDS) - others


@pytest.mark.parametrize("judge", DEFAULT_JUDGES, ids=lambda judge: judge.slug)
def test_default_judges_vote_with_their_configuration(judge: Any) -> None:
    replies: dict[str, Any] = {
        "rubric": dict.fromkeys(("does the task", "right", "clear"), MARK),
        "process": {"steps": [MARK]},
    }
    if judge.config.get("verdict_form") == "json":
        replies["pairwise"] = {"reason": "So it is.", "verdict": "TIE"}
    reply = json.dumps(replies[judge.kind]) if judge.kind in replies else "VERDICT: TIE"
    ballot = vote(judge.kind, TWO, ScriptedTools(reply=reply), judge.config)
    assert ballot.error == ""
    assert set(ballot.scores) == {0, 1}


def test_rule_checker_votes_the_environments_score_and_says_why() -> None:
    ballot = vote("code", TWO, ScriptedTools())
    assert ballot.scores == {0: 0.9, 1: 0.3}
    assert ballot.reasons == {0: "Passes: it holds.", 1: "Fails: it fails rule two."}
    assert ballot.checks[1] == TWO.answers[1].checks


@pytest.mark.parametrize(
    ("kind", "script"),
    [
        ("poem", ScriptedTools(cosines=ConnectionError("no scorer"))),
        ("poem", ScriptedTools(pmi=ConnectionError("no scorer"))),
        ("pairwise", ScriptedTools(reply=ConnectionError("no scorer"))),
    ],
)
def test_failing_tool_is_an_abstention_not_a_zero(
    kind: str, script: ScriptedTools, caplog: pytest.LogCaptureFixture
) -> None:
    ballot = vote(kind, TWO, script)
    assert ballot.scores == {}
    # A library's message may contain an address or a key, and the page is public.
    assert ballot.error == "ConnectionError"
    assert "no scorer" not in caplog.text
    assert "judge_failed" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_no_answers_no_vote(kind: str) -> None:
    ballot = vote(kind, make_transcript(), ScriptedTools())
    assert ballot.scores == {}
    assert ballot.error


@pytest.mark.parametrize("kind", ["code", "poem"])
def test_without_the_environments_opinion_there_is_no_vote(kind: str) -> None:
    ballot = vote(kind, make_transcript(make_answer(0, score=None)), ScriptedTools())
    assert ballot.scores == {}
    assert "does not score" in ballot.error


def test_unknown_kind_abstains() -> None:
    assert vote("oracle", TWO, ScriptedTools()).error == "there is no kind of judge named oracle"


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_configuration_abstains(kind: str) -> None:
    assert "unknown names: colour" in vote(kind, TWO, ScriptedTools(), {"colour": 1}).error


def test_error_is_short() -> None:
    ballot = vote("pairwise", TWO, ScriptedTools(reply=CannotJudge("x" * 5000)))
    assert len(ballot.error) == MAX_ERROR_CHARACTERS


def test_late_judge_abstains(monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient(KindConfig):
        LIMIT_SECONDS: ClassVar[float] = 0.01

    async def never(config: KindConfig, transcript: Transcript, tools: Tools) -> Ballot:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setitem(call.KINDS, "code", KindSpec(never, Impatient))
    ballot = vote("code", TWO, ScriptedTools())
    assert ballot.scores == {}
    assert "took longer" in ballot.error


@pytest.mark.parametrize(
    "scores", [{0: 0.5}, {0: 0.5, 1: 0.5, 2: 0.5}, {0: float("nan"), 1: 0.5}, {0: 1.2, 1: 0.5}]
)
def test_malformed_vote_is_an_abstention(
    scores: dict[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bad(config: KindConfig, transcript: Transcript, tools: Tools) -> Ballot:
        return Ballot(scores=scores, reasons={}, checks={})

    monkeypatch.setitem(call.KINDS, "code", KindSpec(bad))
    ballot = vote("code", TWO, ScriptedTools())
    assert ballot.scores == {}
    assert ballot.error == "gave a malformed vote"
