"""The vote of a judge that was trained here."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from judges.call import cast_vote
from judges.tests.builders import ScriptedTools, make_answer, make_transcript
from judges.tools import Tools
from judges.transcript import Ballot

THREE = make_transcript(make_answer(0, "one"), make_answer(1, "two two"), make_answer(2, ""))
ADOPTED: dict[str, Any] = {"digest": "a" * 64, "kinds": [THREE.kind]}


def vote(config: Mapping[str, Any], tools: Tools) -> Ballot:
    return asyncio.run(cast_vote("learned", config, THREE, tools))


def by_length() -> Tools:
    async def learned(digest: str, prompt: str, texts: Sequence[str]) -> list[float]:
        assert digest == "a" * 64
        return [float(len(text)) - 3 for text in texts]

    return replace(ScriptedTools().tools(), learned=learned)


def test_it_ranks_the_answers_of_a_kind_that_it_is_certified_for() -> None:
    ballot = vote(ADOPTED, by_length())
    assert ballot.error == ""
    assert ballot.scores[1] > ballot.scores[0] == 0.5 > ballot.scores[2]
    assert ballot.reasons[1] == "Place 1 of 3 with a learned score of +4.00."


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (ADOPTED | {"kinds": ["haiku"]}, "not certified for tasks of the kind"),
        ({}, "no version of this judge has been adopted"),
        (ADOPTED | {"digest": "../other"}, "configuration is not valid"),
    ],
)
def test_it_abstains_outside_the_kinds_that_it_is_certified_for(
    config: Mapping[str, Any], sentence: str
) -> None:
    ballot = vote(config, by_length())
    assert ballot.scores == {}
    assert sentence in ballot.error


def test_it_abstains_where_its_weights_cannot_be_asked() -> None:
    assert vote(ADOPTED, ScriptedTools().tools()).error == "no learned judge can be asked here"
