"""Base models and their servers: adding, asking what the servers can do, retiring.

For the staff, by `manage.py base_model`.
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.utils import timezone

from agents.adapters.lora import MAX_LORA_RANK
from agents.errors import NotAvailable, Refused
from agents.inference.abilities import PROBE_TEXT, Abilities, Asker, Wanted
from agents.models import MAX_PROBLEM_CHARS, BaseModel, InferenceServer
from agents.tokens import text_ids

# A server that answers is asked for everything again after this long.
ASK_AGAIN = timedelta(hours=1)
MIN_CONTEXT_TOKENS = 256
MAX_SERVERS_AT_ONCE = 16
FILES = ("config.json", "tokenizer.json")

log = structlog.get_logger(__name__)


def add_base(
    slug: str,
    *,
    served_name: str = "",
    name: str = "",
    folder: Path | None = None,
    context_tokens: int | None = None,
    max_lora_rank: int | None = None,
    urls: Sequence[str] = (),
) -> BaseModel:
    """A base model with these servers; of one that is there already, what is named is changed.

    Without a folder it is served only: its agents play, but nothing is trained. Raises Refused.
    """
    _check_slug(slug)
    facts = _facts(folder) if folder else {}
    longest = facts.get("max_position_embeddings")
    if context_tokens is not None and context_tokens < MIN_CONTEXT_TOKENS:
        raise Refused(f"A context has at least {MIN_CONTEXT_TOKENS} tokens.")
    if context_tokens and isinstance(longest, int) and context_tokens > longest:
        raise Refused(f"This model's context is {longest} tokens; {context_tokens} do not fit.")
    if max_lora_rank is not None and not 1 <= max_lora_rank <= MAX_LORA_RANK:
        raise Refused(f"The largest rank of an adapter is between 1 and {MAX_LORA_RANK}.")
    urls = [checked_url(url) for url in urls]
    changes = {
        "served_name": served_name,
        "name": name,
        "path": str(folder.resolve()) if folder else "",
        "context_tokens": context_tokens,
        "max_lora_rank": max_lora_rank,
    }
    given = {key: value for key, value in changes.items() if value}
    with transaction.atomic(durable=True):
        base = BaseModel.objects.select_for_update(no_key=True).filter(slug=slug).first()
        if base is None:
            base = BaseModel(slug=slug, served_name=slug, name=served_name or slug)
            if isinstance(longest, int):
                base.context_tokens = min(base.context_tokens, longest)
        elif base.served_name != (served_name or base.served_name):
            raise Refused(
                f"{slug} is served as {base.served_name}; add another base model instead."
            )
        elif base.path and given.get("path", base.path) != base.path:
            raise Refused(
                f"{slug} has the folder {base.path}; adapters were made for those weights."
            )
        for key, value in given.items():
            setattr(base, key, value)
        base.is_active = True
        _check_served_name(base)
        base.save()
        _add_servers(base, urls)
    return base


def retire_base(slug: str) -> BaseModel:
    """No new agent or Space uses it; those that do play on. Raises Refused or NotAvailable."""
    with transaction.atomic(durable=True):
        base = BaseModel.objects.select_for_update(no_key=True).filter(slug=slug).first()
        if base is None:
            raise NotAvailable(f"There is no base model {slug}.")
        if base.served_name == settings.ENV.base_model:
            raise Refused(f"{slug} is this site's BASE_MODEL. Name another one there first.")
        base.is_active = False
        base.save(update_fields=["is_active"])
    return base


def remove_server(url: str) -> None:
    """It is asked no more; matches on it go on elsewhere. Raises NotAvailable."""
    removed, _ = InferenceServer.objects.filter(url=url.rstrip("/"), is_shared=False).delete()
    if not removed:
        raise NotAvailable(f"No base model has the server {url}.")


def ask_servers(asker: Asker | None = None) -> list[InferenceServer]:
    """Ask each server that is new, came back, changed, or was not asked for long; all rows after it."""
    _note_shared()
    asking = asker or Asker(settings.VLLM_API_KEY)
    rows = list(InferenceServer.objects.select_related("base_model").order_by("id"))
    wanted = [_wanted(row.base_model) for row in rows]
    try:
        with ThreadPoolExecutor(min(MAX_SERVERS_AT_ONCE, len(rows) or 1)) as threads:
            found = list(threads.map(lambda row, needs: _ask(asking, row, needs), rows, wanted))
    finally:
        if asker is None:
            asking.close()
    for row, abilities in zip(rows, found, strict=True):
        if abilities is not None:
            _note(row, abilities)
    return rows


def _ask(asking: Asker, row: InferenceServer, wanted: Wanted) -> Abilities | None:
    """None: nothing has changed."""
    version = asking.version(row.url)
    if version is None:
        return None if row.is_away else Abilities(version=row.version, is_away=True)
    is_fresh = row.asked_at is not None and timezone.now() - row.asked_at < ASK_AGAIN
    if is_fresh and not row.is_away and not row.problem and version == row.version:
        return None
    return asking.abilities(row.url, wanted)


def _note(row: InferenceServer, found: Abilities) -> None:
    """One that is away keeps its last problem: clients rest from it by themselves."""
    before = row.problem
    row.is_away = found.is_away
    if not found.is_away:
        row.version, row.context_tokens = found.version, found.context_tokens
        row.problem, row.note = found.problem[:MAX_PROBLEM_CHARS], found.note[:MAX_PROBLEM_CHARS]
        row.asked_at = timezone.now()
    # Not `save`: a server that was removed meanwhile stays removed.
    InferenceServer.objects.filter(pk=row.pk).update(
        is_away=row.is_away,
        version=row.version,
        context_tokens=row.context_tokens,
        problem=row.problem,
        note=row.note,
        asked_at=row.asked_at,
    )
    if row.problem and row.problem != before:
        log.warning("inference_server_left_out", url=row.url, problem=row.problem)
    elif before and not row.problem:
        log.info("inference_server_plays", url=row.url, version=row.version)


def _wanted(base: BaseModel) -> Wanted:
    return Wanted(base.served_name, base.context_tokens, text_ids(base, PROBE_TEXT))


def _note_shared() -> None:
    """A row for each server of VLLM_URL, and none for those that were there."""
    base = BaseModel.objects.filter(served_name=settings.ENV.base_model).first()
    if base is None:
        return
    for url in settings.VLLM_URLS:
        InferenceServer.objects.get_or_create(
            url=url, defaults={"base_model": base, "is_shared": True}
        )
    # They serve what BASE_MODEL names now, and are asked again what they can do.
    InferenceServer.objects.filter(url__in=settings.VLLM_URLS, is_shared=True).exclude(
        base_model=base
    ).update(base_model=base, problem="", note="", asked_at=None)
    gone = InferenceServer.objects.filter(is_shared=True).exclude(url__in=settings.VLLM_URLS)
    # Another machine may call them by other names: only what no machine has asked for long.
    gone.filter(asked_at__lt=timezone.now() - 2 * ASK_AGAIN).delete()


def _add_servers(base: BaseModel, urls: Sequence[str]) -> None:
    for url in urls:
        row, _ = InferenceServer.objects.get_or_create(url=url, defaults={"base_model": base})
        if row.base_model_id != base.pk:
            raise Refused(f"{row.url} is a server of {row.base_model.slug}.")


def _check_slug(slug: str) -> None:
    try:
        validate_slug(slug)
    except ValidationError:
        raise Refused("A short name has letters, digits, hyphens and underscores only.") from None
    if len(slug) > 50:
        raise Refused("A short name has at most 50 characters.")


def _check_served_name(base: BaseModel) -> None:
    others = BaseModel.objects.exclude(pk=base.pk).filter(served_name=base.served_name)
    if other := others.first():
        raise Refused(f"{base.served_name} is already served for {other.slug}.")


def checked_url(url: str) -> str:
    """A server's address as it is stored. Raises Refused."""
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right or len(url) > 300:
        raise Refused(f"{url[:100]} is not a server's address, such as http://10.0.0.5:8000")
    if parts.path.rstrip("/") or parts.query or parts.username:
        raise Refused(f"{url[:100]}: give the address without a path, as in http://10.0.0.5:8000")
    return url.rstrip("/")


def _facts(folder: Path) -> Mapping[str, Any]:
    """The model's own description. Raises Refused if this is no model's folder."""
    for file in FILES:
        if not (folder / file).is_file():
            raise Refused(f"There is no {file} in {folder}: name the folder of a model.")
    if not any(folder.glob("*.safetensors")):
        raise Refused(f"There are no weights (*.safetensors) in {folder}.")
    try:
        facts = json.loads((folder / "config.json").read_text())
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise Refused(f"{folder / 'config.json'} does not describe a model.")
    return facts
