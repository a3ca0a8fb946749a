"""What an owner takes home of a version: a folder that PEFT and vLLM load as it is, with a card."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.adapters.archive import ArchivedFile
from agents.adapters.checks import CONFIG_FILE, WEIGHTS_FILE
from agents.adapters.hub import HubModel, hub_model_of
from agents.adapters.store import adapter_folder, collected_words
from agents.errors import NotAvailable, Refused
from agents.models import Adapter, AgentVersion, BaseModel
from training.adapters.card import Ancestor, CardFacts, card_of
from training.gate.record import gate_from_json
from training.models import TrainingRun

CARD_FILE = "README.md"
VERSION_FILE = "version.json"
CHAT_TEMPLATE_FILE = "chat_template.jinja"
MAX_LINE = 100  # versions that a card lists, from this one back


class WeightsCollected(Refused):
    """The weights were there, and have been deleted for good."""


@dataclass(frozen=True)
class AdapterFolder:
    """The files of a folder, which carries this name."""

    name: str
    members: Sequence[ArchivedFile]


def adapter_of(agent_id: int, version_id: int, *, viewer: int | None) -> AdapterFolder:
    """The viewer's own version as a folder.

    Raises NotAvailable if it is not theirs, WeightsCollected, or Refused if it has no weights of its own or
    they are damaged.
    """
    version = (
        AgentVersion.objects.select_related("agent__base_model", "adapter", "parent")
        .filter(id=version_id, agent_id=agent_id, agent__owner_id=viewer)
        .first()
    )
    if version is None:
        raise NotAvailable("There is no such version.")
    adapter, base = version.adapter, version.agent.base_model
    if adapter is None:
        raise Refused(
            f"Version {version.number} has no adapter: it plays with its prompt over {base.name} as it is."
        )
    if when := collected_words(adapter):
        raise WeightsCollected(
            f"The weights of version {version.number} {when}, so they cannot be downloaded any more."
        )
    weights = adapter_folder(adapter.digest, verify=True) / WEIGHTS_FILE
    hub = hub_model_of(base.served_name)
    config = _config(adapter, hub.name if hub else base.served_name)
    return AdapterFolder(
        name=f"agent-{agent_id}-v{version.number}",
        members=(
            ArchivedFile(CARD_FILE, card_of(_facts(version, adapter, hub)).encode()),
            ArchivedFile(CONFIG_FILE, _as_json(config)),
            ArchivedFile(VERSION_FILE, _as_json(_version(version, base))),
            ArchivedFile(WEIGHTS_FILE, weights),
        ),
    )


def _config(adapter: Adapter, base: str) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads((adapter_folder(adapter.digest) / CONFIG_FILE).read_text())
    return stored | {"base_model_name_or_path": base}


def _as_json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def _version(version: AgentVersion, base: BaseModel) -> dict[str, Any]:
    """What the version plays with beside its weights."""
    return {
        "agent": version.agent.name,
        "version": version.number,
        "base_model": base.served_name,
        "messages": [{"role": "system", "content": version.prompt}],
        "sampling": version.sampling,
        "chat_template": _chat_template(base.folder),
    }


def _chat_template(base_folder: Path | None) -> str | None:
    """None where the base has none of its own file: then its tokenizer's configuration has it."""
    if base_folder is None or not (base_folder / CHAT_TEMPLATE_FILE).is_file():
        return None
    return (base_folder / CHAT_TEMPLATE_FILE).read_text()


def _facts(version: AgentVersion, adapter: Adapter, hub: HubModel | None) -> CardFacts:
    run = TrainingRun.objects.filter(child_version=version).first()
    base = version.agent.base_model
    return CardFacts(
        agent=version.agent.name,
        number=version.number,
        base=hub.name if hub else base.served_name,
        is_hub_name=hub is not None,
        licence=hub.licence if hub else "",
        digest=adapter.digest,
        rank=adapter.rank,
        alpha=adapter.alpha,
        target_modules=adapter.target_modules,
        size_bytes=adapter.size_bytes,
        line=_line(version),
        gate=gate_from_json(run.gate) if run else None,
    )


def _line(version: AgentVersion) -> list[Ancestor]:
    """The version, its parent, and so on back."""
    versions = {
        one.pk: one
        for one in AgentVersion.objects.filter(agent=version.agent_id, number__lte=version.number)
        .select_related("parent", "made_by_run__space")
        .only(
            *("number", "origin", "agent", "parent__number", "parent__agent"),
            *("made_by_run__method", "made_by_run__manifest_digest", "made_by_run__space__name"),
        )
        .order_by("-number")[: 10 * MAX_LINE]
    }
    line: list[Ancestor] = []
    each: int | None = version.pk
    while each in versions and len(line) < MAX_LINE:
        one = versions[each]
        run = getattr(one, "made_by_run", None)
        line.append(
            Ancestor(
                number=one.number,
                origin=one.origin,
                parent_number=one.parent.number if one.parent else None,
                run_id=run.pk if run else None,
                method=run.method if run else "",
                space=run.space.name if run else "",
                manifest_digest=run.manifest_digest if run else "",
            )
        )
        each = one.parent_id
    return line
