"""What a vote asked of its judge's model is on the ballot, whatever became of the vote."""

import asyncio
from dataclasses import replace
from pathlib import Path

import judges
from judges.call import KINDS, cast_vote
from judges.tests.builders import ScriptedTools, make_answer, make_transcript
from judges.tools import ChatRequest, Nonce, Reply, ToolFailed, Tools
from judges.transcript import Ballot, Usage

TWO = make_transcript(make_answer(0), make_answer(1, "cats nap"))


async def priced(request: ChatRequest) -> Reply:
    return Reply("VERDICT: A", prompt_tokens=100, completion_tokens=10, cost_micros=7)


async def silent(request: ChatRequest) -> Reply:
    raise ToolFailed("chat answered 500")


def vote(tools: Tools, *, kind: str = "pairwise") -> Ballot:
    return asyncio.run(cast_vote(kind, {}, TWO, tools))


def scripted(complete: object, *, nonce: Nonce | None = None) -> Tools:
    tools = replace(ScriptedTools().tools(), complete=complete)  # type: ignore[arg-type]
    return replace(tools, nonce=nonce) if nonce else tools


def test_a_vote_carries_its_requests_tokens_and_cost() -> None:
    usage = vote(scripted(priced)).usage
    assert usage == Usage(
        requests=2,
        prompt_tokens=200,
        completion_tokens=20,
        cost_micros=14,
        prompt_digest=usage.prompt_digest,
    )
    assert len(usage.prompt_digest) == 64


def test_an_abstention_carries_what_was_asked_before_it() -> None:
    ballot = vote(scripted(silent))
    assert ballot.error
    assert ballot.usage.requests >= 1
    assert ballot.usage.prompt_digest


def test_a_judge_without_a_model_uses_nothing() -> None:
    assert vote(ScriptedTools().tools(), kind="code").usage == Usage()


def test_the_digest_is_of_the_question_not_of_its_nonce() -> None:
    first = vote(scripted(priced, nonce=lambda: "aaaaaaaaaaaaaaaa")).usage
    second = vote(scripted(priced, nonce=lambda: "bbbbbbbbbbbbbbbb")).usage
    assert first.prompt_digest == second.prompt_digest
    other = make_transcript(make_answer(0), make_answer(1, "cats sleep"))
    asked = asyncio.run(cast_vote("pairwise", {}, other, scripted(priced)))
    assert asked.usage.prompt_digest != first.prompt_digest


def test_every_prompt_is_part_of_the_digest_of_the_kind_that_sends_it() -> None:
    folder = Path(judges.__file__).with_name("prompts")
    named = {name for kind in KINDS.values() for name in kind.prompts}
    assert named == {path.name for path in folder.iterdir()}
