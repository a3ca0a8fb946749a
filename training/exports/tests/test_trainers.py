"""What is exported loads in one line and trains in TRL, with the token ids that were sampled."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.exports.folders import export_folder
from training.exports.tests.orders import order, rows_of, written
from training.exports.tests.tiny import END, letters_of, play, tiny_base

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TIMEOUT_SECONDS = 240
TEXTS = [
    "abab",
    "two\u2028lines",
    "\u0645\u0631\u062d\u0628\u0627",
    "\U0001f600 ab",
    "ab <|im_end|> ab",
]

TRAIN = """
import json, os, sys
told = json.loads(sys.argv[1])
os.environ["HF_HOME"] = told["output"]
from datasets import concatenate_datasets, load_dataset
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer

tokenizer = AutoTokenizer.from_pretrained(told["base"])
found = {}

def model():
    made = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2,
    ))
    made.name_or_path = told["base"]
    return made

def loaded(name):
    both = [load_dataset(folder, split="train") for folder in told["exports"][name]]
    return concatenate_datasets(both)

def settings(kind, **more):
    return kind(told["output"], use_cpu=True, bf16=False, report_to="none", save_strategy="no", max_steps=1,
                gradient_checkpointing=False, **more)

for name in ("preference-jsonl", "preference-parquet", "preference-plain-parquet"):
    rows = loaded(name)
    trainer = DPOTrainer(model=model(), ref_model=model(), args=settings(DPOConfig, max_length=None),
                         train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    found[name] = {
        "steps": trainer.state.global_step,
        "rows": [
            {key: row[key] for key in ("prompt_ids", "chosen_ids", "rejected_ids")} | {"pair": row["pair"]}
            for row in trainer.train_dataset
        ],
    }

trainer = KTOTrainer(model=model(), ref_model=model(),
                     args=settings(KTOConfig, max_length=None, per_device_train_batch_size=4),
                     train_dataset=loaded("unpaired-parquet"), processing_class=tokenizer)
trainer.train()
found["unpaired-parquet"] = {"steps": trainer.state.global_step}
open(told["found"], "w").write(json.dumps(found))
"""


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> None:
    settings.EXPORT_STORE = tmp_path / "exports"


def test_two_exports_load_together_and_train_with_the_ids_that_were_sampled(tmp_path: Path) -> None:
    from training.trainers.tests.builders import trainers  # noqa: PLC0415 torch takes seconds

    base = tiny_base(tmp_path / "base")
    # The second "abab" was sampled letter by letter, and the last text's "<|im_end|>" as letters, too.
    odd = [letters_of(base, text) for text in ("abab", TEXTS[-1])]
    plain = play(base, TEXTS[:-1])
    other = play(base, ["abab", TEXTS[-1]], ids=odd, allowed=True)
    kinds = (
        ("preference", "jsonl"),
        ("preference", "parquet"),
        ("preference-plain", "parquet"),
        ("unpaired", "parquet"),
    )
    exports = {
        f"{format}-{container}": [
            written(order(agent, format=format, container=container)) for agent in (plain, other)
        ]
        for format, container in kinds
    }
    told = {
        "base": str(base.folder),
        "output": str(tmp_path / "output"),
        "found": str(tmp_path / "found.json"),
        "exports": {
            name: [str(export_folder(one.pk)) for one in those] for name, those in exports.items()
        },
    }
    done = trainers().start(("-c", TRAIN, json.dumps(told)), log=tmp_path / "log")
    assert done.wait(timeout_seconds=TIMEOUT_SECONDS) == 0, done.output[-3000:]

    found = json.loads((tmp_path / "found.json").read_text())
    assert {one["steps"] for one in found.values()} == {1}
    for name in ("preference-jsonl", "preference-parquet", "preference-plain-parquet"):
        stored = {row["pair"]: row for one in exports[name] for row in rows_of(one)}
        read = {row["pair"]: row for row in found[name]["rows"]}
        assert read.keys() == stored.keys()
        for pair, row in stored.items():
            same = [
                read[pair]["prompt_ids"] == row["prompt_token_ids"],
                *(
                    read[pair][f"{each}_ids"][: len(row[f"{each}_token_ids"])]
                    == row[f"{each}_token_ids"]
                    for each in ("chosen", "rejected")
                ),
            ]
            assert row["reads_as_sampled"] == all(same), (name, row)
        assert sum(row["reads_as_sampled"] for row in stored.values()) == len(TEXTS) - 1


def test_ids_say_what_was_sampled_where_control_tokens_stand_in_a_text(tmp_path: Path) -> None:
    from tokenizers import Tokenizer  # noqa: PLC0415 only here

    base = tiny_base(tmp_path / "base")
    text = TEXTS[-1]
    agent = play(base, [text], ids=[letters_of(base, text)])
    (row,) = rows_of(written(order(agent)))
    tokenizer = Tokenizer.from_file(str(tmp_path / "base" / "tokenizer.json"))
    whole = tokenizer.decode(row["chosen_token_ids"], skip_special_tokens=False)
    assert whole == text + END
    assert "<|im_end|>" not in row["chosen"][0]["content"], "no answer ends its own turn"
    assert not row["reads_as_sampled"]
