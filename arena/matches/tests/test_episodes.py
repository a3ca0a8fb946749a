"""Rounds of many turns: played, continued after a death, judged and settled."""

import uuid
from collections.abc import Sequence
from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from agents.inference.client import Message, RequestRefused
from agents.models import Agent, Engine
from arena.credits import ledger
from arena.environments.base import EnvironmentFault, Position
from arena.environments.tests.small_games import Count, LongCount, Odds
from arena.leases import LeaseLost
from arena.matches import judging, play
from arena.matches.erasing import erase_answers
from arena.matches.match import IllegalMove
from arena.matches.runner import task_of
from arena.models import Completion, Match, MatchEvent, Verdict
from arena.panels.voting import judge_transcript
from arena.states import CompletionStatus, MatchStatus
from arena.tests.builders import make_match, make_space
from arena.tests.playing import add_games, played
from judges.transcript import Transcript

pytestmark = pytest.mark.django_db(transaction=True)


class Crowded(Count):
    """Lists more moves than a server takes."""

    slug, name = "crowded", "Crowded"

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return tuple(str(number) for number in range(1, 301))


@pytest.fixture(autouse=True)
def games(monkeypatch: pytest.MonkeyPatch) -> None:
    add_games(monkeypatch, Count(), Odds(), Crowded(), LongCount())


def balances(match: Match) -> set[ledger.Balance]:
    return {ledger.balance(ledger.account_of(each.user_id)) for each in match.entries.all()}


def turns(match: Match, number: int) -> list[tuple[int, int, str, str]]:
    """(seat, turn, text, problem) of a round, in their order."""
    rows = Completion.objects.filter(round__match=match, round__number=number).order_by("id")
    return list(rows.values_list("seat__index", "turn", "text", "problem"))


def test_an_episode_is_played_turn_by_turn_and_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    match = make_match(make_space(environment="count"))
    played(match, monkeypatch, lambda messages: "2")
    assert match.status == MatchStatus.SETTLED
    assert turns(match, 1) == [(0, 0, "2", ""), (1, 0, "2", ""), (0, 1, "2", "")]
    assert [seat for seat, *_ in turns(match, 2)] == [1, 0, 1], "the other side begins"
    keys = set(match.rounds.values_list("task_key", flat=True))
    assert len(keys) == 1, "one opening, played from each side"
    row = Completion.objects.filter(round__number=1).latest("id")
    assert row.logprobs == [-0.5]
    assert row.messages[-1]["content"] == "The total is 4. Add 1 or 2."
    assert row.view["rows"][0]["cells"] == ["6"]
    scores = Verdict.objects.order_by("round__number").values_list("scores", flat=True)
    assert list(scores) == [{"0": 1.0, "1": 0.0}, {"0": 0.0, "1": 1.0}]
    assert ledger.audit().problems == ()


@pytest.mark.parametrize(("game", "last"), [*((Count, last) for last in range(5)), (LongCount, 17)])
def test_another_worker_goes_on_at_the_turn_at_which_the_first_died(
    monkeypatch: pytest.MonkeyPatch, game: type[Count], last: int
) -> None:
    match = make_match(make_space(environment=game.slug))
    asked: list[int] = []

    def die(messages: Sequence[Message]) -> str | Exception:
        asked.append(1)
        return RuntimeError("killed") if len(asked) > last else "1"

    with pytest.RaisesGroup(RuntimeError, flatten_subgroups=True):
        played(match, monkeypatch, die)
    before = turns(match, 1)
    assert len(before) == last
    played(match, monkeypatch, lambda messages: "1")
    assert match.status == MatchStatus.SETTLED
    assert turns(match, 1)[:last] == before
    assert len(turns(match, 1)) == game.turn_limit, "no turn was played twice"


def test_a_seat_that_says_nothing_loses_that_turn_only(monkeypatch: pytest.MonkeyPatch) -> None:
    match = make_match(make_space(environment="count", round_count=1))

    def silent_at_two(messages: Sequence[Message]) -> str | Exception:
        return RequestRefused("Too long.") if "total is 2" in messages[-1]["content"] else "1"

    played(match, monkeypatch, silent_at_two)
    assert [text for *_, text, _ in turns(match, 1)] == ["1", "1", "", "1", "1"]
    failed = Completion.objects.get(status="failed")
    assert (failed.error, failed.problem) == ("Too long.", "The seat could not answer.")
    assert match.status == MatchStatus.SETTLED
    assert Verdict.objects.get().scores == {"0": 1.0, "1": 0.0}


def test_a_seat_whose_answers_are_empty_loses_that_turn_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match(make_space(environment="count", round_count=1))
    played(match, monkeypatch, lambda messages: "" if "is 2." in str(messages) else "1")
    assert turns(match, 1) == [
        (0, 0, "1", ""),
        (1, 0, "1", ""),
        (0, 1, "", "Say 1 or 2."),
        (0, 2, "", "Say 1 or 2."),
        (1, 1, "1", ""),
        (0, 3, "1", ""),
    ]
    assert match.status == MatchStatus.SETTLED
    assert Verdict.objects.get().scores == {"0": 1.0, "1": 0.0}
    assert balances(match) != {ledger.Balance(100, 0)}, "the match was paid for"
    assert ledger.audit().problems == ()


def test_an_illegal_move_is_a_fact_of_the_match(monkeypatch: pytest.MonkeyPatch) -> None:
    match = make_match(make_space(environment="count", round_count=1))
    model = played(
        match, monkeypatch, lambda messages: "1" if len(messages) > 2 else "I add three."
    )
    assert turns(match, 1)[:3] == [
        (0, 0, "I add three.", "Say 1 or 2."),
        (0, 1, "1", ""),
        (1, 0, "I add three.", "Say 1 or 2."),
    ]
    assert "Say 1 or 2." in model.asked[1][-1]["content"]
    recorded = MatchEvent.objects.filter(kind="completion_recorded").earliest("seq")
    assert recorded.payload["problem"] == "Say 1 or 2."
    assert match.status == MatchStatus.SETTLED
    check = match.rounds.get().votes.get().checks["0"][-1]
    assert (check["name"], check["passed"]) == ("legal moves", False)


def test_a_match_of_nothing_but_garbage_ends_and_moves_no_money(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match(make_space(environment="count", round_count=1))
    played(match, monkeypatch, lambda messages: "")
    assert match.status == MatchStatus.CANCELLED, "nobody said anything"
    assert ledger.audit().problems == ()


class Endless(Count):
    """Its target is never reached."""

    slug = "endless"

    def to_move(self, position: Position) -> tuple[int, ...]:
        return (position["mover"],)


class Broken(Count):
    slug = "broken"

    def payoffs(self, position: Position) -> dict[int, float]:
        raise EnvironmentFault("The game broke.")


@pytest.mark.parametrize("game", [Endless(), Broken()], ids=["endless", "broken"])
def test_a_fault_of_the_environment_voids_the_match_and_refunds(
    monkeypatch: pytest.MonkeyPatch, game: Count
) -> None:
    add_games(monkeypatch, game)
    match = make_match(make_space(environment=game.slug))
    played(match, monkeypatch, lambda messages: "1")
    assert match.status == MatchStatus.CANCELLED
    reason = play.state_of(match).cancel_reason
    assert reason.startswith(("Count did not end after 5 turns.", "The game broke."))
    assert balances(match) == {ledger.Balance(100, 0)}
    assert ledger.audit().problems == ()


def test_seats_of_one_moment_are_asked_together(monkeypatch: pytest.MonkeyPatch) -> None:
    match = make_match(make_space(environment="odds", round_count=1))
    model = played(match, monkeypatch, lambda messages: "1")
    assert [messages[-1]["content"] for messages in model.asked] == [
        "Sums so far: []. Show 1 or 2.",
        "Sums so far: []. Show 1 or 2.",
        "Sums so far: [2]. Show 1 or 2.",
        "Sums so far: [2]. Show 1 or 2.",
    ]
    assert match.status == MatchStatus.SETTLED


def test_a_turn_that_somebody_else_recorded_is_not_recorded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match(make_space(environment="count", round_count=1))
    played(match, monkeypatch, lambda messages: "2")
    answer = play.SeatAnswer(status="ok", messages=[], text="2")  # type: ignore[arg-type]
    with pytest.raises(IllegalMove):
        play.record_completion(match.id, number=1, seat=0, answer=answer, facts=play.TurnFacts(1))


def test_what_a_worker_says_that_lost_the_match_is_not_recorded() -> None:
    match = make_match(make_space(environment="count", round_count=1))
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1), turn_limit=9, order=(0, 1))
    first, second = uuid.uuid4(), uuid.uuid4()
    assert play.claim_match(match.id, owner=first)
    Match.objects.update(lease_expires_at=timezone.now())
    assert play.claim_match(match.id, owner=second)
    answer = play.SeatAnswer(CompletionStatus.OK, [], text="2")
    record = partial(play.record_completion, match.id, number=1, seat=0, answer=answer)
    with pytest.raises(LeaseLost):
        record(facts=play.TurnFacts(0), owner=first)
    record(facts=play.TurnFacts(0), owner=second)
    assert Completion.objects.count() == 1


def test_moves_that_no_server_takes_are_the_environments_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match(make_space(environment="crowded", restricts_moves=True, round_count=1))
    model = played(match, monkeypatch, lambda messages: "1")
    assert match.status == MatchStatus.CANCELLED
    reason = play.state_of(match).cancel_reason
    assert reason.startswith("A seat can choose among at most 256 moves; here are 300.")
    assert not model.asked
    assert balances(match) == {ledger.Balance(100, 0)}
    assert ledger.audit().problems == ()


def test_a_space_whose_opening_has_too_many_moves_to_choose_from_is_refused() -> None:
    space = make_space(environment="crowded")
    space.full_clean()
    space.restricts_moves = True
    with pytest.raises(ValidationError, match=r"at most 256 moves; here are 300\.") as caught:
        space.full_clean()
    assert set(caught.value.message_dict) == {"restricts_moves"}


def test_an_episode_that_begins_at_its_end_is_the_environments_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Count, "to_move", lambda self, position: ())
    match = make_match(make_space(environment="count", round_count=1))
    played(match, monkeypatch, lambda messages: "2")
    reason = play.state_of(match).cancel_reason
    assert reason.startswith("Count ended before anybody moved.")


def test_a_space_may_restrict_answers_to_legal_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    match = make_match(make_space(environment="count", restricts_moves=True, round_count=1))
    played(match, monkeypatch, lambda messages: "2")
    sets = Completion.objects.values_list("allowed_token_ids", flat=True)
    assert list(sets) == [[[0, 1]]] * 3, "two moves are legal"
    assert match.status == MatchStatus.SETTLED


@pytest.mark.parametrize(("percent", "said"), [(100, "1"), (0, "2")])
def test_a_coded_seat_answers_by_code_as_often_as_it_is_set_to(
    monkeypatch: pytest.MonkeyPatch, percent: int, said: str
) -> None:
    match = make_match(make_space(environment="count", round_count=1))
    Agent.objects.update(engine=Engine.CODE, code_percent=percent)
    played(match, monkeypatch, lambda messages: "2")
    assert turns(match, 1)[0][2] == said


def test_judges_of_a_debate_read_its_motion_and_each_seats_speeches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[Transcript] = []

    async def watch(panel: object, transcript: Transcript, tools: object) -> object:
        shown.append(transcript)
        return await judge_transcript([], transcript, tools)  # type: ignore[arg-type]

    monkeypatch.setattr(judging, "judge_transcript", watch)
    match = make_match(make_space(environment="debate", round_count=1))
    played(match, monkeypatch, lambda messages: f"I say {len(messages[-1]['content'])} words.")
    (transcript,) = shown
    motion = match.rounds.get().task["data"]["position"]["motion"]
    assert transcript.prompt == motion
    assert [answer.text.count("I say") for answer in transcript.answers] == [3, 3]
    assert [answer.score for answer in transcript.answers] == [None, None]


def test_what_a_person_said_in_an_episode_is_erased_where_others_were_told_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    match = make_match(make_space(environment="debate", round_count=1))
    beginning = "Mine is a speech of some length, and"
    mine = (
        " **Mine** is a speech of some length,\nand people know why: every harbour that our towns "
        "built has brought grain, letters, songs, doctors, books, tools, strangers, friends, work "
        "and news, while those who stayed inland waited for rain, argued about fences, sold their "
        "horses and left before winter came over the northern hills again."
    )
    played(
        match,
        monkeypatch,
        lambda messages: mine if "You speak for" in str(messages) else "Theirs is another speech.",
    )
    leaver = match.seats.get(index=0).agent.owner
    Completion.objects.filter(seat__index=0).update(view={"kind": "text", "text": mine})
    assert Completion.objects.filter(seat__index=1, messages__icontains=beginning).exists()
    erase_answers(leaver)
    for row in Completion.objects.all():
        kept = str([row.text, row.messages, row.asked, row.view, row.problem])
        assert "people know" not in kept
        assert "some length" not in kept
    told = Completion.objects.filter(seat__index=1).exclude(messages=[])
    assert not told.exclude(prompt_token_ids=[]).exists(), "they were told it, too"
    assert Completion.objects.filter(seat__index=1, text="Theirs is another speech.").count() == 3
