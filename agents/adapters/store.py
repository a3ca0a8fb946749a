"""The adapter store: LoRA weights addressed by the SHA-256 of their safetensors file.

Nothing enters it that `agents.adapters.checks` has not passed. What else servers do with adapters:
docs/decisions/adapter-names.md. The layout is
ADAPTER_STORE/<first two hex digits>/<digest>/adapter_{config.json,model.safetensors}.
"""

import contextlib
import hashlib
import json
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from agents.adapters.checks import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    AdapterFacts,
    BadAdapter,
    check_adapter,
)
from agents.adapters.types import in_bfloat16
from agents.files import publish_folder
from agents.models import MAX_REFUSAL_CHARS, Adapter, BaseModel

# A server that refused an adapter may have been restarted since, with other limits.
REFUSAL_HOLDS = timedelta(hours=1)

_DIGEST = re.compile(r"[0-9a-f]{64}")


class AdapterMissing(BadAdapter):
    """The store has no folder for this digest."""


class LatelyRefused(BadAdapter):
    """A server did not load it a moment ago."""


class AdapterCorrupt(BadAdapter):
    """The stored file does not match its digest."""


def store_adapter(folder: Path, *, base_model: BaseModel, parent: Adapter | None) -> Adapter:
    """Check the adapter in `folder`, copy it into the store, and return its row.

    May run twice, even at the same time: equal weights are one adapter. Raises BadAdapter, or
    OSError if the store cannot take it.
    """
    if base_model.folder is None:
        raise BadAdapter(f"The weights of {base_model} are not on this site's machines.")
    facts = check_adapter(folder, base_folder=base_model.folder)
    if facts.rank > (most := base_model.max_lora_rank):
        raise BadAdapter(
            f"The servers of {base_model} take adapters up to rank {most}; this one has {facts.rank}."
        )
    with _as_stored(folder) as ready:
        if ready != folder:
            facts = check_adapter(ready, base_folder=base_model.folder)
        return _store(ready, facts, base_model=base_model, parent=parent)


@contextlib.contextmanager
def _as_stored(folder: Path) -> Iterator[Path]:
    """The adapter in the type in which the servers play it; a copy, if it has to be rounded."""
    if settings.ENV.adapter_dtype == "float32":
        yield folder
        return
    store = Path(settings.ADAPTER_STORE)
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=store) as name:
        shutil.copyfile(folder / CONFIG_FILE, Path(name) / CONFIG_FILE)
        rounded = in_bfloat16((folder / WEIGHTS_FILE).read_bytes())
        (Path(name) / WEIGHTS_FILE).write_bytes(rounded)
        yield Path(name)


def _store(
    folder: Path, facts: AdapterFacts, *, base_model: BaseModel, parent: Adapter | None
) -> Adapter:
    _copy_into_store(folder, facts)
    adapter, _ = Adapter.objects.get_or_create(
        digest=facts.digest,
        defaults={
            "base_model": base_model,
            "parent": parent,
            "rank": facts.rank,
            "alpha": facts.alpha,
            "target_modules": list(facts.target_modules),
            "size_bytes": facts.size_bytes,
        },
    )
    if (adapter.base_model_id, adapter.alpha) != (base_model.pk, facts.alpha):
        raise BadAdapter("These weights are already stored for another base model or alpha.")
    _unmark(adapter)
    _copy_into_store(folder, facts)  # if they were being collected meanwhile
    return adapter


def remove_files(digest: str) -> None:
    """Remove the weights from the store, whole: nobody finds a half. The row stays. May run twice."""
    store = Path(settings.ADAPTER_STORE)
    gone = store / f".{digest[:12]}.{uuid.uuid4().hex}.removed"
    with contextlib.suppress(FileNotFoundError):
        (store / digest[:2] / digest).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def collected_words(adapter: Adapter) -> str:
    """When the weights were collected, as the end of a sentence; empty if they were not."""
    at = adapter.collected_at
    return f"were deleted on {at.day} {at:%B %Y} to make room" if at else ""


def _unmark(adapter: Adapter) -> None:
    """Weights that are made again are weights that somebody needs."""
    if adapter.collected_at is None:
        return
    # It waits for a sweep that is removing the files and holds the row's lock.
    Adapter.objects.filter(id=adapter.pk).update(collected_at=None, is_removed=False)
    adapter.refresh_from_db()


def note_refusal(digest: str, why: str) -> None:
    """Record what an inference server said when it refused to load the adapter."""
    Adapter.objects.filter(digest=digest).update(
        refusal=why[:MAX_REFUSAL_CHARS], refused_at=timezone.now()
    )


def check_playable(adapter: Adapter, *, verify: bool = True) -> None:
    """Raise BadAdapter if the stored file is missing or a server refused it recently.

    `verify` also re-reads the file, to find out whether it is damaged.
    """
    if when := collected_words(adapter):
        raise BadAdapter(f"Its weights {when}. Go back to another version.")
    adapter_folder(adapter.digest, verify=verify)
    if adapter.refused_at and timezone.now() - adapter.refused_at < REFUSAL_HOLDS:
        until = adapter.refused_at + REFUSAL_HOLDS
        raise LatelyRefused(
            f"{adapter.refusal.rstrip('.')}. Go back to an earlier version, or try again after "
            f"{until:%H:%M} UTC."
        )


def adapter_folder(digest: str, *, verify: bool = False) -> Path:
    """The adapter's folder; `verify` also re-reads its bytes.

    Raises AdapterMissing or AdapterCorrupt.
    """
    if not _DIGEST.fullmatch(digest):
        raise AdapterMissing("An adapter's digest has 64 hexadecimal digits.")
    folder = Path(settings.ADAPTER_STORE) / digest[:2] / digest
    if not (folder / WEIGHTS_FILE).is_file() or not (folder / CONFIG_FILE).is_file():
        raise AdapterMissing(f"The adapter {digest[:12]} is not in the adapter store.")
    if verify and file_digest(folder / WEIGHTS_FILE) != digest:
        raise AdapterCorrupt(
            f"The stored file of adapter {digest[:12]} is damaged; restore it from a backup or "
            "go back to an earlier version."
        )
    return folder


def _copy_into_store(folder: Path, facts: AdapterFacts) -> None:
    try:
        adapter_folder(facts.digest, verify=True)
    except BadAdapter:
        pass  # absent or damaged: (re)place it
    else:
        return
    store = Path(settings.ADAPTER_STORE)
    target = store / facts.digest[:2] / facts.digest
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = store / f".{facts.digest[:12]}.{uuid.uuid4().hex}"
    partial.mkdir()
    try:
        shutil.copyfile(folder / WEIGHTS_FILE, partial / WEIGHTS_FILE)
        (partial / CONFIG_FILE).write_text(json.dumps(facts.config(), indent=2) + "\n")
        if file_digest(partial / WEIGHTS_FILE) != facts.digest:
            raise BadAdapter("The adapter changed while it was being stored.")
        _swap(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _swap(partial: Path, target: Path) -> None:
    try:
        publish_folder(partial, target)
    except OSError:
        if not target.exists():
            raise
        # Another process has just stored the same weights, or a damaged folder is in the way.
        if _is_whole(target):
            return
        target.rename(partial.with_name(f"{partial.name}.damaged"))
        publish_folder(partial, target)


def _is_whole(folder: Path) -> bool:
    try:
        return bool(adapter_folder(folder.name, verify=True))
    except BadAdapter:
        return False


def file_digest(path: Path) -> str:
    """SHA-256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
