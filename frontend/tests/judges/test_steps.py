"""A round's page shows what a process judge says of each step."""

from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse

from arena.matches import play
from arena.matches.erasing import erase_answers
from arena.matches.runner import task_of
from arena.models import Vote
from arena.panels.voting import panel_of
from arena.tests.builders import make_match, record
from frontend import drawings
from judges.models import Judge, JudgeKind
from judges.panel import combine
from judges.transcript import Ballot, StepScore

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "Add <b>two</b>. Then double it."


def test_the_steps_of_an_answer_are_shown_with_a_word_and_a_colour_and_erased_with_it(
    client: Client,
) -> None:
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1))
    for seat in (0, 1):
        record(match, 1, seat, TEXT)
    Judge.objects.create(slug="steps", name="Step reader", kind=JudgeKind.PROCESS)
    (coded,) = panel_of((("code", 1.0),), environment="constraints")
    panelist = replace(coded, slug="steps", judge_id=Judge.objects.get(slug="steps").pk)
    steps = (StepScore(0, 15, 1.0, "It adds."), StepScore(16, 31, 0.25, "It does <i>not</i>."))
    plain = Ballot(scores={0: 0.25, 1: 0.5}, reasons={}, checks={})
    ballot = replace(plain, steps={0: steps})
    votes = [(coded, plain, 0.1), (panelist, ballot, 0.1)]
    play.decide_round(match.id, number=1, votes=votes, verdict=combine([(1.0, ballot)]))
    assert Vote.objects.get(judge__slug="code").steps is None
    path = reverse("round", kwargs={"match_id": match.id, "number": 1})

    page = client.get(path).content.decode()
    assert "border-success" in page.partition("Step 1: sound, 100")[0]
    assert (
        "border-error" in page.partition("Step 1: sound, 100")[2].partition("Step 2: wrong, 25")[0]
    )
    assert "Add &lt;b&gt;two&lt;/b&gt;." in page.partition("Step 1: sound, 100")[2]
    assert "It does &lt;i&gt;not&lt;/i&gt;." in page

    erased_seat = match.seats.select_related("agent__owner").get(index=0)
    erase_answers(erased_seat.agent.owner)
    drawings.fragments.clear()  # no event says so
    erased = client.get(path).content.decode()
    assert "Step 2: wrong, 25" in erased
    assert "It adds." not in erased
    assert "Then double it" not in erased.partition("Step 1: sound")[2].partition("</ol>")[0]
