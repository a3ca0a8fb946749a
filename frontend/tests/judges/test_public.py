"""What everybody may read of a judge, and what of its gold nobody may."""

from datetime import timedelta
from random import Random

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from arena.models import Vote
from arena.panels.gold.making import make_gold
from arena.queries.judges.rounds import rounds_judged
from arena.tests.builders import make_space, plans_of
from frontend.tests.builders import HOSTILE, settled_match
from judges.calibration.records import lift_quarantine, quarantine
from judges.models import CalibrationPoint, Judge, JudgeKind

pytestmark = pytest.mark.django_db(transaction=True)


def make_reader(**changes: object) -> Judge:
    values = {"slug": "reader", "name": "Reader", "kind": JudgeKind.PAIRWISE, **changes}
    return Judge.objects.create(**values)


def note_points(judge: Judge, *kappas: float) -> None:
    for day, kappa in enumerate(kappas, start=1):
        CalibrationPoint.objects.create(
            judge=judge,
            day=timezone.now().date() - timedelta(days=len(kappas) - day),
            items=24,
            kappa=kappa,
            kappa_low=kappa - 0.1,
            kappa_high=kappa + 0.1,
            biases={"position": {"value": 0.3, "low": 0.2, "high": 0.4, "pairs": 40}},
            unsaid_share=0.25,
            seconds_median=1.5,
            seconds_slow=4.0,
        )


def test_the_list_says_of_every_judge_how_well_it_agrees(client: Client) -> None:
    make_space()
    note_points(make_reader(), 0.7)
    quarantine(make_reader(slug="bad", name="Bad").pk, reason="It sleeps.")
    page = client.get("/judges/").text
    assert "agrees well on 24 questions" in page
    assert "the rules are the answer" in page
    assert "Quarantined" in page


def test_a_judges_page_draws_its_figures_and_tells_its_quarantines(client: Client) -> None:
    judge = make_reader()
    note_points(judge, 0.5, 0.7)
    quarantine(judge.pk, reason="It sleeps.")
    lift_quarantine(judge.pk, lifted_by="ann")
    page = client.get("/judges/reader/").text
    assert "Kappa over 2 days, between 0.40 and 0.80" in page
    assert "The first answer" in page
    assert "+30.0" in page
    assert "25% of its replies held no verdict" in page
    assert "It sleeps." in page
    assert "style=" not in page.split("<main", 1)[1], "styles in lines are refused by the policy"


def test_a_judge_that_was_never_asked_has_a_page(client: Client) -> None:
    make_reader()
    assert "It has not answered any question" in client.get("/judges/reader/").text
    assert client.get("/judges/nobody/").status_code == 404


def test_gold_in_use_is_on_no_page(client: Client) -> None:
    judge = make_reader()
    space = make_space(panel=[{"judge": "reader", "weight": 1.0}])
    item = make_gold("constraints", rng=Random(1))
    assert item is not None
    note_points(judge, 0.5)
    for path in ("/judges/", "/judges/reader/", f"/spaces/{space.slug}/", "/matches/"):
        page = client.get(path).text
        for one in item.transcript["answers"]:
            assert one["text"] not in page


def test_every_round_that_a_judge_judged_is_listed_page_by_page_with_its_reasons(
    client: Client,
) -> None:
    match = settled_match(make_space(round_count=12, seat_count=2))
    Vote.objects.update(reasons={"0": "Passes.", "1": HOSTILE}, error="")
    first = client.get("/judges/code/").text
    assert f"/matches/{match.pk}/?round=12" in first
    assert "Passes." in first
    assert HOSTILE not in first
    oldest = Vote.objects.order_by("-id")[9].pk
    assert f"?before={oldest}" in first
    second = client.get(f"/judges/code/?before={oldest}").text
    assert f"/matches/{match.pk}/?round=2" in second
    assert "Earlier rounds" not in second
    assert client.get("/judges/code/?before=" + "9" * 5000).status_code == 200


def test_a_judges_page_asks_as_much_for_many_rounds_as_for_few(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    settled_match(make_space(round_count=8))
    with django_assert_max_num_queries(16):
        client.get("/judges/code/")


def test_a_judges_newest_rounds_are_read_by_an_index() -> None:
    settled_match()
    plans = plans_of(lambda: rounds_judged("code"))
    assert any("vote_newest_of_judge" in plan and "Sort" not in plan for plan in plans)


def test_votes_on_a_match_lead_to_their_judge(client: Client) -> None:
    match = settled_match()
    assert "/judges/code/" in client.get(f"/matches/{match.pk}/").text
    assert "/judges/code/" in client.get(f"/spaces/{match.space.slug}/").text
    assert "/judges/" in client.get("/how-it-works/").text
