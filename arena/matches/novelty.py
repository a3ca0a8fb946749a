"""Whether an agent says in a round what it has said in an earlier one of the Space.

A judge whose gates name the check NEW refuses such an answer: where a task asks for something new, one
good text for all tasks would be enough to win for good. Answers by code are not checked, as the
house's coded agents have few templates. docs/decisions/answer-gates.md
"""

from collections.abc import Iterable
from dataclasses import replace

from arena.models import Completion, CompletionStatus, Round, Seat
from arena.panels.voting import PanelJudge
from judges.attacks.likeness import alike
from judges.transcript import Check, Transcript

NEW = "new"
EARLIER_ANSWERS = 30  # of an agent, the newest before the round
EARLIER_MATCHES = 15


def asks_for_new(panel: Iterable[PanelJudge]) -> bool:
    """Whether a judge of the panel refuses answers that were given before."""
    # A configuration may be anything until the judge reads it.
    gates = (judge.config.get("gates") for judge in panel)
    return any(isinstance(named, list) and NEW in named for named in gates)


def with_novelty(row: Round, transcript: Transcript) -> Transcript:
    """The round's transcript with a check for each answer that a model sampled."""
    sampled = Completion.objects.filter(round=row).exclude(token_ids=[])
    agents = dict(sampled.values_list("seat__index", "seat__agent"))
    answers = []
    for answer in transcript.answers:
        if answer.seat in agents:
            said = any(alike(answer.text, text) for text in _earlier(row, agents[answer.seat]))
            detail = "says nearly what its agent said before" if said else "is new"
            check = Check(NEW, not said, detail)
            answer = replace(answer, checks=(*answer.checks, check))
        answers.append(answer)
    return replace(transcript, answers=tuple(answers))


def _earlier(row: Round, agent_id: int) -> list[str]:
    seats = Seat.objects.filter(agent=agent_id, match__space=row.match.space_id, is_practice=False)
    newest = seats.filter(match__lte=row.match_id).order_by("-match")[:EARLIER_MATCHES]
    return list(
        Completion.objects.filter(
            seat__in=list(newest.values_list("id", flat=True)),
            round__lt=row.pk,
            status=CompletionStatus.OK,
        )
        .order_by("-id")
        .values_list("text", flat=True)[:EARLIER_ANSWERS]
    )
