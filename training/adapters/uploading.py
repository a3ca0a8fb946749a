"""The verb that brings an adapter in: checked, stored, and sent to the gate like what was trained here."""

import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from agents.adapters.archive import SentFile, unpack
from agents.adapters.checks import CONFIG_FILE, WEIGHTS_FILE, check_made_for, largest_bytes
from agents.adapters.hub import hub_model_of
from agents.adapters.store import file_digest, store_adapter
from agents.errors import NotAvailable, Refused
from agents.models import Adapter, Agent, AgentVersion, Engine
from agents.quotas import check_room
from agents.roster import add_uploaded_version
from arena.credits.amounts import in_credits
from arena.credits.ledger import InsufficientCredits
from arena.models import Space, SpaceStatus
from arena.spaces.tallies import played_weights
from training.configs.fields import InvalidConfig
from training.data.dataset import MANIFEST_FORMAT, manifest_digest
from training.gate.exams import asked_answers
from training.methods import config_from_json
from training.models import TrainingRun
from training.runs import charges
from training.runs.moves import queue_run
from training.runs.nudges import nudge_waiting_runs
from training.runs.starting import IN_TRAINING, refuse_offered
from training.states import UPLOAD, RunStatus

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class UploadTerms:
    """What an upload costs, and how large it may be."""

    price_credits: int
    max_weights_bytes: int


def upload_terms(agent_id: int, *, viewer: int | None) -> UploadTerms | None:
    """None if the viewer may bring no adapter to this agent."""
    agent = Agent.objects.select_related("base_model").filter(id=agent_id, owner_id=viewer).first()
    try:
        base_folder = _folder_of(agent) if agent else None
        largest = largest_bytes(base_folder) if base_folder else 0
    except Refused:
        return None
    return UploadTerms(charges.price_of(asked_answers()), largest) if agent else None


def upload_adapter(
    user_id: int,
    *,
    agent_id: int,
    space_slug: str,
    files: Sequence[SentFile],
    request_id: uuid.UUID,
) -> TrainingRun:
    """A version of the agent with these weights, and the run in which the Space's gate judges it.

    Nothing trains: the run's method is UPLOAD. Its price is held, and charged once the gate has begun. A
    replay of `request_id` with the same files returns the first run. Raises NotAvailable if the agent
    is not the user's, BadAdapter, or Refused, including InsufficientCredits; then nothing is kept.
    """
    agent = _own_agents(user_id).filter(id=agent_id).first()
    if agent is None:
        raise NotAvailable("There is no such agent.")
    base_folder, base = _folder_of(agent), agent.base_model
    hub = hub_model_of(base.served_name)
    try:
        with _unpacked(files, max_weights_bytes=largest_bytes(base_folder)) as (folder, digests):
            if run := _replayed(agent, space_slug, request_id, digests):
                return run
            _check(agent, space_slug)
            check_room(agent.owner_id, more_bytes=(folder / WEIGHTS_FILE).stat().st_size)
            if charges.available_credits(agent) < (price := charges.price_of(asked_answers())):
                raise InsufficientCredits(
                    f"The gate costs {in_credits(price)}, and you have fewer."
                )
            check_made_for(folder, hub.name if hub else "")
            # Weights whose worker dies before the version is there are nobody's: a sweep collects them.
            adapter = store_adapter(folder, base_model=base, parent=None)
    except OSError as error:
        log.exception("upload_not_stored", agent_id=agent_id)
        raise Refused(
            "The server has no room on its disk to take the adapter. Nothing was kept; try again later."
        ) from error
    return _queue(user_id, agent_id, space_slug, adapter, digests=digests, request_id=request_id)


def _queue(
    user_id: int,
    agent_id: int,
    space_slug: str,
    adapter: Adapter,
    *,
    digests: Mapping[str, str],
    request_id: uuid.UUID,
) -> TrainingRun:
    try:
        with transaction.atomic(durable=True):
            # no_key: seating the agent meanwhile only takes a foreign-key reference to it.
            locked = _own_agents(user_id).select_for_update(of=("self",), no_key=True)
            agent = locked.filter(id=agent_id).first()
            if agent is None:
                raise NotAvailable("There is no such agent.")
            if old := _replayed(agent, space_slug, request_id, digests):
                return old
            space = _check(agent, space_slug)
            check_room(agent.owner_id)
            parent = agent.current_version
            assert parent is not None, "an agent has a version from its creation on"
            version = add_uploaded_version(agent, adapter_id=adapter.pk)
            run = _new_run(agent, space, parent, version, adapter, digests=digests)
            run.request_id = request_id
            queue_run(run)
            transaction.on_commit(nudge_waiting_runs, robust=True)
    except InsufficientCredits as error:
        raise InsufficientCredits(f"Not enough credits for the gate. {error}") from None
    except IntegrityError:
        raise Refused(IN_TRAINING) from None
    return run


def _own_agents(user_id: int) -> QuerySet[Agent]:
    return Agent.objects.filter(owner_id=user_id).select_related(
        "owner", "base_model", "current_version__adapter"
    )


def _folder_of(agent: Agent) -> Path:
    """The folder of the base that the weights must fit. Raises Refused."""
    if agent.engine != Engine.MODEL:
        raise Refused("This agent answers with code; it has no weights.")
    if agent.retired_at:
        raise Refused("This agent is retired.")
    if agent.base_model.folder is None:
        raise Refused(
            f"The weights of {agent.base_model} are not on this site's machines, so no adapter can be "
            "checked against them."
        )
    return agent.base_model.folder


@contextmanager
def _unpacked(
    files: Sequence[SentFile], *, max_weights_bytes: int
) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """A folder with the adapter's two files, and their SHA-256 as they were sent."""
    store = Path(settings.ADAPTER_STORE)
    store.mkdir(parents=True, exist_ok=True)
    # With a dot: what a killed process leaves there, a sweep collects.
    with tempfile.TemporaryDirectory(prefix=".upload-", dir=store) as name:
        folder = Path(name)
        unpack(files, folder, max_weights_bytes=max_weights_bytes)
        digests = {
            "sent_sha256": file_digest(folder / WEIGHTS_FILE),
            "sent_config_sha256": file_digest(folder / CONFIG_FILE),
        }
        yield folder, digests


def _replayed(
    agent: Agent, space_slug: str, request_id: uuid.UUID, digests: Mapping[str, str]
) -> TrainingRun | None:
    runs = TrainingRun.objects.select_related("space").filter(agent=agent)
    old = runs.filter(request_id=request_id).first()
    if old is None:
        return None
    # A manifest of before says nothing of the configuration.
    is_same = all(old.manifest.get(name, digest) == digest for name, digest in digests.items())
    if (old.method, old.space.slug) != (UPLOAD, space_slug) or not is_same:
        raise Refused("This key belongs to another request. Use a new one.")
    return old


def _check(agent: Agent, space_slug: str) -> Space:
    """The Space whose gate judges the agent's version now. Raises Refused."""
    _folder_of(agent)
    space = Space.objects.filter(
        slug=space_slug, base_model=agent.base_model_id, status=SpaceStatus.OPEN
    ).first()
    if space is None:
        raise Refused(f"Choose an open Space that is played with {agent.base_model}.")
    if refuse_offered(agent):
        raise Refused(IN_TRAINING)
    return space


def _new_run(
    agent: Agent,
    space: Space,
    parent: AgentVersion,
    version: AgentVersion,
    adapter: Adapter,
    *,
    digests: Mapping[str, str],
) -> TrainingRun:
    answers = asked_answers()
    manifest = {
        "format": MANIFEST_FORMAT,
        "kind": UPLOAD,
        **digests,
        "stored_sha256": adapter.digest,
        "base_model": agent.base_model.served_name,
        "parent": {"version": parent.number},
        "rank": adapter.rank,
        "alpha": adapter.alpha,
        "target_modules": adapter.target_modules,
    }
    return TrainingRun(
        agent=agent,
        space=space,
        parent_version=parent,
        child_version=version,
        status=RunStatus.QUEUED,
        method=UPLOAD,
        config=_config(agent),
        is_by_hand=True,
        priced_answers=answers,
        price_credits=charges.price_of(answers),
        last_pair_id=0,  # it spends no pairs
        pair_count=0,
        exam_weights=played_weights(space.pk),
        manifest=manifest,
        manifest_digest=manifest_digest(manifest),
    )


def _config(agent: Agent) -> dict[str, object]:
    """Of its owner's choices, the one that the gate asks for: what becomes of a version that passes."""
    try:
        chosen = config_from_json(agent.learning)
    except InvalidConfig:
        chosen = config_from_json({})
    return {"adoption": chosen.adoption.value}
