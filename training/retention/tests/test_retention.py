"""Each kind of thing goes when its setting says so, and never while something needs it."""

import os
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from agents import roster
from agents.adapters.checks import WEIGHTS_FILE, BadAdapter
from agents.adapters.store import check_playable
from agents.errors import Refused
from agents.models import Adapter, Agent, AgentVersion, BaseModel, User
from arena.matches.events import content_digest
from arena.models import Completion, Match, MatchEvent, MatchStatus
from arena.tests import builders
from training.methods.dpo import DPOConfig
from training.models import Collected, RehearsalText, Rollout, TrainingRun
from training.retention import adapters, runs, sweep, texts
from training.retention.adapters import ADAPTERS
from training.retention.freed import Freed
from training.retention.tests.builders import (
    LONG_AGO,
    SIZE,
    collect_adapters,
    has_files,
    let_the_mark_ripen,
    make_old,
    make_version,
    run_of,
    use,
)
from training.states import RunStatus
from training.tests.builders import make_agent, make_base, make_match, make_run, make_space

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _stores(settings: Any, tmp_path: Path) -> None:
    settings.ADAPTER_STORE = tmp_path / "adapters"
    settings.RUN_STORE = tmp_path / "runs"


def test_weights_that_nobody_needs_go_and_their_row_says_when(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = make_version(make_agent(), number=2, monkeypatch=monkeypatch)
    run_of(version, RunStatus.REJECTED)
    assert ADAPTERS.due() == Freed(1, SIZE)
    assert ADAPTERS.collect() == Freed(), "marked first: a match may be seated just now"
    assert has_files(version)
    let_the_mark_ripen()
    assert ADAPTERS.collect() == Freed(1, SIZE)
    assert not has_files(version)
    adapter = Adapter.objects.get(versions=version)
    with pytest.raises(BadAdapter, match="were deleted on"):
        check_playable(adapter)
    with pytest.raises(Refused, match="The weights of version 2 were deleted on"):
        use(version)
    assert ADAPTERS.due() == ADAPTERS.collect() == Freed()


def test_weights_that_something_needs_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(number: int = 2) -> AgentVersion:
        return make_version(make_agent(), number=number, monkeypatch=monkeypatch)

    current = made()
    use(current)
    edited = made()
    use(edited)
    roster.edit_agent(
        edited.agent.owner_id, agent_id=edited.agent_id, prompt="Shorter.", sampling=edited.sampling
    )
    offered, learning, evaluated, paused = made(), made(), made(), made()
    run_of(offered, RunStatus.OFFERED)
    run_of(learning, RunStatus.QUEUED, as_parent=True)
    run_of(evaluated, RunStatus.EVALUATING)
    run_of(paused, RunStatus.PAUSED, as_parent=True)
    seated = made()
    match = make_match([seated.agent], [], status=MatchStatus.RUNNING)
    match.seats.update(version=seated)
    make_old(match)
    lately = made()
    make_match([lately.agent], []).seats.update(version=lately)
    collect_adapters()
    for version in (current, edited, offered, learning, evaluated, paused, seated, lately):
        assert has_files(version)
    assert not Adapter.objects.filter(collected_at__isnull=False).exists()


def test_weights_that_gave_way_to_others_stay_for_the_time_that_the_setting_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = make_version(make_agent(), number=2, monkeypatch=monkeypatch)
    first = version.agent.current_version
    assert first is not None
    use(version)
    use(first)
    collect_adapters()
    use(version)
    agent = Agent.objects.get(id=version.agent_id)
    child = make_version(agent, number=3, monkeypatch=monkeypatch)
    with transaction.atomic():
        assert roster.activate_child(version.agent_id, version_id=child.pk)
    collect_adapters()
    assert has_files(version), "its owner may want to go back"
    Adapter.objects.update(replaced_at=timezone.now() - timedelta(days=31))
    collect_adapters()
    assert not has_files(version)
    assert has_files(child)


def test_weights_of_a_retired_agent_stay_for_the_time_that_the_setting_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = make_version(make_agent(), number=2, monkeypatch=monkeypatch)
    use(version)
    run_of(version, RunStatus.OFFERED, as_parent=True)
    agents = Agent.objects.filter(id=version.agent_id)
    agents.update(retired_at=timezone.now() - timedelta(days=29))
    collect_adapters()
    assert has_files(version)
    agents.update(retired_at=timezone.now() - timedelta(days=31))
    collect_adapters()
    assert not has_files(version)


def test_weights_of_who_left_go_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    version = make_version(make_agent(), number=2, monkeypatch=monkeypatch)
    use(version)
    Agent.objects.update(retired_at=timezone.now())
    User.objects.update(left_at=timezone.now())
    collect_adapters()
    assert not has_files(version)


def test_a_match_that_was_seated_while_the_weights_were_marked_keeps_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = make_version(make_agent(), number=2, monkeypatch=monkeypatch)
    run_of(version, RunStatus.REJECTED)
    ADAPTERS.collect()
    make_match([version.agent], [], status=MatchStatus.SEATED).seats.update(version=version)
    let_the_mark_ripen()
    ADAPTERS.collect()
    assert has_files(version)
    assert Adapter.objects.get(versions=version).collected_at is None


def test_a_sweep_that_dies_before_the_files_are_gone_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = make_version(make_agent(), number=2, monkeypatch=monkeypatch)
    run_of(version, RunStatus.REJECTED)
    ADAPTERS.collect()
    let_the_mark_ripen()

    def killed(_: str) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(adapters, "remove_files", killed)
        assert sweep.collect()["adapters"] == Freed()
    assert not Adapter.objects.get(versions=version).is_removed
    assert ADAPTERS.collect() == Freed(1, SIZE)
    assert not has_files(version)


def test_what_a_dead_worker_left_in_the_store_goes_after_a_day(settings: Any) -> None:
    store = settings.ADAPTER_STORE
    half, lost, young = store / ".ab12.half", store / "ab" / ("ab" * 32), store / "cd" / ("cd" * 32)
    for folder in (half, lost, young):
        folder.mkdir(parents=True)
        (folder / WEIGHTS_FILE).write_bytes(b"w" * SIZE)
    before = (timezone.now() - timedelta(days=2)).timestamp()
    for folder in (half, lost):
        os.utime(folder, (before, before))
    assert ADAPTERS.collect() == Freed(2, 2 * SIZE)
    assert not half.exists()
    assert not lost.exists()
    assert young.exists()


def test_files_of_a_run_go_and_what_downloads_need_stays_longer(settings: Any) -> None:
    ended, live = (make_run(make_agent(), make_space(), config=DPOConfig()) for _ in range(2))
    TrainingRun.objects.filter(id=ended.pk).update(
        status=RunStatus.ADOPTED, finished_at=timezone.now() - timedelta(days=20)
    )
    for run in (ended, live):
        folder = settings.RUN_STORE / str(run.pk)
        (folder / "attempt-1").mkdir(parents=True)
        for name in ("dataset.jsonl", "practice.json", "attempt-1/progress.jsonl"):
            (folder / name).write_text("x" * 10)
    assert runs.RUN_FILES.due() == Freed(2, 20)
    assert runs.RUN_FILES.collect() == Freed(2, 20)
    folder = settings.RUN_STORE / str(ended.pk)
    assert [path.name for path in folder.iterdir()] == ["practice.json"]
    assert len(list((settings.RUN_STORE / str(live.pk)).iterdir())) == 3
    TrainingRun.objects.filter(id=ended.pk).update(finished_at=timezone.now() - LONG_AGO)
    assert runs.PRACTICE.collect() == Freed(1, 10)
    assert not folder.exists()
    assert TrainingRun.objects.get(id=ended.pk).collected_at
    assert runs.PRACTICE.collect() == Freed()


def test_practice_answers_of_old_runs_go_and_of_unfinished_ones_stay() -> None:
    match = make_match([agent := make_agent()], [{0: 1.0}])
    space = make_space()
    ended = make_run(agent, space, config=DPOConfig())
    for run in (ended, make_run_of_another(space)):
        Rollout.objects.create(
            run=run,
            version=run.parent_version,
            round=match.rounds.get(),
            index=0,
            prompt_token_ids=[1],
            token_ids=[1],
            logprobs=[-0.5],
            finish_reason="stop",
            sampling={},
        )
    TrainingRun.objects.filter(id=ended.pk).update(
        status=RunStatus.CANCELLED, finished_at=timezone.now() - LONG_AGO
    )
    assert runs.PRACTICE.due().count == 2
    assert runs.PRACTICE.collect().count == 2
    assert Rollout.objects.get().run_id != ended.pk


def make_run_of_another(space: Any) -> TrainingRun:
    return make_run(make_agent(), space, config=DPOConfig())


def test_old_answers_keep_all_that_their_digest_covers() -> None:
    old, young = (make_match([make_agent(), make_agent()], [{0: 0.9, 1: 0.1}]) for _ in range(2))
    for completion in Completion.objects.filter(round__match=old):
        completion.chunk_times = [[1, 0.5]]
        completion.save()
        make_old(completion)
    digests = [content_digest(one.text, one.token_ids, one.logprobs) for one in answers(old)]
    assert texts.PROMPT_TOKENS.due() == Freed(2)
    assert texts.PROMPT_TOKENS.collect() == Freed(2)
    assert texts.PROMPT_TOKENS.collect() == Freed(), "what is done is not looked at again"
    for one in answers(old):
        assert one.prompt_token_ids == one.chunk_times == []
    assert digests == [
        content_digest(one.text, one.token_ids, one.logprobs) for one in answers(old)
    ]
    assert all(one.prompt_token_ids for one in answers(young))


def answers(match: Match) -> list[Completion]:
    return list(Completion.objects.filter(round__match=match).order_by("id"))


def test_events_are_never_collected() -> None:
    builders.make_match()
    before = list(MatchEvent.objects.values())
    sweep.collect()
    assert list(MatchEvent.objects.values()) == before


def test_expired_sessions_and_texts_of_bases_that_are_gone_are_collected() -> None:
    now = timezone.now()
    Session.objects.create(session_key="old", session_data="", expire_date=now - LONG_AGO)
    Session.objects.create(session_key="new", session_data="", expire_date=now + LONG_AGO)
    gone = BaseModel.objects.create(slug="gone", served_name="gone", is_active=False)
    for base in (gone, make_base()):
        RehearsalText.objects.create(base_model=base, prompt="?", token_ids=[1])
    freed = sweep.collect()
    assert freed["sessions"] == freed["rehearsal_texts"] == Freed(1)
    assert Session.objects.get().session_key == "new"
    assert RehearsalText.objects.get().base_model == make_base()


def test_one_kind_that_breaks_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(adapters, "_mark", broken)
    monkeypatch.setattr(adapters, "_remove_lost", broken)
    Session.objects.create(session_key="old", session_data="", expire_date=timezone.now())
    assert sweep.collect()["sessions"] == Freed(1)


def test_what_was_freed_is_kept_for_the_operator() -> None:
    for name in ("one", "two"):
        Session.objects.create(session_key=name, session_data="", expire_date=timezone.now())
        sweep.collect()
    sweep.collect()
    row = Collected.objects.get(kind="sessions")
    assert (row.count, row.last_count) == (2, 1)
    assert row.looked_at is not None
    assert row.last_at is not None
    assert row.looked_at > row.last_at


def test_the_command_tells_first_and_deletes_only_when_it_is_asked() -> None:
    Session.objects.create(session_key="old", session_data="", expire_date=timezone.now())
    told = StringIO()
    call_command("collect", "--dry-run", stdout=told)
    assert "1 sessions; kept until they expire" in told.getvalue()
    assert Session.objects.exists()
    call_command("collect", stdout=told)
    assert not Session.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_weights_that_are_chosen_while_they_are_marked_are_chosen_or_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = make_version(make_agent(), number=2, monkeypatch=monkeypatch)
    run_of(version, RunStatus.REJECTED)
    _, outcome = builders.at_once(ADAPTERS.collect, lambda: use(version))
    marked = Adapter.objects.get(versions=version).collected_at is not None
    is_current = Agent.objects.filter(current_version=version).exists()
    assert marked != is_current
    assert isinstance(outcome, Refused) == marked
