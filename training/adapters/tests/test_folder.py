"""An owner takes a version home: what is in the folder, and what its card says."""

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from django.utils import timezone

from agents.adapters.archive import ArchivedFile, write_archive
from agents.adapters.checks import CONFIG_FILE, WEIGHTS_FILE
from agents.adapters.hub import HubModel, hub_model_of
from agents.errors import NotAvailable, Refused
from agents.models import Adapter, Agent, AgentVersion, BaseModel
from arena.models import Space
from training.adapters.folder import AdapterFolder, WeightsCollected, adapter_of
from training.adapters.tests.builders import ALPHA, RANK, stored_version
from training.methods.dpo import DPOConfig
from training.states import RunStatus
from training.tests.builders import make_agent, make_base, make_run, make_space
from training.tests.scripted import PASSED

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(settings: Any, tmp_path: Path, fake_base: Path) -> Agent:
    settings.ADAPTER_STORE = tmp_path / "store"
    make_base(str(fake_base))
    return make_agent(prompt="Only the owner reads this.")


@pytest.fixture
def version(agent: Agent, fake_base: Path, tmp_path: Path) -> AgentVersion:
    return stored_version(agent, fake_base, tmp_path)


def taken(version: AgentVersion) -> AdapterFolder:
    return adapter_of(version.agent_id, version.pk, viewer=version.agent.owner_id)


def contents(folder: AdapterFolder) -> dict[str, bytes]:
    return {
        one.name: one.content if isinstance(one.content, bytes) else one.content.read_bytes()
        for one in folder.members
    }


def card(version: AgentVersion) -> tuple[dict[str, Any], str]:
    """The card's YAML, and its text."""
    text = contents(taken(version))["README.md"].decode()
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def test_a_version_is_taken_home_as_a_folder_with_weights_config_card_and_prompt(
    version: AgentVersion,
) -> None:
    folder = taken(version)
    found = contents(folder)
    assert folder.name == f"agent-{version.agent_id}-v2"
    assert set(found) == {"README.md", "version.json", CONFIG_FILE, WEIGHTS_FILE}
    assert version.adapter is not None
    assert hashlib.sha256(found[WEIGHTS_FILE]).hexdigest() == version.adapter.digest
    config = json.loads(found[CONFIG_FILE])
    assert (config["r"], config["lora_alpha"], config["target_modules"]) == (
        RANK,
        ALPHA,
        ["q_proj"],
    )
    plays = json.loads(found["version.json"])
    assert plays["messages"] == [{"role": "system", "content": version.prompt}]
    assert plays["sampling"] == version.sampling


def test_nobody_takes_home_what_is_anothers(version: AgentVersion) -> None:
    for viewer in (make_agent().owner_id, None):
        with pytest.raises(NotAvailable):
            adapter_of(version.agent_id, version.pk, viewer=viewer)
    other = make_agent()
    with pytest.raises(NotAvailable):  # its own agent's address, another's version
        adapter_of(other.pk, version.pk, viewer=other.owner_id)


def test_a_version_without_an_adapter_says_so(agent: Agent) -> None:
    assert agent.current_version is not None
    with pytest.raises(Refused, match="Version 1 has no adapter"):
        taken(agent.current_version)


def test_weights_that_were_collected_are_a_sentence(version: AgentVersion) -> None:
    Adapter.objects.update(collected_at=timezone.now(), is_removed=True)
    version.refresh_from_db()
    with pytest.raises(WeightsCollected, match="cannot be downloaded any more"):
        taken(version)


def test_damaged_weights_are_not_handed_out(version: AgentVersion, settings: Any) -> None:
    (weights,) = Path(settings.ADAPTER_STORE).rglob(WEIGHTS_FILE)
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(Refused, match="damaged"):
        taken(version)


def test_a_base_of_the_hub_is_named_as_the_hub_names_it(version: AgentVersion) -> None:
    BaseModel.objects.update(served_name="smollm2-135m-instruct")
    version = AgentVersion.objects.get(id=version.pk)
    name = "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert json.loads(contents(taken(version))[CONFIG_FILE])["base_model_name_or_path"] == name
    head, _ = card(version)
    assert head == {
        "base_model": name,
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["lora", "rlfc-arena"],
        "license": "apache-2.0",
        "model_name": f"{version.agent.name} v2",
    }


def test_a_base_that_the_hub_may_not_know_is_named_and_said_to_be_unknown(
    version: AgentVersion,
) -> None:
    assert json.loads(contents(taken(version))[CONFIG_FILE])["base_model_name_or_path"] == "tiny"
    head, body = card(version)
    assert "base_model" not in head
    assert "serves the base model as `tiny`, and its name on the hub is not known" in body


@pytest.mark.parametrize(
    ("served", "name"),
    [
        ("smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct"),
        ("tiny", ""),
        ("/srv/models/tiny", ""),
        ("a/b/c", ""),
    ],
)
def test_a_served_name_says_which_model_of_the_hub_it_is_or_nothing(served: str, name: str) -> None:
    assert (hub_model_of(served) or HubModel("")).name == name


def test_the_card_tells_lineage_run_manifest_exam_and_digest(version: AgentVersion) -> None:
    space = make_space()
    make_run_of(version, space)
    _, body = card(version)
    assert f"It learned in: {space.name}." in body
    assert f"| v2 | trained from v1 by dpo in {space.name} | " in body
    assert f"`{'c0' * 32}`" in body
    assert "| v1 | created |  |  |" in body
    own = PASSED.own
    assert f"| its own Space | {own.tasks} | {own.parent.mean:.3f} | {own.child.mean:.3f} |" in body
    bound = f"above {own.decision.lower_bound:+.3f} with {own.decision.confidence:.0%} confidence"
    assert bound in body
    assert version.adapter is not None
    assert version.adapter.digest in body


def test_names_that_people_chose_are_text_in_the_card_and_nothing_more(
    version: AgentVersion,
) -> None:
    hostile = 'x" | [a](http://b)\n---\nlicense: mit <img src=c> `d`'
    Agent.objects.filter(id=version.agent_id).update(name=hostile)
    space = make_space()
    Space.objects.filter(id=space.pk).update(name="| # <b>Space</b>")
    make_run_of(version, space)
    head, body = card(AgentVersion.objects.get(id=version.pk))
    assert head["license"] == "other"
    assert head["model_name"] == f"{hostile} v2"
    assert "\\[a\\]\\(http" in body
    assert "\\| \\# \\<b\\>Space" in body
    assert not re.search(r"(?<!\\)[<\[]|(?<!\\)`d", body.partition("LoRA weights")[0])
    assert "\nlicense: mit" not in body


def test_the_same_folder_gives_the_same_archive(tmp_path: Path) -> None:
    large = tmp_path / "weights"
    large.write_bytes(bytes(range(256)) * 5000)
    members = [ArchivedFile("README.md", b"Read me."), ArchivedFile("weights", large)]
    first, second = io.BytesIO(), io.BytesIO()
    write_archive(first, "mine", members)
    write_archive(second, "mine", members)
    assert first.getvalue() == second.getvalue()
    with ZipFile(first) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["mine/README.md", "mine/weights"]
        assert archive.read("mine/weights") == large.read_bytes()


def make_run_of(version: AgentVersion, space: Space) -> None:
    run = make_run(version.agent, space, config=DPOConfig())
    run.status, run.child_version = RunStatus.ADOPTED, version
    run.gate, run.manifest_digest = PASSED.as_json(), "c0" * 32
    run.save()
