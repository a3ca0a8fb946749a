"""What is stored of a vote."""

import pytest

from arena.matches import play
from arena.matches.runner import task_of
from arena.models import Vote
from arena.panels.voting import panel_of
from arena.tests.builders import make_match, record
from judges.models import Judge
from judges.panel import combine
from judges.transcript import Ballot, Usage
from judges.versions import configure

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_vote_names_its_judges_version_and_what_it_used() -> None:
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1))
    for seat in (0, 1):
        record(match, 1, seat)
    judge = Judge.objects.get(slug="code")
    assert [each.version_id for each in panel_of((("code", 1.0),), environment="constraints")] == [
        None
    ]
    version = configure(judge.pk, kind="code", config={})
    (panelist,) = panel_of((("code", 1.0),), environment="constraints")
    usage = Usage(2, prompt_tokens=90, completion_tokens=8, cost_micros=31, prompt_digest="d" * 64)
    ballot = Ballot(scores={0: 1.0, 1: 0.0}, reasons={}, checks={}, usage=usage)
    play.decide_round(
        match.id,
        number=1,
        votes=[(panelist, ballot, 0.1)],
        verdict=combine([(1.0, ballot)]),
    )
    vote = Vote.objects.get()
    assert vote.version_id == version.pk
    used = (vote.prompt_tokens, vote.completion_tokens, vote.cost_micros, vote.prompt_digest)
    assert used == (90, 8, 31, "d" * 64)
