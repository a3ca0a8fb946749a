"""Answers that were drawn among listed moves, as they are stored."""

import pytest

from arena.matches import play
from arena.matches.events import content_digest
from arena.matches.runner import task_of
from arena.models import Completion, MatchEvent
from arena.states import CompletionStatus
from arena.tests.builders import make_match

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_restricted_answer_is_stored_with_what_was_allowed_and_its_event_vouches_for_it() -> None:
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1))
    answer = play.SeatAnswer(
        status=CompletionStatus.OK,
        messages=[],
        text="5",
        token_ids=(37, 2),
        logprobs=(-0.5, 0.0),
        allowed_token_ids=((36, 37), (2,)),
    )
    play.record_completion(match.id, number=1, seat=0, answer=answer)
    row = Completion.objects.get()
    assert row.allowed_token_ids == [[36, 37], [2]]
    vouched = MatchEvent.objects.get(match=match, kind="completion_recorded").payload
    digest = content_digest(row.text, row.token_ids, row.logprobs, row.allowed_token_ids)
    assert vouched["content_digest"] == digest
