"""Adapters by the API and on pages: taken home, and brought in."""

import io
import json
import uuid
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import StreamingHttpResponse
from django.test import AsyncClient
from django.utils import timezone

from agents.adapters.checks import CONFIG_FILE, WEIGHTS_FILE
from agents.api_tokens import Scope
from agents.models import Adapter, AgentVersion, BaseModel
from frontend.tests.api.calling import Program, detail_of
from frontend.tests.builders import signed_in
from training.adapters.tests.builders import (
    sent,
    small_base,
    some_tensors,
    stored_version,
    zipped,
)
from training.models import TrainingRun
from training.states import UPLOAD, RunStatus
from training.tests.builders import make_agent, make_base, make_space

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(settings: Any, tmp_path: Path) -> AgentVersion:
    settings.ADAPTER_STORE = tmp_path / "store"
    settings.RUN_STORE = tmp_path / "runs"
    base_folder = small_base(tmp_path / "base")
    make_base(str(base_folder))
    return stored_version(make_agent(), base_folder, tmp_path)


def path_of(version: AgentVersion) -> str:
    return f"/agents/{version.agent_id}/versions/{version.pk}/adapter"


async def whole(response: StreamingHttpResponse) -> bytes:
    return b"".join([piece async for piece in response])


def test_a_program_takes_its_owners_adapter_home(version: AgentVersion) -> None:
    response = Program(version.agent.owner_id).get(path_of(version))
    assert response.headers["Content-Type"] == "application/zip"
    content = async_to_sync(whole)(response)
    assert response.headers["Content-Length"] == str(len(content))
    with ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert f"agent-{version.agent_id}-v2/{WEIGHTS_FILE}" in archive.namelist()


def test_it_takes_nobody_elses(version: AgentVersion) -> None:
    assert Program(make_agent().owner_id).get(path_of(version)).status_code == 404
    assert Program().get(path_of(version)).status_code == 401


def test_weights_that_were_collected_are_gone_with_a_sentence(version: AgentVersion) -> None:
    Adapter.objects.update(collected_at=timezone.now(), is_removed=True)
    response = Program(version.agent.owner_id).get(path_of(version))
    assert response.status_code == 410
    assert "cannot be downloaded any more" in detail_of(response)


def test_the_agents_page_offers_its_owner_each_adapter(version: AgentVersion) -> None:
    agent = version.agent
    link = f"/agents/{agent.pk}/versions/{version.pk}/adapter.zip"
    page = f"/agents/{agent.pk}/"
    client = signed_in(agent.owner_id)
    assert client.get(page).content.decode().count("adapter.zip") == 1  # the first has none
    assert link in client.get(page).content.decode()
    assert link not in signed_in(make_agent().owner_id).get(page).content.decode()

    reader = AsyncClient()
    reader.force_login(agent.owner)

    async def read() -> bytes:
        response: Any = await reader.get(link)
        return await whole(response)

    with ZipFile(io.BytesIO(async_to_sync(read)())) as archive:
        assert len(archive.namelist()) == 4


def test_a_page_says_why_there_is_nothing_to_download(version: AgentVersion) -> None:
    Adapter.objects.update(collected_at=timezone.now(), is_removed=True)
    agent = version.agent
    link = f"/agents/{agent.pk}/versions/{version.pk}/adapter.zip"
    client = signed_in(agent.owner_id)
    assert link not in client.get(f"/agents/{agent.pk}/").content.decode()
    page = client.get(link, follow=True)
    assert "cannot be downloaded any more" in page.content.decode()


def made_elsewhere(**config: Any) -> dict[str, bytes]:
    base_folder = Path(BaseModel.objects.get(slug="tiny").path)
    return {one.name: one.file.read() for one in sent(some_tensors(base_folder, seed=9), **config)}


def test_a_program_brings_an_adapter_in_once_however_often_it_asks(version: AgentVersion) -> None:
    agent, space, key = version.agent, make_space(), str(uuid.uuid4())
    program, path = Program(agent.owner_id), f"/agents/{agent.pk}/adapters"
    for _ in range(2):
        response = program.send_files(path, made_elsewhere(), {"space": space.slug}, key=key)
        assert response.status_code == 201, response.content
        run = response.json()
        assert (run["method"], run["status"], run["child_number"]) == (UPLOAD, "queued", 3)
    assert TrainingRun.objects.filter(agent=agent).count() == 1
    (line, *_) = program.get(f"/agents/{agent.pk}/versions").json()["items"]
    assert (line["origin"], line["run_id"]) == ("uploaded", run["run_id"])


def test_a_program_brings_a_zip_too(version: AgentVersion) -> None:
    agent, space = version.agent, make_space()
    (file,) = zipped(made_elsewhere())
    file.file.seek(0)
    response = Program(agent.owner_id).send_files(
        f"/agents/{agent.pk}/adapters",
        {file.name: file.file.read()},
        {"space": space.slug},
        key=str(uuid.uuid4()),
    )
    assert response.status_code == 201, response.content


def test_what_is_wrong_with_an_adapter_is_told_to_a_program(version: AgentVersion) -> None:
    agent, space = version.agent, make_space()
    path, fields = f"/agents/{agent.pk}/adapters", {"space": space.slug}
    program, key = Program(agent.owner_id), str(uuid.uuid4())
    response = program.send_files(path, made_elsewhere(r=17), fields, key=key)
    assert response.status_code == 409
    assert "r must be a whole number from 1 to 16" in detail_of(response)
    assert program.send_files(path, {}, fields, key=key).status_code == 422
    assert program.send_files(path, made_elsewhere(), fields).status_code == 422
    reader = Program(agent.owner_id, [Scope.READ, Scope.AGENTS])
    assert reader.send_files(path, made_elsewhere(), fields, key=key).status_code == 403


def form(space_slug: str, **config: Any) -> dict[str, Any]:
    files = [SimpleUploadedFile(*one) for one in made_elsewhere(**config).items()]
    return {"adapter": files, "space": space_slug, "request_id": str(uuid.uuid4())}


def test_an_owner_uploads_on_a_page_and_follows_the_gate(version: AgentVersion) -> None:
    agent, space = version.agent, make_space()
    client, path = signed_in(agent.owner_id), f"/agents/{agent.pk}/upload/"
    assert path in client.get(f"/agents/{agent.pk}/").content.decode()
    shown = client.get(path).content.decode()
    assert "Safetensors only" in shown
    assert 'enctype="multipart/form-data"' in shown
    given = form(space.slug)
    page = client.post(path, given, follow=True)
    run = TrainingRun.objects.get(agent=agent)
    assert page.redirect_chain == [(f"/runs/{run.pk}/", 302)]
    text = page.content.decode()
    assert "Waiting for the gate" in text
    assert "Training curves" not in text
    assert run.manifest_digest in text
    versions = client.get(f"/agents/{agent.pk}/").content.decode()
    assert "Uploaded over v1" in versions
    assert "has not judged it yet, so it cannot play" in versions


def test_a_refused_upload_says_why_beside_the_form_and_keeps_nothing(
    version: AgentVersion,
) -> None:
    agent, space = version.agent, make_space()
    client, path = signed_in(agent.owner_id), f"/agents/{agent.pk}/upload/"
    page = client.post(path, form(space.slug, modules_to_save=["lm_head"]))
    assert page.status_code == 422
    assert f"{CONFIG_FILE}: modules_to_save is not supported" in page.content.decode()
    assert "Choose the adapter\u2019s files." in client.post(path, {}).content.decode()
    assert not TrainingRun.objects.exists()
    assert Adapter.objects.count() == 1


def test_the_page_of_an_uploaded_run_reads_well_in_each_state(version: AgentVersion) -> None:
    agent, space = version.agent, make_space()
    client = signed_in(agent.owner_id)
    client.post(f"/agents/{agent.pk}/upload/", form(space.slug))
    run = TrainingRun.objects.get(agent=agent)
    for status in RunStatus:
        TrainingRun.objects.update(status=status)
        text = client.get(f"/runs/{run.pk}/").content.decode()
        assert f"Upload {run.pk}" in text
        assert "no longer on this site" not in text
        assert "Trained for" not in text
        assert "Training</span>" not in text


def test_a_manifest_of_an_upload_names_both_digests(version: AgentVersion) -> None:
    agent, space = version.agent, make_space()
    signed_in(agent.owner_id).post(f"/agents/{agent.pk}/upload/", form(space.slug))
    run = TrainingRun.objects.get(agent=agent)
    content = signed_in(agent.owner_id).get(f"/runs/{run.pk}/manifest.json").content
    manifest = json.loads(content)["manifest"]
    assert {"sent_sha256", "stored_sha256"} <= manifest.keys()
