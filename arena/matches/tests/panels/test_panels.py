"""Who judges a round is drawn once its answers are there; judges who agree too little make a tie."""

import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from arena.matches import judging, play
from arena.matches.events import event_digest
from arena.matches.panel_draws import drawn_panel
from arena.matches.proposing import draw_of
from arena.matches.runner import task_of
from arena.models import Match, Round, Space, Vote
from arena.panels.voting import PanelJudge
from arena.queries import match_transcript, round_view, space_agreement, space_card
from arena.states import MatchStatus
from arena.tests.builders import make_match, make_space, record
from judges.models import Judge, JudgeKind
from judges.panel import PanelVerdict, combine
from judges.tools import Tools
from judges.transcript import Ballot, Transcript

pytestmark = pytest.mark.django_db(transaction=True)

MEMBERS = ("ann", "ben", "cleo", "dan")


def panel_space(**changes: Any) -> Space:
    for slug in MEMBERS:
        Judge.objects.create(slug=slug, name=slug.title(), kind=JudgeKind.CODE)
    return make_space(panel=[{"judge": slug, "weight": 1.0} for slug in MEMBERS], **changes)


def judged(match: Match, *, rounds: int = 2) -> Match:
    """The match with its first rounds answered and judged, and settled after the last."""
    play.start_match(match.id)
    for number in range(1, rounds + 1):
        play.start_round(match.id, number=number, task=task_of(match.id, number))
        for seat in range(match.seats.count()):
            record(match, number, seat, f"Answer {seat} of round {number}.")
        judging.judge_round(match.rounds.get(number=number).id)
    match.refresh_from_db()
    return match


def draws(match: Match) -> list[dict[str, Any]]:
    return [e["payload"] for e in match_transcript(match.id) if e["kind"] == "panel_drawn"]


def recompute(named: object) -> str:
    out = StringIO()
    call_command("recompute_tasks", str(named), stdout=out)
    return out.getvalue()


def test_the_drawn_ones_and_nobody_else_judge_and_anybody_can_draw_them_again() -> None:
    match = judged(make_match(panel_space(panel_size=2)))
    assert match.status == MatchStatus.SETTLED
    said = recompute(match.id)
    for drawn in draws(match):
        voted = Vote.objects.filter(round__match=match, round__number=drawn["round"])
        assert set(voted.values_list("judge__slug", flat=True)) == set(drawn["judges"])
        assert len(drawn["judges"]) == 2
        assert f"Round {drawn['round']}: drew {', '.join(drawn['judges'])}, the same" in said
    assert len(draws(match)) == 2


def test_other_judges_than_the_drawn_ones_are_noticed(tmp_path: Path) -> None:
    match = judged(make_match(panel_space(panel_size=2)))
    events, previous = match_transcript(match.id), ""
    for seq, event in enumerate(events, start=1):
        if event["kind"] == "panel_drawn":
            event["payload"]["judges"] = event["payload"]["judges"][::-1]
        event["previous_digest"], kind, payload = previous, event["kind"], event["payload"]
        event["digest"] = previous = event_digest(
            previous, match_id=match.id, seq=seq, kind=kind, payload=payload
        )
    path = tmp_path / "match.json"
    path.write_text(json.dumps({"match": match.id, "events": events}))
    with pytest.raises(CommandError, match="judges of 2 of 2 rounds were not drawn"):
        recompute(path)


def test_the_judges_are_not_fixed_before_the_answers_are() -> None:
    match = make_match(panel_space(panel_size=2))
    draw = draw_of(match.id)
    drawn = [drawn_panel(draw, 1, [str(answer)], may_vote=MEMBERS).judges for answer in range(200)]
    assert len(set(drawn)) > 6
    assert drawn[0] == drawn_panel(draw, 1, ["0"], may_vote=MEMBERS).judges


def test_who_may_not_vote_is_passed_over_and_named() -> None:
    match = make_match(panel_space(panel_size=3))
    Judge.objects.filter(slug="ben").update(quarantined_at=timezone.now())
    judged(match)
    for drawn in draws(match):
        assert set(drawn["judges"]) == {"ann", "cleo", "dan"}
        assert drawn["passed_over"] in ([], ["ben"])  # not named if drawn after the others
    assert "not drawn" not in recompute(match.id)


def test_where_nobody_may_vote_the_draw_says_so_and_can_be_checked() -> None:
    draw = draw_of(make_match(panel_space(panel_size=2)).id)
    nobody = drawn_panel(draw, 1, [], may_vote=())
    assert (nobody.judges, set(nobody.passed_over)) == ((), set(MEMBERS))


def test_the_page_of_a_round_names_who_was_drawn(client: Client) -> None:
    match = judged(make_match(panel_space(panel_size=2)))
    names = ", ".join(slug.title() for slug in draws(match)[0]["judges"])
    page = client.get(reverse("round", kwargs={"match_id": match.id, "number": 1}))
    assert f"once its answers were there: {names}." in page.content.decode()
    space = client.get(reverse("space", kwargs={"slug": match.space.slug})).content.decode()
    assert "2 of them judge each round" in space


def test_a_panel_of_which_all_judge_draws_nobody() -> None:
    match = judged(make_match(panel_space()))
    assert draws(match) == []
    assert round_view(match.id, 1).drawn is None
    assert Vote.objects.filter(round__match=match).count() == 8


@pytest.fixture
def quarrel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two judges who always say the opposite of each other."""

    async def judge_transcript(
        panel: Sequence[PanelJudge], transcript: Transcript, tools: Tools
    ) -> tuple[list[tuple[PanelJudge, Ballot, float]], PanelVerdict | None]:
        scores = [{0: 0.9, 1: 0.1}, {0: 0.2, 1: 0.6}]
        ballots = [Ballot(scores=each, reasons={}, checks={}) for each in scores]
        votes = [(panel[index], ballots[index], 0.1) for index in range(2)]
        return votes, combine([(3.0, ballots[0]), (1.0, ballots[1])])

    monkeypatch.setattr(judging, "judge_transcript", judge_transcript)


@pytest.mark.usefixtures("quarrel")
def test_judges_who_agree_too_little_make_a_tie_and_their_votes_are_kept(client: Client) -> None:
    match = judged(make_match(panel_space(least_agreement=0.2)))
    verdict = Round.objects.get(match=match, number=1).verdict
    assert (verdict.ranking, verdict.is_split, verdict.alpha) == ([[0, 1]], True, -0.5)
    assert len(set(verdict.scores.values())) == 1
    assert [vote.scores for vote in Vote.objects.filter(round=verdict.round).order_by("id")] == [
        {"0": 0.9, "1": 0.1},
        {"0": 0.2, "1": 0.6},
    ]
    prizes = set(match.seats.values_list("prize_credits", flat=True))
    assert prizes == {9}
    page = client.get(reverse("round", kwargs={"match_id": match.id, "number": 1}))
    assert "The judges agree too little" in page.content.decode()
    space = client.get(reverse("space", kwargs={"slug": match.space.slug})).content.decode()
    assert "2 of these rounds ended as a tie" in space


@pytest.mark.usefixtures("quarrel")
def test_without_a_least_agreement_the_heavier_judge_decides() -> None:
    match = judged(make_match(panel_space()))
    verdict = Round.objects.get(match=match, number=1).verdict
    assert (verdict.ranking, verdict.is_split, verdict.alpha) == ([[0], [1]], False, -0.5)
    agreement = space_agreement(match.space_id)
    assert agreement is not None
    assert (agreement.by_match, agreement.round_count) == ((-0.5,), 2)


def test_a_match_keeps_the_terms_of_judging_that_it_was_seated_under() -> None:
    match = make_match(panel_space(panel_size=1))
    Space.objects.filter(id=match.space_id).update(panel_size=0, least_agreement=1.0)
    judged(match)
    assert [len(drawn["judges"]) for drawn in draws(match)] == [1, 1]
    assert space_card(match.space.slug).panel_size == 0


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("panel_size", 5, "The panel has only 4 to draw from."),
        ("least_agreement", 1.5, "A number from 0 to 1."),
        ("least_agreement", -0.1, "A number from 0 to 1."),
    ],
)
def test_settings_of_a_panel_that_cannot_be_kept_are_refused_in_a_sentence(
    name: str, value: float, problem: str
) -> None:
    space = panel_space()
    setattr(space, name, value)
    with pytest.raises(ValidationError) as refused:
        space.clean()
    assert refused.value.message_dict == {name: [problem]}
