import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from judges.call import cast_vote
from judges.defaults import DEFAULT_JUDGES
from judges.kinds.poem import GATED_CEILING, OPEN_FLOOR
from judges.panel import rank
from judges.tests.builders import ScriptedTools, make_answer, make_transcript
from judges.transcript import Answer, Ballot

CONFIG = {"gates": ["verse", "own words"]}


def vote(
    *answers: Answer, script: ScriptedTools, config: Mapping[str, Any] | None = None
) -> Ballot:
    transcript = make_transcript(*answers, prompt="Write a poem about cats.")
    return asyncio.run(cast_vote("poem", config or CONFIG, transcript, script.tools()))


def test_failed_gate_stays_below_every_open_answer_and_costs_no_model_call() -> None:
    script = ScriptedTools(pmi=-5.0)
    ballot = vote(
        make_answer(0, "a plain poem", score=0.0),
        make_answer(1, "a copy", score=1.0, failed="own words"),
        script=script,
    )
    assert ballot.scores[1] <= GATED_CEILING < OPEN_FLOOR <= ballot.scores[0]
    assert set(script.scored) == {"a plain poem"}
    assert "fails own words" in ballot.reasons[1]


def test_failed_form_check_is_no_gate() -> None:
    ballot = vote(make_answer(0, score=0.5, failed="rhyme"), script=ScriptedTools())
    assert ballot.scores[0] > OPEN_FLOOR


def test_off_topic_answer_is_gated() -> None:
    script = ScriptedTools(cosines=[0.1, 0.6])
    ballot = vote(make_answer(0), make_answer(1), script=script)
    assert ballot.scores[0] <= GATED_CEILING < ballot.scores[1]
    assert "is 0.10 close to the task" in ballot.reasons[0]


def test_blank_answer_is_gated_and_not_scored() -> None:
    script = ScriptedTools(cosines=[0.6])
    ballot = vote(make_answer(0, " \n", score=0.0), make_answer(1), script=script)
    assert ballot.scores[0] == 0.0


def test_form_relevance_and_pmi_each_raise_the_score() -> None:
    def score(*, form: float = 0.5, cosine: float = 0.4, pmi: float = 0.3) -> float:
        script = ScriptedTools(cosines=[cosine], pmi=pmi)
        return vote(make_answer(0, score=form), script=script).scores[0]

    assert score(form=0.9) > score()
    assert score(cosine=0.6) > score()
    assert score(pmi=0.8) > score()


LENGTHS = (24, 30, 36, 48, 60, 75)  # in tokens


@pytest.mark.parametrize("pmi", [0.5, 1.5, 3.0])
def test_of_equally_good_poems_the_shorter_is_not_preferred(pmi: float) -> None:
    """Equal form and relevance; the prompt adds as much to each token of any of them."""
    poems = [make_answer(seat, "purr " * length) for seat, length in enumerate(LENGTHS)]
    scores = vote(*poems, script=ScriptedTools(pmi=pmi)).scores
    assert rank(scores) == (tuple(range(len(LENGTHS))),)
    (couplet,) = vote(make_answer(0, "purr " * 12), script=ScriptedTools(pmi=pmi)).scores.values()
    assert couplet <= min(scores.values())


@pytest.mark.parametrize("pmi", [-1e6, 1e6])
def test_extreme_likelihoods_stay_within_bounds(pmi: float) -> None:
    ballot = vote(make_answer(0), script=ScriptedTools(pmi=pmi))
    assert OPEN_FLOOR <= ballot.scores[0] <= 1.0


def test_weights_come_from_the_configuration() -> None:
    only_form = {"form_weight": 1.0, "relevance_weight": 0.0, "pmi_weight": 0.0}
    ballot = vote(make_answer(0, score=1.0), script=ScriptedTools(pmi=-9.0), config=only_form)
    assert ballot.scores[0] == 1.0


NO_WEIGHT = {"form_weight": 0.0, "relevance_weight": 0.0, "pmi_weight": 0.0}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"pmi_scale": 0}, "pmi_scale must be more than 0"),
        ({"pmi_tokens": 0}, "pmi_tokens must be more than 0"),
        ({"form_weight": -9.0}, "form_weight must be at least 0"),
        (NO_WEIGHT, "needs a weight that is more than 0"),
    ],
)
def test_senseless_configuration_abstains(config: dict[str, float], problem: str) -> None:
    assert problem in vote(make_answer(0), script=ScriptedTools(), config=config).error


def test_without_weight_for_pmi_the_base_model_is_not_asked() -> None:
    script = ScriptedTools(pmi=ValueError("nobody should ask"))
    ballot = vote(make_answer(0, "Melodio"), script=script, config={"pmi_weight": 0.0})
    assert ballot.scores[0] > OPEN_FLOOR
    assert not script.scored


@pytest.mark.parametrize(
    "judge", ["form-and-relevance", "story-form-and-relevance", "name-form-and-relevance"]
)
def test_each_open_ended_judge_refuses_by_its_own_gates(judge: str) -> None:
    config = next(each.config for each in DEFAULT_JUDGES if each.slug == judge)
    for gate in config["gates"]:
        answers = make_answer(0, score=0.1), make_answer(1, score=1.0, failed=gate)
        scores = vote(*answers, script=ScriptedTools(), config=config).scores
        assert scores[1] <= GATED_CEILING < scores[0]


def test_a_judge_without_weight_for_form_votes_where_code_does_not_score() -> None:
    answers = make_answer(0, score=None), make_answer(1, score=None), make_answer(2, score=None)
    config = next(each.config for each in DEFAULT_JUDGES if each.slug == "speech-relevance")
    script = ScriptedTools(cosines=[0.6, 0.3, 0.1], pmi=ValueError("nobody should ask"))
    scores = vote(*answers, script=script, config=config).scores
    assert scores[0] > scores[1] > OPEN_FLOOR > GATED_CEILING > scores[2]
    assert not vote(*answers, script=ScriptedTools(cosines=[0.6, 0.3, 0.1])).scores
