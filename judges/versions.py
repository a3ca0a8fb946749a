"""The versions of judges: each vote names the one that cast it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from judges.call import KINDS
from judges.kinds.config import read_config
from judges.models import Judge, JudgeVersion

_PROMPTS = Path(__file__).with_name("prompts")


def prompt_digest(kind: str) -> str:
    """SHA-256 of the prompts that judges of a kind send, as they are filled in; empty: none."""
    names = KINDS[kind].prompts if kind in KINDS else ()
    if not names:
        return ""
    digest = hashlib.sha256()
    for name in sorted(names):
        text = (_PROMPTS / name).read_bytes()
        digest.update(f"{name} {len(text)}\n".encode() + text)
    return digest.hexdigest()


def prompts_of(kind: str) -> tuple[tuple[str, str], ...]:
    """Name and text of each prompt that judges of a kind send, before anything is filled in."""
    names = KINDS[kind].prompts if kind in KINDS else ()
    return tuple((name, (_PROMPTS / name).read_text()) for name in sorted(names))


def configure(judge_id: int, *, kind: str, config: Mapping[str, Any]) -> JudgeVersion:
    """Give a judge a kind and a configuration; a new version, unless nothing changes.

    For the staff: the pages that call it check that. Raises BadConfig.
    """
    read_config(KINDS[kind].config_class, config)
    with transaction.atomic(durable=True):
        judge = Judge.objects.select_for_update(no_key=True).get(id=judge_id)
        judge.kind, judge.config = kind, dict(config)
        judge.save(update_fields=["kind", "config"])
        return note_version(judge)


def note_versions() -> None:
    """See that each judge has a version as it stands: a release may have changed its prompts.

    For the system, without a user.
    """
    for judge_id in Judge.objects.values_list("id", flat=True):
        with transaction.atomic(durable=True):
            note_version(Judge.objects.select_for_update(no_key=True).get(id=judge_id))


def note_version(judge: Judge) -> JudgeVersion:
    """The judge's newest version, made now if it is not as the judge stands.

    Caller holds the judge's row lock, so that numbers have no gaps.
    """
    newest = judge.versions.order_by("-number").first()
    now = (judge.kind, judge.config, prompt_digest(judge.kind))
    if newest is not None and (newest.kind, newest.config, newest.prompt_digest) == now:
        return newest
    kind, config, digest = now
    return JudgeVersion.objects.create(
        judge=judge,
        number=newest.number + 1 if newest else 1,
        kind=kind,
        config=config,
        prompt_digest=digest,
    )
