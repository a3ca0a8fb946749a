"""Two base models on three real servers: matches go where their base is, also when a server dies."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from agents.adapters.checks import BadAdapter, check_adapter
from agents.inference.abilities import PROBE_TEXT, Asker, Wanted
from agents.inference.bases import add_base, ask_servers
from agents.inference.client import Inference, Sampling, ServedModel
from agents.inference.table import ServerTable, known_servers
from agents.tokens import text_ids
from arena.config.env import REPOSITORY, Variables
from arena.config.gpu.hardware import Hardware
from arena.config.supervisor.machine import free_port
from arena.config.supervisor.servers import commands
from arena.credits import ledger
from arena.matches import judging, play, runner, seating
from arena.models import Completion, Match, Space
from arena.states import MatchStatus
from arena.tests.builders import enter, make_agent, make_base_model, make_space, make_user
from arena.tests.system.product import Product, wait_for

pytestmark = [pytest.mark.vllm, pytest.mark.django_db(transaction=True)]

LLAMA = "tiny-llama"
START_SECONDS = 240.0
SHORT: dict[str, Any] = {"round_count": 1, "max_tokens": 8}
# A random Llama whose tokenizer adds a beginning token, and an adapter for it.
MAKE = """
import json, sys
from pathlib import Path
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM

folder = Path(sys.argv[1])
letters = sorted(pre_tokenizers.ByteLevel.alphabet())
tokenizer = Tokenizer(models.BPE(vocab={each: i for i, each in enumerate(letters)}, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.add_special_tokens([AddedToken(one, special=True) for one in ("<s>", "</s>")])
begin = tokenizer.token_to_id("<s>")
tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", begin)])
folder.mkdir(parents=True)
tokenizer.save(str(folder / "tokenizer.json"))
(folder / "chat_template.jinja").write_text(
    "{{ bos_token }}{% for one in messages %}{{ one['role'] + ':' + one['content'] + '</s>' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
(folder / "tokenizer_config.json").write_text(json.dumps({
    "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}))
torch.manual_seed(1)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=320, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=2, max_position_embeddings=2048, bos_token_id=begin,
    eos_token_id=tokenizer.token_to_id("</s>")))
model.save_pretrained(folder)
get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"])).save_pretrained(sys.argv[2])
"""


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The base's folder and an adapter's."""
    home = tmp_path_factory.mktemp("bases")
    folder, adapter = home / LLAMA, home / "adapter"
    made = [sys.executable, "-c", MAKE, str(folder), str(adapter)]
    subprocess.run(made, check=True, timeout=START_SECONDS, cwd=REPOSITORY)
    return folder, adapter


class _Server:
    """A vLLM server as the supervisor starts one, beside the product's."""

    def __init__(self, environment: Variables, *, key: str) -> None:
        self.url = f"http://127.0.0.1:{free_port('127.0.0.1', 0)}"
        ((self._command, variables),) = commands(environment, urls=[self.url], hardware=Hardware())
        self._environ = {**os.environ, **variables, "VLLM_API_KEY": key}
        self._environ["VLLM_CPU_KVCACHE_SPACE"] = "1"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            env=self._environ,
            cwd=REPOSITORY,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def wait(self) -> None:
        wait_for(f"the server at {self.url}", lambda: self.is_up() or None, seconds=START_SECONDS)

    def kill(self) -> None:
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def played(space: Space) -> list[Completion]:
    """The answers of a match in this Space, played as a worker plays it."""
    for _ in range(space.seat_count):
        agent = make_agent(make_user(credits=100))
        agent.base_model = space.base_model
        agent.save()
        enter(agent, space)
    (match_id,) = seating.seat_matches(space.id, rng=Random(1))
    owner = uuid.uuid4()
    assert play.claim_match(match_id, owner=owner)
    runner.play_match(match_id, owner=owner)
    match = Match.objects.get(id=match_id)
    for round_id in match.rounds.values_list("id", flat=True):
        judging.judge_round(round_id)
    match.refresh_from_db()
    ended = match.events.order_by("seq").last()
    assert match.status == MatchStatus.SETTLED, ended and ended.payload
    return list(Completion.objects.filter(round__match=match))


def test_matches_go_to_the_servers_of_their_base(
    product: Product, llama: tuple[Path, Path], settings: Any
) -> None:
    folder, adapter = llama
    environ = product.environ_of_another
    settings.VLLM_URLS = environ["VLLM_URL"].split(",")
    settings.VLLM_API_KEY = key = environ.get("VLLM_API_KEY", "")
    settings.BASE_MODEL_PATH = Path(environ["BASE_MODEL_PATH"])
    chosen = Variables(_env_file=None).model_copy(
        update={"base_model_path": settings.BASE_MODEL_PATH}
    )
    smol = make_base_model()
    smol.served_name, smol.path = chosen.base_model, str(settings.BASE_MODEL_PATH)
    smol.save()
    second = _Server(chosen, key=key)
    tiny = _Server(
        chosen.model_copy(update={"base_model": LLAMA, "base_model_path": folder}), key=key
    )
    with ExitStack() as running:
        for server in (second, tiny):
            running.callback(server.kill)
            server.start()
        for server in (second, tiny):
            server.wait()

        base = add_base(LLAMA, folder=folder, urls=[tiny.url])
        add_base(smol.slug, urls=[second.url])
        assert {row.url: row.problem for row in ask_servers()} == {
            settings.VLLM_URLS[0]: "",
            second.url: "",
            tiny.url: "",
        }
        assert known_servers().urls(smol.served_name) == [settings.VLLM_URLS[0], second.url]

        # A server of another base under a known name is found out by the tokens of a text.
        asker = Asker(key)
        running.callback(asker.close)
        known_as = Wanted(LLAMA, smol.context_tokens, text_ids(smol, PROBE_TEXT))
        assert "it has another base model" in asker.abilities(tiny.url, known_as).problem

        begin = text_ids(base, "<s>")
        # Long answers: of a few random bytes, none may be a word, and so no answer.
        answers = played(make_space(base_model=base, **SHORT | {"max_tokens": 64, "seat_count": 4}))
        assert {tuple(one.prompt_token_ids[:1]) for one in answers} == {tuple(begin or ())}
        spaces = make_space(base_model=smol, **SHORT)
        assert all(one.token_ids for one in played(spaces))

        # An adapter loads where its base is. vLLM takes a smaller base's adapter without a word, so
        # the store refuses it: docs/decisions/many-bases.md
        assert asyncio.run(loaded(ServedModel(LLAMA, "agent-1.v2", adapter), known_servers()))
        with pytest.raises(BadAdapter):
            check_adapter(adapter, base_folder=settings.BASE_MODEL_PATH)

        # One that dies is left out, and comes back.
        second.kill()
        assert all(one.token_ids for one in played(spaces))
        assert [row.url for row in ask_servers() if row.is_away] == [second.url]
        second.start()
        second.wait()
        assert not [row.url for row in ask_servers() if row.is_away or row.problem]
    assert ledger.audit().problems == ()


async def loaded(model: ServedModel, servers: ServerTable) -> str:
    """Its first words, with its adapter on each of its servers."""
    async with Inference(servers) as inference:
        await inference.ensure_adapter(model)
        asked = [{"role": "user", "content": "Yes?"}]
        return (await inference.generate(model, asked, Sampling(max_tokens=8))).text
