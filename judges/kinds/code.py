"""The rule checker: the environment's own score is the vote."""

from judges.kinds.config import KindConfig
from judges.tools import CannotJudge, Tools
from judges.transcript import Answer, Ballot, Transcript


async def vote(config: KindConfig, transcript: Transcript, tools: Tools) -> Ballot:
    scores: dict[int, float] = {}
    for answer in transcript.answers:
        if answer.score is None:
            raise CannotJudge("the environment does not score this task")
        scores[answer.seat] = answer.score
    return Ballot(
        scores=scores,
        reasons={answer.seat: reason(answer) for answer in transcript.answers},
        checks={answer.seat: answer.checks for answer in transcript.answers},
    )


def reason(answer: Answer) -> str:
    """One sentence: what failed, or what was asked and done."""
    failed = [check.detail for check in answer.checks if not check.passed]
    if failed:
        return f"Fails: it {'; it '.join(failed)}."
    done = answer.checks[0].detail if answer.checks else "has nothing to check"
    return f"Passes: it {done}."
