import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.inference import bases
from agents.inference.abilities import Abilities, Asker, Wanted
from agents.inference.bases import ASK_AGAIN, add_base, ask_servers, remove_server, retire_base
from agents.inference.table import NOT_SERVED, ServerTable, known_servers, servers_left_out
from agents.models import BaseModel, InferenceServer

pytestmark = pytest.mark.django_db(transaction=True)

MINE, THEIRS, OTHER = "http://127.0.0.1:8001", "http://10.0.0.5:8000", "http://10.0.0.6:8000"


class Scripted(Asker):
    """Servers by their URL: the version they say (None: away) and the problem they have."""

    def __init__(self, servers: dict[str, tuple[str | None, str]]) -> None:
        super().__init__("", transport=httpx.MockTransport(lambda request: httpx.Response(404)))
        self.servers = servers
        self.asked: list[str] = []

    def version(self, url: str) -> str | None:
        return self.servers[url][0]

    def abilities(self, url: str, wanted: Wanted) -> Abilities:
        self.asked.append(url)
        version, problem = self.servers[url]
        if version is None:
            return Abilities(is_away=True)
        return Abilities(version=version, context_tokens=2048, problem=problem)


@pytest.fixture(autouse=True)
def configured(settings: Any) -> BaseModel:
    settings.VLLM_URLS = [MINE]
    return BaseModel.objects.create(
        slug="smol", served_name=settings.ENV.base_model, name="Smol", path="/models/smol"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 1024}))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    return tmp_path


def test_a_base_gets_its_limits_from_its_folder(folder: Path) -> None:
    base = add_base("llama", folder=folder, max_lora_rank=8, urls=[THEIRS + "/"])
    base.refresh_from_db()
    assert (base.served_name, base.context_tokens, base.max_lora_rank) == ("llama", 1024, 8)
    assert base.folder == folder
    assert [server.url for server in base.servers.all()] == [THEIRS]


def test_adding_again_changes_what_is_named(folder: Path) -> None:
    add_base("llama", folder=folder, urls=[THEIRS])
    base = add_base("llama", name="Llama", context_tokens=512, urls=[THEIRS, OTHER])
    assert (base.name, base.context_tokens, base.path) == ("Llama", 512, str(folder))
    assert base.servers.count() == 2


def test_a_retired_base_comes_back_when_it_is_added_again() -> None:
    add_base("llama", urls=[THEIRS])
    assert not retire_base("llama").is_active
    assert add_base("llama").is_active


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"slug": "a b"}, "letters, digits, hyphens"),
        ({"slug": "a" * 51}, "at most 50"),
        ({"context_tokens": 100}, "at least 256"),
        ({"max_lora_rank": 17}, "between 1 and 16"),
        ({"folder": Path("/nonexistent")}, "There is no config.json in /nonexistent"),
        ({"urls": ["10.0.0.5:8000"]}, "is not a server's address"),
        ({"urls": ["http://10.0.0.5:99999999"]}, "is not a server's address"),
        ({"urls": ["http://10.0.0.5:8000/v1"]}, "without a path"),
        ({"served_name": "taken"}, "taken is already served for first"),
    ],
)
def test_what_cannot_be_is_refused_in_words(values: dict[str, Any], sentence: str) -> None:
    BaseModel.objects.create(slug="first", served_name="taken", name="First")
    with pytest.raises(Refused, match=sentence):
        add_base(**{"slug": "llama"} | values)
    assert not BaseModel.objects.filter(slug="llama").exists()


def test_a_context_that_the_model_does_not_have_is_refused(folder: Path) -> None:
    with pytest.raises(Refused, match="context is 1024 tokens; 4096 do not fit"):
        add_base("llama", folder=folder, context_tokens=4096)


@pytest.mark.parametrize(("file", "content"), [("config.json", "[]"), ("config.json", "{")])
def test_a_folder_that_is_no_models_is_refused(folder: Path, file: str, content: str) -> None:
    (folder / file).write_text(content)
    with pytest.raises(Refused, match="does not describe a model"):
        add_base("llama", folder=folder)


def test_weights_and_a_served_name_stay(folder: Path) -> None:
    add_base("llama", folder=folder)
    (folder / "model.safetensors").rename(folder / "other.bin")
    with pytest.raises(Refused, match="no weights"):
        add_base("llama", folder=folder)
    with pytest.raises(Refused, match="is served as llama"):
        add_base("llama", served_name="another")


def test_a_server_has_one_base(configured: BaseModel) -> None:
    add_base("llama", urls=[THEIRS])
    with pytest.raises(Refused, match="is a server of llama"):
        add_base("gemma", urls=[THEIRS])
    assert not BaseModel.objects.filter(slug="gemma").exists()


def test_the_sites_own_base_is_not_retired(configured: BaseModel) -> None:
    with pytest.raises(Refused, match="BASE_MODEL"):
        retire_base(configured.slug)
    with pytest.raises(NotAvailable):
        retire_base("nothing")


def test_a_base_is_asked_for_on_its_own_servers(configured: BaseModel) -> None:
    add_base("llama", urls=[THEIRS, OTHER])
    table = known_servers()
    assert table.urls("llama") == [THEIRS, OTHER]
    assert table.urls(configured.served_name) == [MINE]
    add_base(configured.slug, urls=["http://10.0.0.7:8000"])
    assert known_servers().urls(configured.served_name) == [MINE, "http://10.0.0.7:8000"]
    remove_server(THEIRS)
    assert known_servers().urls("llama") == [OTHER]
    with pytest.raises(NotAvailable):
        remove_server(THEIRS)


def test_a_server_that_lacks_something_is_left_out_until_it_has_it(configured: BaseModel) -> None:
    add_base("llama", urls=[THEIRS])
    asker = Scripted({MINE: ("0.32.0", ""), THEIRS: ("0.32.0", "It takes no adapters.")})
    ask_servers(asker)
    table = known_servers()
    assert (table.urls("llama"), table.refusal("llama")) == ([], "It takes no adapters.")
    assert table.urls(configured.served_name) == [MINE]
    asker.servers[THEIRS] = ("0.32.0", "")
    ask_servers(asker)
    assert known_servers().urls("llama") == [THEIRS]


def test_servers_are_asked_when_they_are_new_come_back_or_change() -> None:
    asker = Scripted({MINE: ("0.32.0", "")})

    def asked_now() -> list[str]:
        asker.asked.clear()
        ask_servers(asker)
        return asker.asked[:]

    assert asked_now() == [MINE]
    assert asked_now() == []
    asker.servers[MINE] = (None, "")
    assert asked_now() == []
    assert InferenceServer.objects.get().is_away
    asker.servers[MINE] = ("0.32.0", "")
    assert asked_now() == [MINE]
    asker.servers[MINE] = ("0.33.0", "")
    assert asked_now() == [MINE]
    InferenceServer.objects.update(asked_at=timezone.now() - ASK_AGAIN)
    assert asked_now() == [MINE]


def test_one_that_is_away_keeps_what_it_said() -> None:
    asker = Scripted({MINE: ("0.23.0", "It mixes adapters.")})
    ask_servers(asker)
    asker.servers[MINE] = (None, "")
    ask_servers(asker)
    assert known_servers().problems == {MINE: "It mixes adapters."}
    assert known_servers().size == 0


def test_what_is_left_out_is_told_with_servers_that_do_not_answer() -> None:
    add_base("llama", urls=[THEIRS, OTHER])
    ask_servers(
        Scripted({MINE: (None, ""), THEIRS: (None, ""), OTHER: ("0.23.0", "It mixes adapters.")})
    )
    assert servers_left_out() == {THEIRS: "It does not answer.", OTHER: "It mixes adapters."}
    assert known_servers().size == 2


def test_a_server_that_was_removed_meanwhile_stays_removed() -> None:
    add_base("llama", urls=[THEIRS])

    row = InferenceServer.objects.get(url=THEIRS)
    remove_server(THEIRS)
    bases._note(row, Abilities(version="0.32.0"))
    assert not InferenceServer.objects.filter(url=THEIRS).exists()


def test_servers_that_the_environment_no_longer_names_are_forgotten(settings: Any) -> None:
    ask_servers(Scripted({MINE: ("0.32.0", "")}))
    settings.VLLM_URLS = [OTHER]
    asker = Scripted({MINE: (None, ""), OTHER: ("0.32.0", "")})
    ask_servers(asker)
    InferenceServer.objects.filter(url=MINE).update(
        asked_at=timezone.now() - 2 * ASK_AGAIN - timedelta(seconds=1)
    )
    ask_servers(asker)
    assert [row.url for row in InferenceServer.objects.all()] == [OTHER]


def test_servers_of_the_environment_follow_the_base_that_it_names(
    configured: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_servers(Scripted({MINE: ("0.32.0", "It serves B, not A.")}))
    assert known_servers().urls(configured.served_name) == []
    other = BaseModel.objects.create(slug="other", served_name="other")
    monkeypatch.setattr(settings.ENV, "base_model", other.served_name)
    ask_servers(Scripted({MINE: ("0.32.0", "")}))
    row = InferenceServer.objects.get(url=MINE)
    assert (row.base_model, row.problem) == (other, "")


def test_nothing_is_asked_before_there_is_a_base() -> None:
    BaseModel.objects.all().delete()
    assert ask_servers(Scripted({})) == []


def test_a_base_that_nobody_named_is_asked_for_at_the_shared_servers() -> None:
    assert ServerTable((MINE,)).urls("anything") == [MINE]
    assert (ServerTable(()).count("anything"), ServerTable(()).refusal("anything")) == (
        1,
        NOT_SERVED,
    )


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    asker = Scripted({MINE: ("0.32.0", ""), THEIRS: ("0.23.0", "It mixes adapters.")})
    monkeypatch.setattr(bases, "Asker", lambda key: asker)
    return asker


def test_the_command_says_what_servers_said(scripted: Scripted, folder: Path) -> None:
    out = StringIO()
    call_command(
        "base_model", "add", "llama", f"--folder={folder}", f"--server={THEIRS}", stdout=out
    )
    call_command("base_model", "list", stdout=out)
    told = out.getvalue()
    assert f"server  {THEIRS}  is left out: It mixes adapters." in told
    assert f"server  {MINE}  plays, vLLM 0.32.0, 2048 tokens" in told
    assert "python manage.py seed --base llama" in told
    call_command("base_model", "remove-server", THEIRS, stdout=out)
    call_command("base_model", "retire", "llama", stdout=out)
    assert not BaseModel.objects.get(slug="llama").is_active
    with pytest.raises(CommandError, match="There is no base model nothing"):
        call_command("base_model", "retire", "nothing", stdout=out)


def test_the_admin_page_takes_addresses_as_the_command_does(
    admin_client: Client, configured: BaseModel
) -> None:
    def added(url: str) -> str:
        values = {
            "slug": "smol", "served_name": configured.served_name, "name": "Smol",
            "context_tokens": 2048, "max_lora_rank": 16, "is_active": "on",
            "servers-TOTAL_FORMS": 1, "servers-INITIAL_FORMS": 0, "servers-0-url": url,
        }  # fmt: skip
        page = f"/admin/agents/basemodel/{configured.pk}/change/"
        return admin_client.post(page, values).content.decode()

    assert "without a path" in added(f"{THEIRS}/v1")
    assert not configured.servers.exists()
    added(f"{THEIRS}/")
    assert configured.servers.get().url == THEIRS
