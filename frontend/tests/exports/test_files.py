"""Links to the files of an export: without a session, whole or in parts, for whoever has them."""

import io
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import signing
from django.test import AsyncClient, Client
from django.utils import timezone

from frontend.pages.exports import files
from frontend.tests.api.calling import Program, detail_of
from training.exports.links import ARCHIVE, LINKS_LAST
from training.exports.listing import export_view
from training.exports.tests.orders import learner, order, written
from training.models import Export

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> None:
    settings.EXPORT_STORE = tmp_path / "exports"


@pytest.fixture
def export() -> Export:
    return written(order(learner()))


def address(export: Export, name: str) -> str:
    return f"/exports/files/{export_view(export.pk, viewer=export.owner_id).link_key}/{name}"


def fetched(path: str, **headers: str) -> tuple[Any, bytes]:
    """The response to somebody without a session, and its body as a server sends it."""

    async def read() -> tuple[Any, bytes]:
        response: Any = await AsyncClient().get(path, headers=headers)
        if not response.streaming:
            return response, response.content
        return response, b"".join([piece async for piece in response])

    return async_to_sync(read)()


def test_a_link_gives_a_file_of_known_length_without_a_session(export: Export) -> None:
    one = export.files[0]
    response, body = fetched(address(export, one["name"]))
    assert response.status_code == 200
    assert int(response["Content-Length"]) == len(body) == one["size_bytes"]
    assert response["ETag"] == f'"{one["sha256"]}"'


def test_a_download_that_was_cut_goes_on_in_the_middle(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", 64)
    for name in (export.files[0]["name"], ARCHIVE):
        path = address(export, name)
        response, whole = fetched(path)
        part, rest = fetched(path, Range="bytes=1000-", If_Range=response["ETag"])
        assert (part.status_code, rest) == (206, whole[1000:])
        assert part["Content-Range"] == f"bytes 1000-{len(whole) - 1}/{len(whole)}"
        _, middle = fetched(path, Range="bytes=700-1500")
        assert middle == whole[700:1501]
        _, end = fetched(path, Range="bytes=-10")
        assert end == whole[-10:]
        changed, body = fetched(path, Range="bytes=1000-", If_Range='"another"')
        assert (changed.status_code, body) == (200, whole)
        outside, _ = fetched(path, Range=f"bytes={len(whole)}-")
        assert outside.status_code == 416


def test_the_archive_ends_with_the_manifest_and_has_every_file(export: Export) -> None:
    _, body = fetched(address(export, ARCHIVE))
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        names = archive.getnames()
        assert names == [f"export-{export.pk}/{one['name']}" for one in export.files]
        assert names[-1].endswith("/manifest.json")
        for one in export.files:
            member = archive.extractfile(f"export-{export.pk}/{one['name']}")
            assert member is not None
            assert len(member.read()) == one["size_bytes"]


def test_a_link_ends_by_itself_and_nobody_makes_one_up(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = export.files[0]["name"]
    path = address(export, name)
    made_up = signing.dumps({"export": export.pk, "until": 2**40}, salt="something else")
    for wrong in (f"/exports/files/{made_up}/{name}", path.replace(name, "../../secret_key")):
        assert fetched(wrong)[0].status_code == 404
    later = timezone.now() + LINKS_LAST + timedelta(minutes=1)
    monkeypatch.setattr("training.exports.links.timezone.now", lambda: later)
    assert fetched(path)[0].status_code == 404


def test_a_deleted_export_has_no_files_for_anybody(export: Export) -> None:
    path = address(export, export.files[0]["name"])
    program = Program(export.owner_id)
    assert program.send("DELETE", f"/exports/{export.pk}").status_code == 204
    assert fetched(path)[0].status_code == 404
    assert program.get(f"/exports/{export.pk}").status_code == 404


def test_the_api_orders_tells_and_lists_an_export(export: Export) -> None:
    program = Program(export.owner_id)
    body = {"format": "preference", "container": "parquet", "selection": {}}
    key = "0b9c4f7e-2d61-4a7c-9f4b-0f3f2a1f5d11"
    made = program.post("/exports", body, key=key)
    assert made.status_code == 201
    assert made.json()["export"]["state"] == "waiting"
    again = program.post("/exports", body, key=key)
    assert again.json()["export"]["export_id"] == made.json()["export"]["export_id"]
    whole = program.get(f"/exports/{export.pk}").json()
    url = whole["files"][0]["url"]
    assert Client().get(url.removeprefix("http://testserver")).status_code == 200
    listed = program.get("/exports?limit=1").json()
    assert [one["export_id"] for one in listed["items"]] == [made.json()["export"]["export_id"]]
    following = program.get(f"/exports?limit=1&cursor={listed['next_cursor']}").json()
    assert [one["export_id"] for one in following["items"]] == [export.pk]
    wrong = program.post("/exports", body | {"format": "csv"}, key=key.replace("0b", "1b"))
    assert wrong.status_code == 422
    assert "The format must be one of" in wrong.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "selection",
    [{"spaces": ["\x00"]}, {"spaces": ["\ud800"]}, {"\x00": 1}, {"since": {"deep": ["\udfff"]}}],
)
def test_nul_and_lone_surrogates_are_refused_in_words(selection: Any) -> None:
    program, key = Program(learner().owner_id), "0b9c4f7e-2d61-4a7c-9f4b-0f3f2a1f5d11"
    refused = program.post("/exports", {"selection": selection}, key=key)
    assert refused.status_code == 422
    assert "NUL characters and the lone surrogates" in refused.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("selection", "sentence"),
    [
        ({"since": "2999-01-01"}, "The first day is still to come"),
        ({"until": "0000-00-00"}, "must be a day such as 2026-01-31"),
        ({"spaces": ["nowhere"]}, "There is no Space"),
        ({"agents": [2**62]}, "You have no agent"),
        ({"least_margin": 2}, "must be a number from 0 to 1"),
        ({"prompts": True}, "There is no filter named"),
        ({"spaces": ["x" * 100_000]}, "must be names of at most"),
    ],
)
def test_a_wrong_selection_orders_nothing_and_says_why(
    selection: Any, sentence: str, export: Export
) -> None:
    program, key = Program(export.owner_id), "0b9c4f7e-2d61-4a7c-9f4b-0f3f2a1f5d11"
    for path in ("/exports", "/exports/summary"):
        refused = program.post(path, {"selection": selection}, key=key)
        assert refused.status_code == 422, path
        assert sentence in refused.json()["errors"][0]["message"], path
    assert Export.objects.count() == 1


def test_a_made_up_place_in_the_list_is_refused(export: Export) -> None:
    program = Program(export.owner_id)
    for cursor in ("x", "%00", "\u2028", "bWF0Y2hlcyA1", "ZXhwb3J0cyA" + "5" * 40):
        refused = program.get(f"/exports?cursor={cursor}")
        assert refused.status_code == 400, cursor
        assert "does not belong to this list" in detail_of(refused)


def test_to_others_an_export_does_not_exist(export: Export) -> None:
    stranger = Program(learner().owner_id)
    assert stranger.get(f"/exports/{export.pk}").status_code == 404
    assert stranger.send("DELETE", f"/exports/{export.pk}").status_code == 404
    assert stranger.get("/exports").json()["items"] == []
    assert Program().get("/exports").status_code == 401
