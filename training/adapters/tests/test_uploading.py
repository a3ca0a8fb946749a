"""An owner brings an adapter in: checked as a whole, judged like any other, and once only."""

import errno
import hashlib
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agents.adapters.checks import BadAdapter
from agents.errors import NotAvailable, Refused
from agents.models import Adapter, Agent, AgentVersion, BaseModel, VersionOrigin
from agents.quotas import check_room
from agents.roster import edit_agent
from arena.credits.ledger import InsufficientCredits
from arena.credits.statement import wallet_balance
from arena.models import Space, SpaceStatus
from training.adapters import uploading
from training.adapters.tests.builders import ALPHA, bring, kept, sent, some_tensors
from training.adapters.uploading import upload_adapter, upload_terms
from training.configs.configs import Adoption
from training.models import PairCount, TrainingRun
from training.runs.charges import paid_credits
from training.runs.starting import request_run
from training.runs.steering import adopt_offered, cancel_run, use_version
from training.states import UPLOAD, RunStatus
from training.tests.builders import CREDITS, make_agent, make_pairs_for, make_space
from training.tests.scripted import REFUSED, expire, fail_with, script_gate
from training.worker.batch import train_due

pytestmark = pytest.mark.django_db

PRICE = 3


def judged(run: TrainingRun) -> TrainingRun:
    train_due()
    run.refresh_from_db()
    run.agent.refresh_from_db()
    return run


def test_an_uploaded_adapter_is_a_version_that_plays_once_it_has_passed_the_gate(
    agent: Agent, space: Space, base_folder: Path
) -> None:
    parent = agent.current_version
    files = sent(some_tensors(base_folder))
    digest = hashlib.sha256(files[1].file.read()).hexdigest()
    files[1].file.seek(0)
    run = bring(agent, space, files)
    child = run.child_version
    assert child is not None
    assert (child.number, child.parent, child.origin) == (2, parent, VersionOrigin.UPLOADED)
    assert (child.prompt, run.method, run.status) == ("Say it briefly.", UPLOAD, RunStatus.QUEUED)
    assert run.manifest["sent_sha256"] == digest
    assert child.adapter is not None
    assert run.manifest["stored_sha256"] == child.adapter.digest
    agent.refresh_from_db()
    assert agent.current_version == parent
    judged(run)
    assert run.status == RunStatus.ADOPTED
    assert run.agent.current_version == child


def test_a_version_that_the_gate_refuses_does_not_play(
    agent: Agent, space: Space, base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_gate(monkeypatch, lambda contestants: REFUSED)
    parent = agent.current_version
    run = judged(bring(agent, space, sent(some_tensors(base_folder))))
    assert run.status == RunStatus.REJECTED
    assert run.agent.current_version == parent


def test_until_the_gate_has_judged_it_nobody_can_make_it_play(
    agent: Agent, space: Space, base_folder: Path
) -> None:
    run = bring(agent, space, sent(some_tensors(base_folder)))
    for status in (RunStatus.QUEUED, RunStatus.PAUSED, RunStatus.EVALUATING):
        TrainingRun.objects.update(status=status)
        with pytest.raises(Refused, match="still being evaluated"):
            use_version(agent.owner_id, agent_id=agent.pk, version_id=run.child_version_id or 0)
    TrainingRun.objects.update(status=RunStatus.CANCELLED)
    with pytest.raises(Refused, match="Upload it again"):
        use_version(agent.owner_id, agent_id=agent.pk, version_id=run.child_version_id or 0)


def test_an_owner_who_adopts_by_hand_decides_about_uploads_too(
    space: Space, base_folder: Path
) -> None:
    agent = make_agent(learning={"adoption": Adoption.BY_HAND.value})
    run = judged(bring(agent, space, sent(some_tensors(base_folder))))
    assert run.status == RunStatus.OFFERED
    with pytest.raises(Refused, match="awaits your decision"):
        bring(agent, space, sent(some_tensors(base_folder, seed=1)))
    adopt_offered(agent.owner_id, run_id=run.pk)
    agent.refresh_from_db()
    assert agent.current_version == run.child_version


def test_the_gate_is_paid_once_it_has_begun_and_nothing_before(
    agent: Agent, space: Space, base_folder: Path
) -> None:
    terms = upload_terms(agent.pk, viewer=agent.owner_id)
    assert terms is not None
    assert terms.price_credits == PRICE
    run = bring(agent, space, sent(some_tensors(base_folder)))
    assert wallet_balance(agent.owner_id).available == CREDITS - PRICE
    cancel_run(agent.owner_id, run_id=run.pk)
    run.refresh_from_db()
    assert run.reason.startswith("Cancelled before the gate. Version 2 was not evaluated")
    assert wallet_balance(agent.owner_id).available == CREDITS
    again = judged(bring(agent, space, sent(some_tensors(base_folder, seed=1))))
    assert paid_credits(again) == PRICE
    assert wallet_balance(agent.owner_id).available == CREDITS - PRICE


def test_a_gate_that_breaks_down_costs_nothing_in_the_end(
    agent: Agent, space: Space, base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = bring(agent, space, sent(some_tensors(base_folder)))
    script_gate(monkeypatch, fail_with(RuntimeError("broken")))
    for _ in range(4):
        judged(run)
        expire(run)
    assert run.status == RunStatus.FAILED
    assert wallet_balance(agent.owner_id).available == CREDITS


def test_an_upload_spends_no_pairs(agent: Agent, space: Space, base_folder: Path) -> None:
    make_pairs_for(agent, count=8, space=space)
    judged(bring(agent, space, sent(some_tensors(base_folder))))
    assert PairCount.objects.get(agent=agent, space=space).new_pairs == 8
    assert request_run(agent.owner_id, agent_id=agent.pk, space_id=space.pk).pair_count == 8


def test_an_upload_does_not_wait_for_a_training_that_shares_its_batch(
    agent: Agent, space: Space, base_folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "training_together", 4)
    other = make_agent()
    make_pairs_for(other, count=8, space=space)
    upload = bring(agent, space, sent(some_tensors(base_folder)))
    training = request_run(other.owner_id, agent_id=other.pk, space_id=space.pk)
    assert train_due() == 1
    upload.refresh_from_db()
    training.refresh_from_db()
    assert (upload.status, training.status) == (RunStatus.ADOPTED, RunStatus.QUEUED)


def test_a_prompt_edited_meanwhile_keeps_the_upload_from_taking_its_place(
    agent: Agent, space: Space, base_folder: Path
) -> None:
    run = bring(agent, space, sent(some_tensors(base_folder)))
    assert agent.current_version is not None
    edited = edit_agent(
        agent.owner_id, agent_id=agent.pk, prompt="Other.", sampling=agent.current_version.sampling
    )
    judged(run)
    assert run.status == RunStatus.REJECTED
    assert "Activate version 2 by hand" in run.reason
    assert run.agent.current_version == edited
    use_version(agent.owner_id, agent_id=agent.pk, version_id=run.child_version_id or 0)


def test_a_request_that_is_sent_again_makes_one_version(
    agent: Agent, space: Space, base_folder: Path
) -> None:
    key = uuid4()
    first = bring(agent, space, sent(some_tensors(base_folder)), key=key)
    assert bring(agent, space, sent(some_tensors(base_folder)), key=key).pk == first.pk
    judged(first)
    assert bring(agent, space, sent(some_tensors(base_folder)), key=key).pk == first.pk
    assert AgentVersion.objects.filter(agent=agent).count() == 2
    assert wallet_balance(agent.owner_id).available == CREDITS - PRICE
    for other in (
        sent(some_tensors(base_folder, seed=1)),
        sent(some_tensors(base_folder), lora_alpha=2 * ALPHA),
    ):
        with pytest.raises(Refused, match="belongs to another request"):
            bring(agent, space, other, key=key)


def test_a_death_between_weights_and_version_leaves_no_half_and_the_retry_goes_through(
    agent: Agent, space: Space, base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = uuid4()

    def die(*_: Any, **__: Any) -> TrainingRun:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(uploading, "_queue", die)
        with pytest.raises(SystemExit):
            bring(agent, space, sent(some_tensors(base_folder)), key=key)
    assert AgentVersion.objects.filter(agent=agent).count() == 1
    assert wallet_balance(agent.owner_id).available == CREDITS
    run = bring(agent, space, sent(some_tensors(base_folder)), key=key)
    assert (run.child_version or agent.current_version).number == 2  # type: ignore[union-attr]
    assert Adapter.objects.count() == 1


def test_a_full_disk_is_a_sentence_and_leaves_nothing(
    agent: Agent, space: Space, base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for place in ("agents.adapters.archive._copy", "agents.adapters.store.shutil.copyfile"):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            before = kept()
            with pytest.raises(Refused, match="no room on its disk"):
                bring(agent, space, sent(some_tensors(base_folder)))
            assert kept() == before, place


def test_the_owners_room_bounds_what_is_brought(
    agent: Agent, space: Space, base_folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "quota_versions", 1)
    before = kept()
    with pytest.raises(Refused, match="1 may be kept"):
        bring(agent, space, sent(some_tensors(base_folder)))
    assert kept() == before
    monkeypatch.setattr(settings.ENV, "quota_versions", 9)
    monkeypatch.setattr(settings.ENV, "quota_adapters_mb", 1)
    check_room(agent.owner_id, more_bytes=1_000_000)
    with pytest.raises(Refused, match="1 MB may be kept"):
        check_room(agent.owner_id, more_bytes=1_000_001)


def test_an_adapter_larger_than_the_servers_take_is_not_kept(
    agent: Agent, space: Space, base_folder: Path
) -> None:
    BaseModel.objects.filter(id=agent.base_model_id).update(max_lora_rank=1)
    before = kept()
    with pytest.raises(BadAdapter, match="take adapters up to rank 1; this one has"):
        bring(agent, space, sent(some_tensors(base_folder)))
    assert kept() == before


def test_who_cannot_pay_for_the_gate_is_told_before_anything_is_kept(
    agent: Agent, space: Space, base_folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "training_price", CREDITS)
    before = kept()
    with pytest.raises(InsufficientCredits, match="The gate costs 3,000 credits"):
        bring(agent, space, sent(some_tensors(base_folder)))
    assert kept() == before


def test_a_space_that_is_closed_or_another_bases_judges_nothing(
    agent: Agent, space: Space, base_folder: Path
) -> None:
    other = make_space()
    Space.objects.filter(id=space.pk).update(status=SpaceStatus.CLOSED)
    base = BaseModel.objects.create(slug="b", served_name="b", name="B")
    Space.objects.filter(id=other.pk).update(base_model=base)
    for slug in (space.slug, other.slug, "nowhere"):
        space.slug = slug
        with pytest.raises(Refused, match="Choose an open Space"):
            bring(agent, space, sent(some_tensors(base_folder)))


def test_nobody_brings_an_adapter_to_anothers_agent(
    agent: Agent, space: Space, base_folder: Path
) -> None:
    rival = make_agent()
    assert upload_terms(agent.pk, viewer=rival.owner_id) is None
    with pytest.raises(NotAvailable):
        upload_adapter(
            rival.owner_id,
            agent_id=agent.pk,
            space_slug=space.slug,
            files=sent(some_tensors(base_folder)),
            request_id=uuid4(),
        )


def test_an_agent_in_training_takes_no_upload(
    agent: Agent, space: Space, base_folder: Path
) -> None:
    bring(agent, space, sent(some_tensors(base_folder)))
    before = kept()
    with pytest.raises(Refused, match="already in training"):
        bring(agent, space, sent(some_tensors(base_folder, seed=1)))
    assert kept() == before
