"""What a judge of another panel said is kept, shown and erased as the votes of the round are."""

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import User
from arena.matches.erasing import erase_answers
from arena.models import Appeal, AppealStatus, AppealVote
from arena.queries import appeals_of_judge
from arena.review import hearing
from arena.review.hearing import hear_appeal
from arena.review.tests.builders import (
    ask,
    judged_match,
    judged_space,
    make_judge,
    owner_of,
    panel_says,
)
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


def test_what_judges_say_of_somebody_who_leaves_during_the_hearing_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = judged_match()
    panel_says(monkeypatch, {0: 0.2, 1: 0.8})
    asked, original = ask(match), hearing._heard

    def heard_meanwhile(row: Appeal) -> hearing.Heard:
        said = original(row)
        leaver = User.objects.get(id=owner_of(match, 0)[0])
        leaver.leaving_since = timezone.now()
        leaver.save()
        erase_answers(leaver)
        return said

    monkeypatch.setattr(hearing, "_heard", heard_meanwhile)
    hear_appeal(asked.pk)
    asked.refresh_from_db()
    assert (asked.status, asked.votes.count()) == (AppealStatus.UNHEARD, 0)


def test_two_appeals_on_one_round_are_one_round_on_which_a_judge_was_contradicted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = judged_match(judged_space("first", "second", seat_count=3))
    for seat, scores in ((1, {0: 0.5, 1: 0.8, 2: 0.1}), (2, {0: 0.5, 1: 0.4, 2: 0.8})):
        panel_says(monkeypatch, scores)
        asked = ask(match, seat=seat)
        hear_appeal(asked.pk)
        asked.refresh_from_db()
        assert asked.status == AppealStatus.GRANTED
    found = appeals_of_judge("first")
    assert (found.heard, found.overruled) == (1, 1)
