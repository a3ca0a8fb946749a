"""Kinds whose model gives marks: the rubric and the steps of an answer."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations
from math import log
from typing import Any

import pytest

from judges.call import cast_vote
from judges.kinds.config import BadConfig, read_config
from judges.kinds.rubric import RubricConfig
from judges.tests.builders import ScriptedTools, make_answer, make_transcript
from judges.tools import ChatRequest, Reply, ReplyToken, ToolFailed
from judges.transcript import Answer, Ballot, StepScore

CLEAR = {"name": "clear", "question": "Is it clear?", "weight": 1.0}
RIGHT = {"name": "right", "question": "Is it right?", "weight": 3.0}
RUBRIC = {"criteria": [CLEAR, RIGHT]}


class Grader(ScriptedTools):
    """Replies by the last fenced texts of the prompt: the answer, or its steps."""

    def __init__(self, say: Callable[[list[str]], str], *, tells: dict[str, float] | None = None):
        super().__init__()
        self.say, self.tells = say, tells
        self.first_reply: str | None = None
        self.requests: list[ChatRequest] = []

    async def complete(self, request: ChatRequest) -> Reply:
        self.requests.append(request)
        if self.first_reply is not None and not request.is_repeat:
            return Reply(self.first_reply)
        shown = request.messages[-1]["content"]
        text = self.say(re.findall(r"\[begin \w+\]\n(.*?)\n\[end \w+\]", shown, re.DOTALL)[1:])
        return Reply(text, tokens=tuple(self._tokens(text)))

    def _tokens(self, text: str) -> Sequence[ReplyToken]:
        """A character is a token; each mark could have been what `tells` says."""
        if self.tells is None:
            return []
        likeliest = {mark: log(chance) for mark, chance in self.tells.items()}
        return [ReplyToken(each, likeliest if each.isdigit() else {each: 0.0}) for each in text]


def rubric_reply(clear: object, right: object) -> str:
    return json.dumps(
        {
            "clear": {"reason": "So it is.", "score": clear},
            "right": {"reason": "So it is.", "score": right},
        }
    )


def by_word(answers: list[str]) -> str:
    return rubric_reply(5, 5) if "purr" in answers[0] else rubric_reply(3, 1)


def steps_reply(texts: list[str], *, wrong: str = "wrong") -> str:
    marks = [1 if wrong in text else 3 if "unsure" in text else 5 for text in texts]
    said = [{"reason": f"It is {mark}.", "score": mark} for mark in marks]
    return json.dumps({"steps": said})


def vote(
    kind: str, script: ScriptedTools, *answers: Answer, reference: str = "", **config: Any
) -> Ballot:
    transcript = replace(make_transcript(*answers), reference=reference)
    given = RUBRIC | config if kind == "rubric" else config
    return asyncio.run(cast_vote(kind, given, transcript, script.tools()))


def test_a_rubric_weighs_the_marks_of_its_criteria() -> None:
    ballot = vote(
        "rubric", Grader(by_word), make_answer(0, "cats purr"), make_answer(1, "cats nap")
    )
    assert ballot.error == ""
    assert ballot.scores == {0: 1.0, 1: pytest.approx((1 * 0.5 + 3 * 0.0) / 4)}
    assert ballot.reasons[1] == "clear, 3.0 of 5: So it is. right, 1.0 of 5: So it is."


def test_a_mark_is_the_mean_of_what_it_could_have_been_where_the_server_tells() -> None:
    grader = Grader(lambda _: rubric_reply(4, 4), tells={"4": 0.5, "5": 0.25, "3": 0.25})
    assert vote("rubric", grader, make_answer(0)).scores == {0: pytest.approx(0.75)}
    surer = Grader(lambda _: rubric_reply(4, 4), tells={"4": 0.5, "5": 0.5})
    assert vote("rubric", surer, make_answer(0)).scores == {0: pytest.approx(0.875)}


def test_a_rubric_is_asked_for_by_schema() -> None:
    grader = Grader(by_word)
    vote("rubric", grader, make_answer(0))
    (request,) = grader.requests
    assert request.schema is not None
    assert list(request.schema["properties"]) == ["clear", "right"]
    assert "Is it right?" in request.messages[0]["content"]


UNREADABLE = [
    "",
    "Both are good.",
    rubric_reply(4, 4)[:-9],
    rubric_reply(4, 11),
    rubric_reply(4, "10"),
    rubric_reply(4, 4.5),
    rubric_reply(True, 4),
    rubric_reply(4, float("nan")),
    json.dumps({"clear": {"reason": "", "score": 4}}),
    json.dumps({"steps": [{"reason": "", "score": 4}] * 200}),
    json.dumps({"scores": [4] * 200}),
    json.dumps({"steps": [{"score": 4}]}),
    "<think>I would say",
    "[" * 50_000,
]


@pytest.mark.parametrize("kind", ["rubric", "process"])
@pytest.mark.parametrize("reply", UNREADABLE)
def test_what_a_grader_could_not_say_is_an_abstention_with_its_reason(
    kind: str, reply: str
) -> None:
    script = ScriptedTools(reply=reply)
    ballot = vote(kind, script, make_answer(0), make_answer(1, "cats nap"))
    assert (ballot.scores, ballot.steps) == ({}, None)
    assert ballot.error.startswith("it could not grade 2 of 2 answers; it")
    assert len(script.asked) == 4  # each once more


@pytest.mark.parametrize("kind", ["rubric", "process"])
def test_one_answer_that_could_not_be_graded_is_never_a_zero(kind: str) -> None:
    def say(texts: list[str]) -> str:
        if "nap" in texts[0]:
            raise ToolFailed("chat/completions answered 503")
        return by_word(texts) if kind == "rubric" else steps_reply(texts)

    ballot = vote(kind, Grader(say), make_answer(0), make_answer(1, "cats nap"))
    assert ballot.scores == {}
    assert ballot.error == "it could not grade 1 of 2 answers; chat/completions answered 503"


@pytest.mark.parametrize("kind", ["rubric", "process"])
def test_a_grader_that_is_readable_the_second_time_votes(kind: str) -> None:
    grader = Grader(by_word if kind == "rubric" else steps_reply)
    grader.first_reply = "Let me think."
    assert vote(kind, grader, make_answer(0)).scores == {0: 1.0}
    assert [request.is_repeat for request in grader.requests] == [False, True]


@pytest.mark.parametrize("kind", ["rubric", "process"])
def test_a_blank_answer_gets_nothing_without_asking(kind: str) -> None:
    script = ScriptedTools(reply="VERDICT: A")
    ballot = vote(kind, script, make_answer(0, " \u200b:"))
    assert ballot.scores == {0: 0.0}
    assert script.asked == []


@pytest.mark.parametrize("kind", ["rubric", "process"])
def test_a_grader_sees_the_reference_only_if_it_is_set_to(kind: str) -> None:
    grader = Grader(by_word if kind == "rubric" else steps_reply)
    vote(kind, grader, make_answer(0), reference="Cats are animals.")
    assert "Cats are animals." not in grader.requests[0].messages[1]["content"]
    error = vote(kind, grader, make_answer(0), has_reference=True).error
    assert error == "there is no reference answer to this task"


def test_a_reference_stands_in_its_fence_before_the_answer() -> None:
    grader = Grader(lambda texts: rubric_reply(5, 5) if "animals" in texts[0] else "")
    ballot = vote("rubric", grader, make_answer(0), reference="animals", has_reference=True)
    assert ballot.scores == {0: 1.0}


@pytest.mark.parametrize("kind", ["rubric", "process"])
@pytest.mark.parametrize("seating", list(permutations(range(3))))
def test_permuted_seats_change_no_verdict_of_a_grader(kind: str, seating: tuple[int, ...]) -> None:
    texts = ("cats purr", "cats are wrong", "I am unsure")
    say = by_word if kind == "rubric" else steps_reply
    plain = vote(kind, Grader(say), *(make_answer(n, text) for n, text in enumerate(texts)))
    moved = vote(kind, Grader(say), *(make_answer(n, texts[of]) for n, of in enumerate(seating)))
    assert moved.scores == {seat: plain.scores[of] for seat, of in enumerate(seating)}


STEPS = "1. Cats purr\n2. They are unsure\n3. So they nap"


def test_an_answer_is_worth_its_least_step_or_their_product() -> None:
    answer = make_answer(0, STEPS + "\n4. I am unsure")
    assert vote("process", Grader(steps_reply), answer).scores == {0: 0.5}
    assert vote("process", Grader(steps_reply), answer, value="product").scores == {0: 0.25}


def test_an_answer_whose_shown_part_is_blank_is_worth_nothing_and_asks_nobody() -> None:
    grader = Grader(steps_reply)
    blank = make_answer(0, " " * 4_000 + "word")
    ballot = vote("process", grader, blank, make_answer(1, STEPS))
    assert (ballot.error, ballot.scores[0], len(grader.requests)) == ("", 0.0, 1)


def test_a_process_judge_says_what_each_step_is_worth_and_where_it_stands() -> None:
    ballot = vote("process", Grader(steps_reply), make_answer(2, STEPS))
    assert ballot.steps is not None
    first, second, third = ballot.steps[2]
    assert first == StepScore(0, 12, 1.0, "It is 5.")
    assert STEPS[second.begin : second.end] == "2. They are unsure"
    assert (second.score, third.score) == (0.5, 1.0)
    assert ballot.reasons[2] == "Of 3 steps, step 2 is the weakest: It is 3."


def test_marks_for_more_or_fewer_steps_than_there_are_are_none() -> None:
    grader = Grader(lambda texts: steps_reply([*texts, "more"]))
    ballot = vote("process", grader, make_answer(0, STEPS))
    assert ballot.error == "it could not grade 1 of 1 answers; it gave 4 marks to 3 steps"


@pytest.mark.parametrize("kind", ["rubric", "process"])
def test_a_models_reason_is_one_short_line_that_can_be_stored(kind: str) -> None:
    reason = "x\x00\u202e\n\n" + "\ud800" + "y" * 5_000
    said = {"reason": reason, "score": 5}
    reply = json.dumps({"clear": said, "right": said} if kind == "rubric" else {"steps": [said]})
    stored = vote(kind, ScriptedTools(reply=reply), make_answer(0)).reasons[0]
    assert len(stored) < 500
    assert stored.isprintable()


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "criteria is missing"),
        ({"criteria": []}, "criteria must have at least 1 entries"),
        ({"criteria": [CLEAR] * 9}, "criteria must have at most 8 entries"),
        ({"criteria": [CLEAR, CLEAR]}, "must give each criterion a name of its own"),
        ({"criteria": [CLEAR | {"weight": 0}]}, "criteria 1 weight must be more than 0"),
        ({"criteria": [CLEAR | {"name": '"'}]}, "criteria 1 name may only have letters"),
        ({"criteria": "clear"}, "criteria must be a list"),
        ({"criteria": ["clear"]}, "criteria 1 must be an object"),
        ({"criteria": [CLEAR | {"colour": 1}]}, "unknown names: criteria 1 colour"),
    ],
)
def test_a_rubric_that_makes_no_sense_is_refused_in_words(config: Any, problem: str) -> None:
    with pytest.raises(BadConfig, match=re.escape(problem)):
        read_config(RubricConfig, config)
