"""Every verb and every read, called with another user's ids: nothing changes, nothing leaks.

They are found by their arguments, `user_id` and `viewer`: one that is missing here fails a test.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import transaction

from agents import api_tokens, roster
from agents.errors import NotAvailable, Refused
from agents.leaving import leave
from arena import access, queries
from arena.credits import wallet
from arena.matches.practice.practising import practice_left, practise
from arena.models import Entry
from arena.queries.attacks import bounty_terms
from arena.review import appealing
from arena.review.audience import cast_blind_vote
from arena.review.bounty import submit_attack
from arena.spaces import autopilot, entering
from arena.talks import charging
from arena.tests.builders import SAMPLING, make_agent, make_user
from arena.tournaments import registering
from arena.webhooks import hooks
from frontend.tests.api.walked import (
    HOOK_READS,
    HOOK_VERBS,
    TALK_READS,
    TALK_VERBS,
    Ids,
    Read,
    Verb,
)
from frontend.tests.api.weights import brought, of_adapted, with_weights
from frontend.tests.two_people import (
    ATTACK,
    AUTOPILOT_LIMITS,
    EXPORTED,
    PRICE,
    PROMPT,
    STOP_LOSS,
    TOKEN_NAME,
    TwoPeople,
    all_rows,
    make_two_people,
)
from training.adapters import folder, uploading
from training.data import pair_dataset
from training.exports import building, listing, rows
from training.exports.selection import Selection
from training.exports.summary import summary
from training.models import Pair, TrainingRun
from training.practice import group_dataset
from training.runs import leaving, moves, starting, steering
from training.runs.queries import (
    has_practised,
    learning_progress,
    offered_runs,
    pair_count,
    run_view,
    runs_of_agent,
)
from training.states import RunStatus

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[2]
ROOMS = ("agents", "arena", "frontend", "judges", "training")
ACTS_FOR = re.compile(r"[Ff]or the (system|staff)\b")


def of_agent(**more: Any) -> Ids:
    return lambda people: {"agent_id": people.agent_id} | more


def of_run(people: TwoPeople) -> Mapping[str, Any]:
    return {"run_id": people.run_id}


def of_chosen(**more: Any) -> Ids:
    """A selection of the owner's pairs."""
    return lambda people: {"selection": Selection(agents=(people.agent_id,))} | more


def first_pair(people: TwoPeople) -> str:
    return str(Pair.objects.filter(agent=people.agent_id).order_by("id").values_list("id")[0][0])


def of_export(people: TwoPeople) -> Mapping[str, Any]:
    return {"export_id": people.export_id}


def of_failed_export(people: TwoPeople) -> Mapping[str, Any]:
    return {"export_id": people.failed_export_id}


def of_version(people: TwoPeople) -> Mapping[str, Any]:
    return {"agent_id": people.agent_id, "version_id": people.version_id}


def of_student(people: TwoPeople) -> Mapping[str, Any]:
    return {"agent_id": people.student_id, "space_id": people.space_id}


def in_space(people: TwoPeople, **more: Any) -> Mapping[str, Any]:
    return {"agent_id": people.student_id, "space_slug": people.slug} | more


def of_nothing(people: TwoPeople) -> Mapping[str, Any]:
    return {}


TRAINING = {"status": RunStatus.TRAINING, "price_credits": 0, "child_version": None}
VERBS = (
    Verb(roster.edit_agent, of_agent(prompt="Taken over.", sampling=SAMPLING)),
    Verb(roster.activate_version, of_version),
    Verb(steering.use_version, of_version),
    Verb(roster.set_learning, of_agent(learning={}, is_training_enabled=False)),
    Verb(roster.rename_agent, of_agent(name="Taken over")),
    Verb(roster.retire_agent, of_agent()),
    Verb(entering.enter_space, lambda people: in_space(people, entry_id=uuid4())),
    Verb(
        autopilot.switch_on,
        lambda people: {
            "agent_id": people.student_id,
            "space_slugs": [people.slug],
            "limits": AUTOPILOT_LIMITS,
        },
    ),
    Verb(autopilot.switch_off, of_agent()),
    Verb(autopilot.dismiss_notice, of_agent()),
    Verb(practise, lambda people: in_space(people, practice_id=uuid4())),
    Verb(entering.leave_queue, lambda people: {"entry_id": people.entry_id}),
    Verb(
        appealing.appeal,
        lambda people: {"agent_id": people.agent_id, "match_id": people.match_id, "number": 1},
    ),
    Verb(
        registering.register,
        lambda people: {
            "agent_id": people.student_id,
            "tournament_id": people.open_tournament_id,
            "registration_id": uuid4(),
            "agreed_credits": 0,
        },
    ),
    Verb(registering.withdraw, lambda people: {"registration_id": people.registration_id}),
    Verb(starting.request_run, of_student),
    Verb(uploading.upload_adapter, brought),
    Verb(api_tokens.revoke_token, lambda people: {"token_id": people.token_id}),
    *HOOK_VERBS,
    *TALK_VERBS,
    Verb(steering.pause_run, of_run, run=TRAINING),
    Verb(steering.resume_run, of_run, run=TRAINING | {"status": RunStatus.PAUSED}),
    Verb(steering.cancel_run, of_run, run=TRAINING),
    Verb(steering.adopt_offered, of_run),
    Verb(steering.decline_offered, of_run),
    Verb(building.delete_export, of_export),
    Verb(building.repeat_export, of_failed_export),
    Verb(moves.own_locked_run, of_run, changes=False),
    Verb(access.agent_for_owner, of_agent(), changes=False),
    Verb(access.entry_for_owner, lambda people: {"entry_id": people.entry_id}, changes=False),
)
# They take no row of anybody's: what they make is the user's own, or they only ask who that is.
MAKERS = (
    roster.create_agent,
    wallet.top_up_sandbox,
    leave,
    cast_blind_vote,
    api_tokens.create_token,
    submit_attack,
    building.build_export,
    hooks.add_webhook,
    charging.open_talk,
    access.require_staff,
)

READS = (
    Read(api_tokens.tokens_of, of_nothing, lambda people: TOKEN_NAME),
    Read(
        api_tokens.account_of,
        lambda people: {"token_id": people.token_id},
        lambda people: TOKEN_NAME,
    ),
    *HOOK_READS,
    *TALK_READS,
    Read(practice_left, of_nothing, lambda people: "2"),
    Read(queries.agent_view, of_agent(), lambda people: "is_training_enabled=True"),
    Read(bounty_terms, lambda people: {"slug": "reader"}, lambda people: ATTACK),
    Read(queries.versions_of, of_agent(), lambda people: PROMPT),
    Read(queries.agent_cards, of_nothing, lambda people: f"agent_id={people.agent_id},"),
    Read(queries.autopilot_view, of_agent(), lambda people: f"stop_loss_credits={STOP_LOSS}"),
    Read(
        queries.autopilot_notices,
        lambda people: {"agent_ids": [people.agent_id]},
        lambda people: "is_on=True",
    ),
    Read(queries.live_entry_of, of_agent(), lambda people: str(people.entry_id)),
    Read(
        queries.queue_state,
        lambda people: {"entry_id": people.entry_id},
        lambda people: str(people.entry_id),
    ),
    Read(
        queries.tournament_view,
        lambda people: {"tournament_id": people.tournament_id},
        lambda people: str(people.registration_id),
    ),
    Read(leaving.belongings, of_nothing, lambda people: f"available_credits={people.balance}"),
    Read(queries.wallet_balance, of_nothing, lambda people: f"available={people.balance}"),
    Read(
        queries.match_credits,
        lambda people: {"match_id": people.match_id},
        lambda people: str(Entry.objects.get(match=people.match_id, user=people.owner_id).pk),
    ),
    Read(
        queries.match_appeals,
        lambda people: {"match_id": people.match_id},
        lambda people: f"agent_id={people.agent_id}",
    ),
    Read(queries.statement_page, of_nothing, lambda people: str(people.transfer_id)),
    Read(runs_of_agent, of_agent(), lambda people: f"price_credits={PRICE}"),
    Read(
        offered_runs,
        lambda people: {"agent_ids": [people.agent_id]},
        lambda people: f"price_credits={PRICE}",
    ),
    Read(run_view, of_run, lambda people: f"price_credits={PRICE}"),
    Read(pair_count, of_agent(), lambda people: "2"),
    Read(has_practised, of_agent(), lambda people: "True"),
    Read(
        learning_progress,
        lambda people: {"agent_ids": [people.agent_id, people.student_id]},
        lambda people: f"agent_id={people.student_id},",
    ),
    Read(
        starting.next_runs,
        lambda people: {"agent_id": people.student_id},
        lambda people: f"you have {people.balance:,}",
    ),
    Read(listing.exports_of, of_nothing, lambda people: EXPORTED),
    Read(listing.export_view, of_export, lambda people: EXPORTED),
    Read(pair_dataset.export_pairs, of_agent(), lambda people: PROMPT),
    Read(group_dataset.export_groups, of_agent(), lambda people: "[]"),
    Read(rows.choices_for, of_nothing, lambda people: f"({people.agent_id}, "),
    Read(rows.chosen_pairs, of_chosen(), lambda people: "<Pair: pair"),
    Read(rows.pairs_after, of_chosen(after_id=0, limit=2), first_pair),
    Read(summary, of_chosen(), lambda people: f"match_id={people.match_id},"),
    Read(uploading.upload_terms, of_agent(), lambda people: "UploadTerms("),
    Read(folder.adapter_of, of_adapted, lambda people: PROMPT),
)


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TwoPeople:
    monkeypatch.setattr(settings.ENV, "training_pairs", 8)
    monkeypatch.setattr(settings.ENV, "training_price", 1)
    found = make_two_people()
    make_agent(make_user(is_house=True))  # against whom one practises
    return with_weights(found, monkeypatch, tmp_path)


@cache
def functions() -> tuple[tuple[str, str, ast.FunctionDef], ...]:
    """(full name, the module's docstring, function) of every public function of the rooms."""
    return tuple(_functions())


def _functions() -> Iterator[tuple[str, str, ast.FunctionDef]]:
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            path = file.relative_to(ROOT)
            if {"tests", "migrations"} & set(path.parts):
                continue
            module = ast.parse(file.read_text())
            words = ast.get_docstring(module) or ""
            for node in module.body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    yield ".".join([*path.with_suffix("").parts, node.name]), words, node


def arguments_of(node: ast.FunctionDef) -> dict[str, ast.arg]:
    return {one.arg: one for one in (*node.args.args, *node.args.kwonlyargs)}


def full_name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__name__}"


def may_be_nobody(function: Callable[..., Any]) -> bool:
    return "None" in str(function.__annotations__["viewer"])


def told(read: Read, people: TwoPeople, viewer: int | None) -> str:
    """What a viewer gets, or that it is not available."""
    try:
        found = read.look(viewer=viewer, **read.ids(people))
        return repr(list(found) if isinstance(found, Iterator) else found)
    except NotAvailable as error:
        return repr(error)


def test_every_verb_of_a_person_is_walked_here() -> None:
    found = {
        name: next(iter(arguments_of(node)))
        for name, _, node in functions()
        if "user_id" in arguments_of(node)
    }
    assert set(found) == {full_name(one.act) for one in VERBS} | {full_name(one) for one in MAKERS}
    assert set(found.values()) == {"user_id"}, "whose verb it is comes first"


def test_every_read_with_a_viewer_is_walked_here() -> None:
    found = {name for name, _, node in functions() if "viewer" in arguments_of(node)}
    assert found == {full_name(read.look) for read in READS}


def test_what_opens_a_transaction_acts_for_a_user_or_says_for_whom() -> None:
    found = {
        name: words + (ast.get_docstring(node) or "")
        for name, words, node in functions()
        if "durable=True" in ast.unparse(node) and "user_id" not in arguments_of(node)
    }
    assert len(found) > 10
    assert [name for name, words in found.items() if not ACTS_FOR.search(words)] == []


def test_a_verb_on_anothers_row_finds_nothing_and_changes_nothing(people: TwoPeople) -> None:
    for verb in VERBS:
        before_all = transaction.savepoint()
        if verb.run:
            TrainingRun.objects.filter(id=people.run_id).update(**verb.run)
        before = all_rows()
        with pytest.raises(NotAvailable):
            verb.act(people.rival_id, **verb.ids(people))
        assert all_rows() == before, full_name(verb.act)
        found = verb.act(people.owner_id, **verb.ids(people))
        assert (all_rows() != before) == verb.changes, full_name(verb.act)
        assert verb.changes or found is not None
        transaction.savepoint_rollback(before_all)


def test_ids_of_another_are_of_no_use_with_ones_own_agent(people: TwoPeople) -> None:
    before = all_rows()
    for attempt in (
        lambda: steering.use_version(
            people.rival_id, agent_id=people.rivals_agent_id, version_id=people.version_id
        ),
        lambda: entering.enter_space(
            people.rival_id,
            agent_id=people.rivals_agent_id,
            space_slug=people.slug,
            entry_id=people.entry_id,
        ),
        lambda: wallet.top_up_sandbox(
            people.rival_id, amount_credits=999, transfer_id=people.transfer_id
        ),
    ):
        with pytest.raises(Refused):
            attempt()
    assert all_rows() == before


def test_a_read_leaves_out_what_is_not_its_viewers(
    people: TwoPeople, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "training_price", 10_000)  # too dear for the owner
    secrets = people.secrets
    for read in READS:
        hidden, name = read.hidden(people), full_name(read.look)
        assert hidden in told(read, people, people.owner_id), name
        others = [people.rival_id, *([None] if may_be_nobody(read.look) else [])]
        for viewer in others:
            shown = told(read, people, viewer)
            assert not [words for words in (hidden, *secrets) if words in shown], name


def test_who_lost_to_a_prompt_does_not_read_it_in_their_own_pairs(people: TwoPeople) -> None:
    rows = list(pair_dataset.export_pairs(people.rivals_agent_id, viewer=people.rival_id))
    assert rows
    assert PROMPT not in repr(rows)


def test_a_page_that_would_hide_nothing_still_gets_no_prompt(people: TwoPeople) -> None:
    """The earlier mistake: every prompt went to every page, which had to hide it."""
    versions = queries.versions_of(people.agent_id, viewer=people.rival_id)
    assert len(versions) == 3
    assert {version.prompt for version in versions} == {None}
