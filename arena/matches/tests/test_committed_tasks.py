"""Nobody can choose or foresee a match's tasks, and anybody can draw them again afterwards."""

import json
import uuid
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.apps.registry import Apps
from django.contrib import admin
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from agents.canonical import text_digest
from arena.config.tests.rewinding import migrate_to_today, rewound
from arena.environments import ENVIRONMENTS
from arena.environments.base import Task
from arena.matches import play, runner, seating
from arena.matches.events import event_digest
from arena.matches.match import IllegalMove
from arena.matches.practice import practising
from arena.matches.proposing import draw_of
from arena.models import Match, MatchEvent, TaskSecret
from arena.queries import match_transcript, next_commitments, public_draw
from arena.spaces import committing
from arena.states import MatchStatus
from arena.tests.builders import (
    at_once,
    enter,
    make_agent,
    make_match,
    make_space,
    make_user,
    play_round,
)
from arena.tests.ladder import SLUG, Ladder
from arena.tournaments import running
from arena.tournaments.tests.builders import is_due, make_tournament, register

pytestmark = pytest.mark.django_db(transaction=True)


def settled(match: Match) -> Match:
    play.start_match(match.id)
    for number in range(1, match.round_count + 1):
        play_round(match, number, scores={0: 0.9, 1: 0.1})
    play.settle_match(match.id)
    match.refresh_from_db()
    return match


def recompute(named: object) -> str:
    out = StringIO()
    call_command("recompute_tasks", str(named), stdout=out)
    return out.getvalue()


def exported(match: Match, path: Path) -> dict[str, Any]:
    transcript = {"match": match.id, "events": match_transcript(match.id)}
    path.write_text(json.dumps(transcript))
    return transcript


def chain_again(transcript: dict[str, Any], path: Path) -> None:
    """Digest every event anew, as somebody would who changed one."""
    previous = ""
    for seq, event in enumerate(transcript["events"], start=1):
        event["previous_digest"] = previous
        event["digest"] = previous = event_digest(
            previous,
            match_id=transcript["match"],
            seq=seq,
            kind=event["kind"],
            payload=event["payload"],
        )
    path.write_text(json.dumps(transcript))


def test_the_commitment_is_public_before_anybody_is_seated() -> None:
    space = make_space()
    enter(make_agent(make_user(credits=100)), space)
    public = next_commitments(space.id)
    enter(make_agent(make_user(credits=100)), space)
    (match_id,) = seating.seat_matches(space.id, rng=Random(1))
    draw = public_draw(match_id)
    assert draw is not None
    assert (draw.commitment, draw.secret) == (public[0], "")
    # The others move up, and the stock is full again.
    assert next_commitments(space.id)[: len(public) - 1] == public[1:]
    assert len(next_commitments(space.id)) == committing.STOCK


def test_no_match_is_seated_on_a_secret_that_was_made_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(committing, "MOST_STOCK", 1)
    space = make_space()
    for _ in range(4):
        enter(make_agent(make_user(credits=100)), space)
    public = next_commitments(space.id)
    (first,) = seating.seat_matches(space.id, rng=Random(1))
    (second,) = seating.seat_matches(space.id, rng=Random(1))
    draws = [public_draw(first), public_draw(second)]
    assert [draw.commitment in public for draw in draws if draw] == [True, False]


def test_every_waiting_entry_brings_a_secret_so_that_one_sweep_seats_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(committing, "STOCK", 1)
    space = make_space()
    for _ in range(6):
        enter(make_agent(make_user(credits=100)), space)
    public = next_commitments(space.id)
    made = seating.seat_matches(space.id, rng=Random(1))
    draws = [public_draw(match_id) for match_id in made]
    assert [draw.commitment for draw in draws if draw] == list(public[:3])


def test_entries_that_wait_since_before_there_were_secrets_are_seated_by_the_second_sweep() -> None:
    space = make_space()
    for _ in range(2):
        enter(make_agent(make_user(credits=100)), space)
    TaskSecret.objects.all().delete()
    assert seating.seat_matches(space.id, rng=Random(1)) == []
    assert len(seating.seat_matches(space.id, rng=Random(1))) == 1


def test_agents_that_are_given_are_not_seated_on_a_secret_that_was_made_for_them() -> None:
    space = make_space()
    agents = [make_agent(), make_agent()]
    with transaction.atomic():
        assert seating.seat_given(space, [agents]) == []
    public = next_commitments(space.id)
    with transaction.atomic():
        (match_id,) = seating.seat_given(space, [agents])
    draw = public_draw(match_id)
    assert draw is not None
    assert draw.commitment == public[0]


def test_the_first_match_of_a_tournament_has_a_commitment_that_was_public_since_the_start() -> None:
    tournament = make_tournament()
    for _ in range(2):
        register(tournament)
    is_due(tournament)
    running.start_tournament(tournament.pk)
    public = next_commitments(tournament.space_id)
    running.advance_tournament(tournament.pk)
    draw = public_draw(Match.objects.get().pk)
    assert draw is not None
    assert draw.commitment == public[0]


def test_practice_in_an_unused_space_has_a_commitment_that_others_saw_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_agent(make_user(is_house=True))
    space, agent = make_space(), make_agent()
    seat_given, public = seating.seat_given, []

    def looked_at(*args: Any, **kwargs: Any) -> list[int]:
        public.extend(at_once(lambda: next_commitments(space.id)))
        return seat_given(*args, **kwargs)

    monkeypatch.setattr(seating, "seat_given", looked_at)
    practice = practising.practise(
        agent.owner_id, agent_id=agent.pk, space_slug=space.slug, practice_id=uuid.uuid4()
    )
    draw = public_draw(practice.match_id)
    assert draw is not None
    assert draw.commitment == public[0][0]


def test_the_tasks_depend_on_who_sits_where() -> None:
    match = make_match()
    draw = draw_of(match.id)
    seated_otherwise = type(draw)(draw.seating, "0" * 64, draw.secret)
    numbers = range(1, 9)
    assert [draw.task(n) for n in numbers] == [draw_of(match.id).task(n) for n in numbers]
    assert [draw.task(n) for n in numbers] != [seated_otherwise.task(n) for n in numbers]


def test_the_tasks_drawn_again_are_the_played_ones(tmp_path: Path) -> None:
    match = settled(make_match())
    keys = match.rounds.values_list("task_key", flat=True)
    said = recompute(match.id)
    assert all(f"drew {key}, the same" in said for key in keys)
    assert match.head_digest in said
    exported(match, tmp_path / "match.json")
    assert recompute(tmp_path / "match.json") == said


def test_a_file_is_enough_to_draw_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported(settled(make_match()), tmp_path / "match.json")
    monkeypatch.setattr(connection, "ensure_connection", lambda: pytest.fail("asked the database"))
    monkeypatch.setattr(connection, "cursor", lambda: pytest.fail("asked the database"))
    assert "Every task is the one that was drawn" in recompute(tmp_path / "match.json")


def test_a_cancelled_match_reveals_its_secret_too() -> None:
    match = make_match()
    play.start_match(match.id)
    play_round(match, 1, scores={0: 0.9, 1: 0.1})
    play.cancel_match(match.id, reason="The server is gone.")
    draw = public_draw(match.id)
    assert draw is not None
    assert text_digest(draw.secret) == draw.commitment
    assert "Round 1: drew" in recompute(match.id)


def test_another_task_than_the_drawn_one_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "match.json"
    transcript = exported(settled(make_match()), path)
    (started, *_) = [event for event in transcript["events"] if event["kind"] == "round_started"]
    started["payload"]["task"]["prompt"] = "Say yes."
    path.write_text(json.dumps(transcript))
    with pytest.raises(CommandError, match="has been changed"):
        recompute(path)
    # Also by somebody who makes a new chain and a new key.
    started["payload"]["task_key"] = Task.from_json(started["payload"]["task"]).key
    chain_again(transcript, path)
    with pytest.raises(CommandError, match="1 of 2 tasks differ"):
        recompute(path)


def test_another_secret_than_the_committed_one_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENTS._known, SLUG, Ladder())  # which hardly draws a task twice
    path = tmp_path / "match.json"
    transcript = exported(settled(make_match(make_space(environment=SLUG))), path)
    secret = "f" * 64
    transcript["events"][-1]["payload"]["task_secret"] = secret
    chain_again(transcript, path)
    with pytest.raises(CommandError, match="not the one that the match committed to"):
        recompute(path)
    # Also with a commitment that fits it: the tasks are others then.
    transcript["events"][0]["payload"]["task_commitment"] = text_digest(secret)
    chain_again(transcript, path)
    with pytest.raises(CommandError, match="2 of 2 tasks differ"):
        recompute(path)


def test_a_match_never_ends_with_another_secret_than_the_committed_one() -> None:
    match = make_match()
    TaskSecret.objects.filter(match=match).update(secret="f" * 64)
    with pytest.raises(IllegalMove, match="not the one committed to"):
        play.cancel_match(match.id, reason="?")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a match transcript"),
        ("[]", "not a match transcript"),
        ('{"match": 1, "events": 5}', "not a match transcript"),
        ('{"match": 1, "events": []}', "empty"),
        ('{"match": 1, "events": [7]}', "Event 1 cannot be read"),
        ('{"match": 1, "events": [{"kind": "match_seated", "payload": {}, "digest": ""}]}', "read"),
        ('{"match": 1, "events": [{"kind": "no", "payload": {}, "digest": ""}]}', "read"),
    ],
)
def test_what_is_no_transcript_is_refused_in_a_sentence(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "match.json"
    path.write_text(text)
    with pytest.raises(CommandError, match=problem):
        recompute(path)


def test_a_match_that_is_not_there_or_not_over_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for named in (987654321, tmp_path / "missing.json"):
        with pytest.raises(CommandError, match=r"no such match|cannot be read"):
            recompute(named)
    with pytest.raises(CommandError, match="not over yet"):
        recompute(make_match().id)


def test_a_secret_has_no_form_no_name_and_no_event_before_the_end() -> None:
    match = make_match()
    play.start_match(match.id)
    play_round(match, 1, scores={0: 0.9, 1: 0.1})
    row = TaskSecret.objects.get(match=match)
    assert not admin.site.is_registered(TaskSecret)
    assert row.secret not in f"{row} {row!r}"
    assert row.secret not in json.dumps(match_transcript(match.id))
    play.cancel_match(match.id, reason="?")
    assert row.secret in json.dumps(match_transcript(match.id))


@pytest.fixture
def before() -> Iterator[Apps]:
    """The models of the commit before there were commitments."""
    with rewound([("arena", "0017_asked_positions")]) as apps:
        yield apps


def test_a_match_seated_before_there_were_commitments_is_played_and_ends(before: Apps) -> None:
    base = before.get_model("agents", "BaseModel").objects.create(
        slug="tiny", served_name="tiny", name="Tiny"
    )
    space = before.get_model("arena", "Space").objects.create(
        slug="old",
        name="Old",
        summary="?",
        environment="constraints",
        base_model=base,
        panel=[],
        entry_fee_credits=0,
        prize_percents=[100],
    )
    payload = {
        "space": "old",
        "environment": "constraints",
        "players": [],
        "round_count": 1,
        "rake_percent": 0,
        "prize_percents": [100],
        "panel": [],
    }
    row = before.get_model("arena", "Match").objects.create(
        space=space, round_count=1, seq=1, status="seated"
    )
    digest = event_digest("", match_id=row.id, seq=1, kind="match_seated", payload=payload)
    before.get_model("arena", "MatchEvent").objects.create(
        match=row, seq=1, kind="match_seated", payload=payload, digest=digest
    )
    type(row).objects.filter(id=row.id).update(head_digest=digest)
    migrate_to_today()

    assert runner.task_of(row.id, 1) == runner.task_of(row.id, 1)
    assert play.claim_match(row.id, owner=uuid.uuid4())
    play.start_match(row.id)
    play.start_round(row.id, number=1, task=runner.task_of(row.id, 1))
    play.cancel_match(row.id, reason="?")
    assert play.state_of(Match.objects.get(id=row.id)).status == MatchStatus.CANCELLED
    assert MatchEvent.objects.filter(match_id=row.id).last().payload["task_secret"] == ""  # type: ignore[union-attr]
    assert public_draw(row.id) is None
    with pytest.raises(CommandError, match="seated before"):
        recompute(row.id)
