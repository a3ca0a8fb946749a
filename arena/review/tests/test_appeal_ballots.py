"""What a judge of another panel said is kept, shown and erased as the votes of the round are."""

import pytest
from django.test import Client

from agents.models import User
from arena.matches.erasing import erase_answers
from arena.models import AppealVote
from arena.review.hearing import hear_appeal
from arena.review.tests.builders import ask, judged_match, make_judge, owner_of, panel_says
from judges.transcript import StepScore, Usage
from judges.versions import note_version

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = {
    0: (StepScore(0, 6, 0.2, "This <b>fails</b>."),),
    1: (StepScore(0, 8, 0.9, "This holds."),),
}


def heard(monkeypatch: pytest.MonkeyPatch) -> AppealVote:
    match = judged_match()
    note_version(make_judge("second"))
    panel_says(
        monkeypatch,
        {0: 0.2, 1: 0.8},
        steps=STEPS,
        usage=Usage(requests=2, prompt_tokens=90, completion_tokens=7, prompt_digest="ab" * 32),
    )
    asked = ask(match)
    hear_appeal(asked.pk)
    return asked.votes.get()


def test_each_ballot_is_public_with_steps_version_and_prompts(
    monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    vote = heard(monkeypatch)
    assert vote.version is not None
    assert (vote.prompt_tokens, vote.completion_tokens) == (90, 7)
    page = client.get(f"/matches/{vote.appeal.round.match_id}/").text
    appeals = page[page.index('id="appeals"') :]
    assert "Step 1: wrong" in appeals
    assert "Step 1: sound" in appeals
    assert "This &lt;b&gt;fails&lt;/b&gt;." in appeals
    assert "Answer 1" in appeals  # the text of the step, from the answer
    assert f"version {vote.version.number}" in appeals
    assert "abababab" in appeals


def test_what_a_judge_said_of_a_leavers_steps_is_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    vote = heard(monkeypatch)
    erase_answers(User.objects.get(id=owner_of(vote.appeal.round.match, 0)[0]))
    vote.refresh_from_db()
    assert vote.steps == {"0": [[0, 6, 0.2, ""]], "1": [[0, 8, 0.9, "This holds."]]}
