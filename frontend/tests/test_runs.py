"""Pages of training runs and links to them: what everybody sees, and what only the owner sees."""

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from agents.models import Agent
from agents.roster import begin_learning
from arena.models import Match
from arena.tests.builders import enter, make_agent, make_space, make_user
from frontend.run_views import LEFT_OUT_WORDS, gate_of, stages_of
from frontend.tests.builders import (
    GATE,
    make_offer,
    make_pair,
    make_run,
    page_of,
    signed_in,
)
from training.data.curation import Reason
from training.gate.record import GateRecord, gate_from_json
from training.methods import METHODS
from training.methods.dpo import DPOConfig
from training.methods.grpo import GRPOConfig
from training.runs.queries import run_view
from training.states import RunStatus

pytestmark = pytest.mark.django_db

PROBE = {
    "space": "poems",
    "name": "Tiny poems",
    "tasks": 16,
    "parent": 0.52,
    "child": 0.3,
    "base": 0.49,
    "difference": -0.22,
    "upper_bound": -0.12,
    "confidence": 0.95,
    "bound": 0.1,
    "regressed": True,
    "problem": "",
}
UNJUDGED = PROBE | {
    "name": "Debates",
    "parent": None,
    "child": None,
    "base": None,
    "difference": None,
    "upper_bound": None,
    "regressed": False,
    "problem": "Only 3 of 16 tasks could be judged.",
}
DRIFT = {
    "mean_child": 0.786,
    "mean_base": 0.635,
    "bound": 0.913,
    "mean_change": 1.112,
    "mismatch": 0.67,
    "sequences": 16,
    "drifted": False,
    "why": "",
}
REFUSED_GATE = GATE | {
    "difference": -0.015,
    "lower_bound": -0.083,
    "adopted": False,
    "kinds": {
        "end_phrase": {"tasks": 4, "parent_passed": 1, "child_passed": 3},
        "lowercase": {"tasks": 12, "parent_passed": 5, "child_passed": 0},
    },
    "probes": [PROBE, UNJUDGED],
    "refusals": ["The new version is behind its parent.", "It has unlearned <b>lowercase</b>."],
}


def decided(stored: dict[str, Any]) -> GateRecord:
    gate = gate_from_json(stored)
    assert gate is not None
    return gate


@pytest.mark.parametrize("status", list(RunStatus))
@pytest.mark.parametrize("method", METHODS)
def test_every_state_of_both_methods_shows_to_everybody(
    client: Client, agent: Agent, match: Match, status: RunStatus, method: str
) -> None:
    run = make_run(agent, match.space, status=status, method=method)
    for visitor in (client, signed_in(make_user().pk), signed_in(agent.owner_id)):
        assert visitor.get(f"/runs/{run.pk}/").status_code == 200
        assert visitor.get(f"/runs/{run.pk}/state/").status_code == 200


def test_practice_shows_how_far_it_is(client: Client, agent: Agent, match: Match) -> None:
    run = make_run(
        agent,
        match.space,
        status=RunStatus.TRAINING,
        method="grpo",
        config=GRPOConfig().as_json(),
        progress={"stage": "practising: 40 of 96 answers"},
        curve=[],
        gate={},
    )
    page = page_of(client, run)
    assert "Practising: 40 of 96 answers" in page
    assert "learns from groups of scored answers" in page.lower()
    assert "The curves begin with the first step" in page


def test_training_shows_speed_memory_time_and_its_owner_the_price(
    client: Client, agent: Agent, match: Match
) -> None:
    progress = {
        "step": 31,
        "steps": 72,
        "seconds": 121.0,
        "remaining_seconds": 160.0,
        "tokens_per_second": 812.4,
        "memory_bytes": 3 * 2**30,
    }
    now = {"status": RunStatus.TRAINING, "progress": progress, "price_credits": 3}
    run = make_run(agent, match.space, **now)
    page, own = page_of(client, run), page_of(signed_in(agent.owner_id), run)
    for words in ("Step 31 of 72", "2 min 40 s left", "812 tokens/s", "3.0\xa0GB"):
        assert words in page
    assert ("3 credits" in own, "3 credits" in page) == (True, False)


def test_a_refused_version_shows_why(client: Client, agent: Agent, match: Match) -> None:
    run = make_run(agent, match.space, status=RunStatus.REJECTED, gate=REFUSED_GATE)
    page = page_of(client, run)
    assert "The new version is behind its parent." in page
    assert "It has unlearned &lt;b&gt;lowercase&lt;/b&gt;." in page
    assert "It has unlearned a kind of task: lowercase." in page
    assert "It is clearly worse elsewhere: Tiny poems." in page
    assert "plain base 49" in page
    assert "Only 3 of 16 tasks could be judged." in page


def test_a_gate_says_which_difficulties_it_asked(
    client: Client, agent: Agent, match: Match
) -> None:
    plain = decided(REFUSED_GATE).as_json()
    run = make_run(agent, match.space, status=RunStatus.REJECTED, gate=plain)
    assert "Levels of difficulty" not in page_of(client, run)
    run.gate = plain | {"difficulty_weights": [0.25, 0.75]}
    run.save()
    assert "level 1 25%, level 2 75%." in page_of(client, run)


def test_a_page_tells_the_criteria_of_the_gates_record(
    client: Client, agent: Agent, match: Match
) -> None:
    record = decided(REFUSED_GATE)
    page = page_of(client, make_run(agent, match.space, gate=record.as_json()))
    criteria = record.criteria()
    assert len(criteria) == 4
    for criterion in criteria:
        mark = "Holds:" if criterion.holds else "Fails:"
        before, _, _ = page.partition(criterion.sentence)
        assert before.rpartition("sr-only")[2].startswith(f'">{mark}'), criterion


def test_kinds_go_from_the_clearest_gain_to_the_clearest_loss() -> None:
    view = gate_of(decided(REFUSED_GATE))
    assert [row.kind for row in view.kinds] == ["end_phrase", "lowercase"]
    assert (view.better_kinds, view.worse_kinds) == (1, 1)
    assert [criterion.holds for criterion in view.criteria] == [False, False, False, False]


def test_gates_of_earlier_releases_show_what_they_have() -> None:
    view = gate_of(decided(GATE))
    assert view.kinds == ()
    assert view.probes == ()
    assert [criterion.holds for criterion in view.criteria] == [True, True]


def test_drift_is_shown_with_its_bound_and_its_sentence(
    client: Client, agent: Agent, match: Match
) -> None:
    run = make_run(agent, match.space, gate=GATE | {"drift": DRIFT})
    page = page_of(client, run)
    for words in (
        "16 answers",
        "0.79",
        "of 0.91",
        "67% of what training changed differs",
        "The server plays what was trained",
    ):
        assert words in page, words
    drifted = DRIFT | {
        "drifted": True,
        "why": "The server plays another adapter.",
        "mismatch": None,
    }
    run = make_run(agent, match.space, status="rejected", gate=GATE | {"drift": drifted})
    page = page_of(client, run)
    assert "The server plays another adapter." in page
    assert "differs between" not in page
    assert gate_of(decided(GATE | {"drift": None})).drift is None


@pytest.mark.parametrize("method", METHODS)
def test_the_charts_get_the_columns_of_the_method(
    client: Client, agent: Agent, match: Match, method: str
) -> None:
    curve = [{"step": 1, "loss": 0.7, "reward": 0.4}, {"step": 2, "loss": 0.6, "accuracy": 0.5}]
    run = make_run(agent, match.space, method=method, curve=curve)
    columns = client.get(f"/runs/{run.pk}/curve.json").json()["columns"]
    assert set(columns) == {"step", *(words.name for words in METHODS[method].charts)}
    assert columns["loss"] == [0.7, 0.6]
    page = page_of(client, run)
    for words in METHODS[method].charts:
        assert f'data-chart="{words.name}"' in page


def test_a_chart_without_a_point_is_hidden(client: Client, agent: Agent, match: Match) -> None:
    run = make_run(agent, match.space, curve=[{"step": 1, "loss": 0.7}])
    page = page_of(client, run)
    for name, is_hidden in (("loss", False), ("kl", True)):
        figure = page[page.index(f'data-chart="{name}"') :].partition(">")[0]
        assert ("hidden" in figure) == is_hidden


def test_the_dataset_says_where_it_comes_from_and_what_it_left_out(
    client: Client, agent: Agent, match: Match
) -> None:
    manifest = {
        "groups": [{"id": 1}, {"id": 2}],
        "sources": {"played": 2, "practised": 5, "shared": 3},
        "left_out": {"same_scores": 4, "a_reason_of_tomorrow": 1},
        "answers_left_out": {"too_long": 6},
        "rehearsal": {"texts": 72, "sha256": "ab"},
    }
    run = make_run(agent, match.space, method="grpo", manifest=manifest)
    page = page_of(client, run)
    for words in (
        "2 groups",
        "Its own answers in practice",
        "50%",
        "Every answer scored the same",
        "A reason of tomorrow",
        "Longer than the longest sequence",
        'The base’s answers to its own prompts</span><span class="num">72<',
    ):
        assert words in page, words


def test_a_run_tells_the_share_of_its_pairs_that_prefer_the_shorter_answer(
    client: Client, agent: Agent, match: Match
) -> None:
    manifest: dict[str, Any] = {"pairs": [{"id": id} for id in range(8)]}
    run = make_run(agent, match.space, manifest=manifest)
    assert "shorter" not in page_of(client, run), "a manifest of before says nothing of it"
    run.manifest = manifest | {"lengths": {"shorter_chosen": 6, "cut_rejected": 2}}
    run.save()
    page = page_of(client, run)
    assert re.search(r"the shorter one, in tokens</span>\s*<span[^>]*>6 <span[^>]*>75%", page)
    assert re.search(r"cut off at its maximum length</span>\s*<span[^>]*>2 <span[^>]*>25%", page)


def test_a_run_tells_the_share_of_its_better_answers_that_coded_seats_gave(
    client: Client, agent: Agent, match: Match
) -> None:
    manifest: dict[str, Any] = {"pairs": [{"id": id} for id in range(8)]}
    run = make_run(agent, match.space, manifest=manifest)
    assert "Coded seats" not in page_of(client, run), "a manifest of before says nothing of it"
    run.manifest = manifest | {
        "coded": {"answers": 2, "of": 8},
        "left_out": {"coded_share": 3},
    }
    run.save()
    page = page_of(client, run)
    assert re.search(r"Better answers of seats that answer by code</span>\s*<span[^>]*>2 <", page)
    assert re.search(r">2 <span[^>]*>25%", page)
    assert re.search(r"over the share allowed</span>\s*<span[^>]*>3<", page)


def test_a_run_tells_how_many_episodes_it_practised_against_whom_and_what_it_won(
    client: Client, agent: Agent, match: Match
) -> None:
    manifest: dict[str, Any] = {"groups": [{"id": 1}], "parent": {"version": 3}}
    run = make_run(agent, match.space, method="grpo", manifest=manifest)
    assert "Practised episodes" not in page_of(client, run), "it practised none"
    run.manifest = manifest | {
        "sources": {"practised": 5, "episode": 40},
        "episodes": {
            "played": 12,
            "against": [
                {"versions": [3], "episodes": 8, "won": 0.5},
                {"versions": [1, 3], "episodes": 4, "won": 0.75},
            ],
        },
    }
    run.save()
    page = page_of(client, run)
    assert "Its own turns in practised episodes" in page
    assert re.search(r"Played to their end</span>\s*<span[^>]*>12<", page)
    assert re.search(r"Against itself</span>\s*<span[^>]*>8 <span[^>]*>won 50%", page)
    assert re.search(r"Against version 1 and itself</span>\s*<span[^>]*>4 <span[^>]*>won 75%", page)


def test_a_run_that_rehearses_nothing_does_not_speak_of_it(
    client: Client, agent: Agent, match: Match
) -> None:
    manifest = {"pairs": [{"id": 1}], "rehearsal": {"texts": 0}}
    assert "Rehearsal" not in page_of(client, make_run(agent, match.space, manifest=manifest))


def test_every_reason_for_leaving_out_has_words() -> None:
    assert set(LEFT_OUT_WORDS) == set(Reason)


@pytest.mark.parametrize(
    ("status", "progress", "current"),
    [
        ("queued", {}, "Queued"),
        ("training", {}, "Training"),
        ("paused", {}, "Queued, paused"),
        ("paused", {"step": 3}, "Training, paused"),
        ("evaluating", {}, "Gate"),
        ("offered", {}, "Owner’s decision"),
        ("rejected", {}, "Rejected"),
    ],
)
def test_one_stage_is_the_current_one(
    agent: Agent, match: Match, status: str, progress: dict[str, int], current: str
) -> None:
    run = make_run(agent, match.space, status=status, progress=progress)
    stages = stages_of(run_view(run.pk, viewer=None))
    assert [stage.label for stage in stages if stage.is_current] == [current]
    assert len(stages) == 4


def test_versions_bear_the_figures_of_their_gate(
    client: Client, agent: Agent, match: Match
) -> None:
    make_offer(agent, match.space)
    page = client.get(f"/agents/{agent.pk}/").content.decode()
    assert "At the gate: 40.0% against v2&rsquo;s 30.0%" in page
    assert "+10.0 points" in page


def test_a_space_that_waits_for_training_says_so(client: Client) -> None:
    assert "wait for training" not in client.get(f"/spaces/{make_space().slug}/").content.decode()
    space = make_space(waits_for_training=True)
    assert "Matches wait for training" in client.get(f"/spaces/{space.slug}/").content.decode()


def test_a_space_that_restricts_moves_says_so(client: Client) -> None:
    assert "Only legal moves" not in client.get(f"/spaces/{make_space().slug}/").content.decode()
    space = make_space(restricts_moves=True)
    assert "Only legal moves" in client.get(f"/spaces/{space.slug}/").content.decode()


def test_an_entry_that_waits_for_training_says_so(client: Client) -> None:
    agent = make_agent(make_user(credits=50))
    space = make_space(waits_for_training=True)
    path = f"/entries/{enter(agent, space)}/"
    owner = signed_in(agent.owner_id)
    assert "is being trained" not in owner.get(path).content.decode()
    begin_learning(agent.pk)
    assert "is being trained" in owner.get(path).content.decode()


def test_a_runs_page_asks_the_database_little(
    client: Client,
    agent: Agent,
    match: Match,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    run = make_run(agent, match.space, gate=REFUSED_GATE, config=DPOConfig().as_json())
    with django_assert_num_queries(1):
        client.get(f"/runs/{run.pk}/")


def test_queries_do_not_grow_with_versions_and_runs(
    agent: Agent, match: Match, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_pair(agent, match)
    for _ in range(4):
        make_run(agent, match.space)
    make_offer(agent, match.space)
    owner = signed_in(agent.owner_id)
    with django_assert_max_num_queries(32):
        owner.get(f"/agents/{agent.pk}/")
