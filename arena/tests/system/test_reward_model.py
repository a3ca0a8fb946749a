"""A reward model on a real vLLM server: what it is asked, and what its numbers come to."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pytest_django import Settings

from arena.config.env import REPOSITORY, Variables
from arena.config.supervisor.machine import free_port
from arena.panels.tools import build_tools
from arena.tests.system.product import wait_for
from judges.call import cast_vote
from judges.models import Endpoint, JudgeKind
from judges.tests.builders import make_answer, make_transcript

pytestmark = [pytest.mark.vllm, pytest.mark.django_db(transaction=True)]

START_SECONDS = 240.0
PROMPT = "Why do cats purr?"
ANSWERS = (
    "Often because they are content.",
    "Dogs bark.",
    "x",
    "It is a sound of comfort, mostly.",
)
# A random classifier of sequences with one label, and what it says of the conversations.
MAKE = """
import json, sys
from pathlib import Path
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

folder, prompt, answers = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
letters = sorted(pre_tokenizers.ByteLevel.alphabet())
tokenizer = Tokenizer(models.BPE(vocab={each: i for i, each in enumerate(letters)}, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.add_special_tokens([AddedToken(one, special=True) for one in ("<pad>", "</s>")])
folder.mkdir(parents=True)
tokenizer.save(str(folder / "tokenizer.json"))
(folder / "chat_template.jinja").write_text(
    "{% for one in messages %}{{ one['role'] + ':' + one['content'] + '</s>' }}{% endfor %}")
(folder / "tokenizer_config.json").write_text(json.dumps({
    "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "</s>"}))
torch.manual_seed(1)
model = LlamaForSequenceClassification(LlamaConfig(
    vocab_size=320, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=2, max_position_embeddings=2048, num_labels=1, initializer_range=0.2,
    pad_token_id=tokenizer.token_to_id("<pad>"), eos_token_id=tokenizer.token_to_id("</s>"))).eval()
model.save_pretrained(folder)
read = AutoTokenizer.from_pretrained(folder)
logits = []
for answer in answers:
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    ids = read.apply_chat_template(turns, return_tensors="pt", return_dict=True)["input_ids"]
    with torch.inference_mode():
        logits.append(model(ids).logits.item())
print(json.dumps(logits))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """Its folder, and its number for each answer as transformers computes it."""
    folder = tmp_path_factory.mktemp("reward") / "judge"
    command = [sys.executable, "-c", MAKE, str(folder), PROMPT, *ANSWERS]
    made = subprocess.run(
        command, check=True, timeout=START_SECONDS, cwd=REPOSITORY, capture_output=True, text=True
    )
    return folder, json.loads(made.stdout)


@pytest.fixture(scope="module")
def url(model: tuple[Path, list[float]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, _ = model
    port = free_port("127.0.0.1", 0)
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", "reward", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--runner", "pooling", "--convert", "classify", "--dtype", "float32"]
    command += ["--max-model-len", "1024", "--enforce-eager"]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
            cwd=folder.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"

    def is_up() -> bool | None:
        assert server.poll() is None, log.read_text()[-4_000:]
        try:
            return httpx.get(f"{address}/health", timeout=2).is_success or None
        except httpx.HTTPError:
            return None

    try:
        wait_for("the reward model's server", is_up, seconds=START_SECONDS)
        yield address
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.mark.parametrize("route", ["classify", "pooling"])
def test_answers_are_ranked_as_the_model_ranks_them(
    route: str, url: str, model: tuple[Path, list[float]], settings: Settings
) -> None:
    settings.ENV = Variables(outbound_allowed_hosts=[url.removeprefix("http://")])
    Endpoint.objects.create(slug="reward", url=url, model="reward")
    transcript = make_transcript(
        *(make_answer(seat, text) for seat, text in enumerate(ANSWERS)), prompt=PROMPT
    )
    ballot = asyncio.run(
        cast_vote(
            JudgeKind.REWARD, {"endpoints": ["reward"], "route": route}, transcript, build_tools()
        )
    )
    assert ballot.error == ""
    _, logits = model
    by_model = sorted(range(len(ANSWERS)), key=logits.__getitem__)
    assert sorted(ballot.scores, key=ballot.scores.__getitem__) == by_model
    assert len(set(ballot.scores.values())) == len(ANSWERS)
