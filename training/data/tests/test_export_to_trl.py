"""What an owner downloads is what TRL's own trainer takes."""

from pathlib import Path

import pytest

from training.data.dataset import json_lines
from training.data.harvest import harvest_matches
from training.data.pair_dataset import export_pairs
from training.tests.builders import make_agent, make_match

TIMEOUT_SECONDS = 240

LOAD_AS_TRL_DOES = """
import os, sys
os.environ["HF_HOME"] = sys.argv[3]
from datasets import load_dataset
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import DPOConfig, DPOTrainer

base, export, output = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(base)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
    num_attention_heads=2, num_key_value_heads=2,
))
model.name_or_path = base
trainer = DPOTrainer(
    model=model, ref_model=LlamaForCausalLM(model.config),
    args=DPOConfig(output, use_cpu=True, bf16=False, report_to="none", save_strategy="no",
                   max_steps=1, gradient_checkpointing=False),
    train_dataset=load_dataset("json", data_files=export, split="train", cache_dir=output),
    processing_class=tokenizer,
)
trainer.train()
print("steps", trainer.state.global_step)
"""


@pytest.mark.slow
@pytest.mark.django_db
def test_trl_trains_on_an_export_as_it_is(base_model: Path, tmp_path: Path) -> None:
    from training.trainers.tests.builders import trainers  # noqa: PLC0415 torch takes seconds

    agent = make_agent()
    make_match([agent, make_agent()], [{0: 0, 1: 1.0}, {0: 0.75, 1: 0.5}, {0: 0.1, 1: 1}])
    harvest_matches()
    (tmp_path / "pairs.jsonl").write_bytes(
        b"".join(json_lines(export_pairs(agent.pk, viewer=agent.owner_id)))
    )
    arguments = [str(base_model), str(tmp_path / "pairs.jsonl"), str(tmp_path / "output")]
    done = trainers().start(("-c", LOAD_AS_TRL_DOES, *arguments), log=tmp_path / "log")
    assert done.wait(timeout_seconds=TIMEOUT_SECONDS) == 0, done.output[-3000:]
    assert "steps 1" in done.output
