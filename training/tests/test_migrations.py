"""A database of an earlier commit migrates, and its rows read as they did."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps.registry import Apps

from arena.config.tests.rewinding import migrate, migrate_to_today, rewound
from arena.credits import ledger
from arena.matches import play
from arena.matches.events import event_digest
from arena.models import Account, Match, MatchEvent, Space, SpaceCount
from arena.states import MatchStatus
from training.models import Pair, PairCount, TrainingRun
from training.runs.queries import gate_figures, run_view, runs_of_agent
from training.states import RunStatus

pytestmark = pytest.mark.django_db(transaction=True)

# The last migrations of the commit whose databases these are.
BEFORE = [
    ("agents", "0004_adapter_refusal"),
    ("arena", "0005_rounds_at_once"),
    ("judges", "0002_coin"),
    ("training", "0005_rehearsal_texts"),
]
FIRST_GATE = {
    "tasks": 40,
    "parent": {"mean": 0.3, "passed": 9},
    "child": {"mean": 0.25, "passed": 7},
    "difference": -0.05,
    "lower_bound": -0.12,
    "confidence": 0.9,
    "margin": 0.05,
    "adopted": False,
    "examples": [],
}
LAST_GATE = FIRST_GATE | {
    "child": {"mean": 0.4, "passed": 13},
    "difference": 0.1,
    "lower_bound": 0.02,
    "confidence": 0.94,
    "kinds": {"title": {"tasks": 12, "parent_passed": 3, "child_passed": 5}},
    "probes": [
        {
            "space": "poems",
            "name": "Tiny poems",
            "tasks": 16,
            "parent": 0.5,
            "child": 0.48,
            "base": 0.52,
            "difference": -0.02,
            "upper_bound": 0.08,
            "confidence": 0.95,
            "bound": 0.1,
            "regressed": False,
            "problem": "",
        }
    ],
    "drift": {
        "mean_child": 0.786,
        "mean_base": 0.635,
        "bound": 0.913,
        "mean_change": 1.112,
        "mismatch": 0.67,
        "sequences": 16,
        "drifted": False,
        "why": "",
    },
    "refusals": [],
    "adopted": True,
    "examples": [
        {
            "kind": "title",
            "task": "A title.",
            "parent": "a",
            "child": "A",
            "parent_score": 0.2,
            "child_score": 0.9,
        }
    ],
}
MANIFEST = {"pairs": [{"id": 1, "digest": "ab" * 32}], "seed": 7}
CURVE = [{"step": 1, "loss": 0.7, "accuracy": 0.5}, {"step": 2, "loss": 0.6, "accuracy": 0.75}]
SAMPLING = {"temperature": 0.8, "top_p": 0.95, "max_tokens": 32}


@pytest.fixture
def before() -> Iterator[Apps]:
    """The models of the commit before, and its database; afterwards the database is today's."""
    with rewound(BEFORE) as apps:
        yield apps


def seed(apps: Apps) -> dict[str, int]:
    """An agent with two versions, a settled match, a pair from it, and runs; returns their ids."""
    make = {name: apps.get_model(name).objects.create for name in _MODELS}
    owner = make["agents.User"](username="quill", password="!")
    base = make["agents.BaseModel"](slug="tiny", served_name="tiny", name="Tiny")
    agent = make["agents.Agent"](owner=owner, name="Quill", base_model=base, engine="model")
    parent = make["agents.AgentVersion"](
        agent=agent, number=1, prompt="Answer.", sampling=SAMPLING, origin="created"
    )
    adapter = make["agents.Adapter"](
        digest="ad" * 32,
        base_model=base,
        rank=8,
        alpha=16,
        target_modules=["q_proj"],
        size_bytes=10,
    )
    child = make["agents.AgentVersion"](
        agent=agent,
        number=2,
        prompt="Answer.",
        sampling=SAMPLING,
        adapter=adapter,
        parent=parent,
        origin="trained",
    )
    agent.current_version = child
    agent.save()
    space = make["arena.Space"](
        slug="rules",
        name="Rules",
        summary="Constraints.",
        environment="constraints",
        base_model=base,
        panel=[{"judge": "code", "weight": 1.0}],
        entry_fee_credits=10,
        prize_percents=[100],
    )
    rival = make["agents.Agent"](owner=owner, name="Rival", base_model=base, engine="code")
    coded = make["agents.AgentVersion"](
        agent=rival, number=1, prompt="", sampling=SAMPLING, origin="created"
    )
    match_id = _seed_match(make, space, [(agent, parent), (rival, coded)], owner.pk)
    one = apps.get_model("arena", "Round").objects.get(match_id=match_id)
    chosen, rejected = apps.get_model("arena", "Completion").objects.order_by("seat__index")
    pair = make["training.Pair"](
        agent=agent,
        space=space,
        round=one,
        chosen=chosen,
        rejected=rejected,
        source="own_chosen",
        margin=0.5,
        agreement=1.0,
    )
    common = {
        "agent": agent,
        "space": space,
        "parent_version": parent,
        "method": "dpo",
        "config": {"method": "dpo", "rank": 8, "alpha": 16},
        "last_pair_id": pair.pk,
        "pair_count": 1,
        "manifest": MANIFEST,
        "manifest_digest": "c0" * 32,
        "curve": CURVE,
    }
    run = make["training.TrainingRun"]
    first = run(**common, status="rejected", gate=FIRST_GATE, reason="Not adopted. Worse.")
    last = run(**common, status="adopted", gate=LAST_GATE, child_version=child, reason="Adopted.")
    waiting = run(**common, status="queued")
    return {
        "agent": agent.pk,
        "match": match_id,
        "pair": pair.pk,
        "child": child.pk,
        "first": first.pk,
        "last": last.pk,
        "waiting": waiting.pk,
    }


def test_the_pairs_and_the_harvested_matches_of_before_are_counted_and_described(
    before: Apps,
) -> None:
    ids = seed(before)
    before.get_model("training", "Harvest").objects.create(match_id=ids["match"], pair_count=1)
    migrate_to_today()
    counted = PairCount.objects.values_list("pairs", "last_spent_id", "new_pairs")
    assert counted.get(agent_id=ids["agent"]) == (1, ids["pair"], 0)
    assert Match.objects.get().is_harvested
    assert SpaceCount.objects.get().settled_matches == 1
    pair, space = Pair.objects.get(), Space.objects.get()
    assert pair.prompt_key
    assert pair.answers_key
    assert not pair.is_held_out
    assert space.data_licence_since == space.created_at


_MODELS = (
    *("agents.User", "agents.BaseModel", "agents.Agent", "agents.AgentVersion", "agents.Adapter"),
    *("arena.Space", "arena.Match", "arena.Seat", "arena.Round", "arena.Completion"),
    *("arena.MatchEvent", "arena.Verdict", "training.Pair", "training.TrainingRun"),
)


def _seed_match(
    make: dict[str, Any], space: Any, competitors: list[tuple[Any, Any]], user_id: int
) -> int:
    match = make["arena.Match"](space=space, status="settled", round_count=1)
    players = [
        {
            "seat": index,
            "agent_id": agent.pk,
            "version_id": version.pk,
            "user_id": user_id,
            "entry_id": None,
            "fee_credits": 0,
        }
        for index, (agent, version) in enumerate(competitors)
    ]
    task = {"kind": "title", "prompt": "A title.", "data": {}, "split": "train"}
    one = make["arena.Round"](
        match=match, number=1, status="decided", task_key="k", task_kind="title", task=task
    )
    said: list[dict[str, Any]] = []
    for index, (agent, version) in enumerate(competitors):
        seat = make["arena.Seat"](
            match=match, index=index, agent=agent, version=version, rank=index + 1
        )
        make["arena.Completion"](
            round=one, seat=seat, version=version, status="ok", text=f"Answer {index}", messages=[]
        )
        said.append(
            {
                "round": 1,
                "seat": index,
                "status": "ok",
                "version_id": version.pk,
                "token_count": 3,
                "content_digest": f"{index}" * 64,
            }
        )
    scores = {"0": 0.9, "1": 1 / 3}
    make["arena.Verdict"](round=one, scores=scores, ranking=[[0], [1]], agreement=1.0)
    events = [
        (
            "match_seated",
            {
                "space": space.slug,
                "environment": space.environment,
                "players": players,
                "round_count": 1,
                "rake_percent": 0,
                "prize_percents": [100],
                "panel": [["code", 1.0]],
                "rounds_at_once": 1,
            },
        ),
        ("match_started", {}),
        ("round_started", {"round": 1, "task_key": "k", "task": task}),
        *(("completion_recorded", each) for each in said),
        ("vote_recorded", {"round": 1, "judge": "code", "scores": scores, "error": ""}),
        (
            "round_decided",
            {"round": 1, "scores": scores, "ranking": [[0], [1]], "agreement": 1.0},
        ),
        (
            "match_settled",
            {"ranking": [[0], [1]], "totals": scores, "prizes": {"0": 0}, "rake_credits": 0},
        ),
    ]
    digest = ""
    for seq, (kind, payload) in enumerate(events, start=1):
        # As that commit chained them.
        text = json.dumps([digest, match.pk, seq, kind, payload], sort_keys=True)
        previous, digest = digest, hashlib.sha256(text.encode()).hexdigest()
        make["arena.MatchEvent"](
            match=match,
            seq=seq,
            kind=kind,
            payload=payload,
            previous_digest=previous,
            digest=digest,
        )
    match.seq, match.head_digest = len(events), digest
    match.save()
    return int(match.pk)


def test_runs_of_the_commit_before_read_as_they_did(before: Apps) -> None:
    ids = seed(before)
    migrate_to_today()

    last = run_view(ids["last"], viewer=None)
    assert (last.status, last.child_number, last.method) == (RunStatus.ADOPTED, 2, "dpo")
    assert (last.manifest, last.manifest_digest) == (MANIFEST, "c0" * 32)
    assert (list(last.curve), last.reason) == (CURVE, "Adopted.")
    assert last.gate is not None
    assert (last.gate.passed, last.gate.refusals) == (True, ())
    assert [criterion.holds for criterion in last.gate.criteria()] == [True] * 5
    assert last.gate.in_words() == (
        "On 40 held-out tasks the mean scores are 0.400 (new) and 0.300 (parent), with 13 and 9 "
        "passed; with 94% confidence the difference of +0.100 is above +0.020; at least -0.050 is "
        "required. Not clearly worse elsewhere: Tiny poems."
    )

    first = run_view(ids["first"], viewer=None)
    assert (first.status, first.reason) == (RunStatus.REJECTED, "Not adopted. Worse.")
    assert first.gate is not None
    assert (first.gate.passed, first.gate.own.tasks) == (False, 40)
    assert [criterion.holds for criterion in first.gate.criteria()] == [False, False]

    assert run_view(ids["waiting"], viewer=None).gate is None
    assert [run.run_id for run in runs_of_agent(ids["agent"], viewer=None)] == [
        ids["waiting"],
        ids["last"],
        ids["first"],
    ]
    figures = gate_figures(ids["agent"])[ids["child"]]
    assert (figures.parent, figures.child, figures.difference) == (0.3, 0.4, 0.1)
    assert Pair.objects.get(pk=ids["pair"]).chosen.text == "Answer 0"


def test_every_gate_is_stored_with_the_number_of_its_format_and_goes_back(before: Apps) -> None:
    ids = seed(before)
    migrate_to_today()
    gates = dict(TrainingRun.objects.values_list("pk", "gate"))
    assert {name: gates[ids[name]].get("format") for name in ("first", "last", "waiting")} == {
        "first": 2,
        "last": 2,
        "waiting": None,
    }
    assert {name: gates[ids[name]].get("passed") for name in ("first", "last")} == {
        "first": False,
        "last": True,
    }
    assert "adopted" not in gates[ids["last"]]

    then = migrate(BEFORE).get_model("training", "TrainingRun").objects
    assert then.get(pk=ids["last"]).gate == LAST_GATE
    first = then.get(pk=ids["first"]).gate
    assert {name: first[name] for name in FIRST_GATE} == FIRST_GATE
    assert then.get(pk=ids["waiting"]).gate == {}


def test_a_match_of_the_commit_before_proves_itself_as_it_did(before: Apps) -> None:
    match_id = seed(before)["match"]
    migrate_to_today()
    match = Match.objects.get(pk=match_id)
    digest = ""
    for event in MatchEvent.objects.filter(match=match).order_by("seq"):
        assert event.previous_digest == digest
        digest = event_digest(
            digest, match_id=match_id, seq=event.seq, kind=event.kind, payload=event.payload
        )
        assert event.digest == digest
    assert match.head_digest == digest
    state = play.state_of(match)
    assert state.status == match.status == MatchStatus.SETTLED
    assert state.rounds[0].scores == {0: 0.9, 1: 1 / 3}


def test_escrow_accounts_are_named_after_their_spaces_ids_and_back(before: Apps) -> None:
    seed(before)
    make = {name: before.get_model("arena", name).objects for name in ("Account", "Space")}
    rules = make["Space"].get(slug="rules")
    renamed = make["Space"].create(
        **{
            name: getattr(rules, name)
            for name in ("environment", "base_model", "panel", "prize_percents")
        },
        slug="new",
        name="New",
        summary="Renamed since.",
        entry_fee_credits=10,
    )
    plain = make["Account"].create(kind="escrow", key="escrow:rules")
    stranded = make["Account"].create(kind="escrow", key="escrow:old", credits_pending=10)
    payer = make["Account"].create(kind="user", key="user:1", credits_posted=10, debits_pending=10)
    agent = before.get_model("agents", "Agent").objects.earliest("id")
    entry = before.get_model("arena", "Entry").objects.create(
        id=uuid.uuid4(), space=renamed, agent=agent, user=agent.owner, fee_credits=10
    )
    before.get_model("arena", "Transfer").objects.create(
        id=entry.pk,
        kind="pending",
        debit=payer,
        credit=stranded,
        amount_credits=10,
        code="entry_fee",
    )
    migrate_to_today()
    keys = dict(Account.objects.values_list("id", "key"))
    assert keys[plain.pk] == f"space:{rules.pk}"
    assert keys[stranded.pk] == f"space:{renamed.pk}", "found by what was paid into it"
    assert ledger.escrow_of(renamed.pk).pk == stranded.pk
    earlier = migrate(BEFORE)
    keys = dict(earlier.get_model("arena", "Account").objects.values_list("id", "key"))
    assert (keys[plain.pk], keys[stranded.pk]) == ("escrow:rules", "escrow:new")
