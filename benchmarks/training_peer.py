"""The peer of benchmarks.training: TRL's DPOTrainer on one of our job folders.

python -m benchmarks.training_peer [--keep-activations] FOLDER

With its defaults, which recompute activations in the backward pass, or keeping activations. One
default is changed: like ours, it computes in bf16 only if the machine multiplies that natively,
because an emulated step takes minutes.
"""

import resource
import sys
import time
from pathlib import Path

import torch
from datasets import Dataset, load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig as TrlDPOConfig
from trl import DPOTrainer

from training.methods.dpo import DPOConfig
from training.trainers.model.base_model import choose_device, compute_dtype
from training.trainers.job import JOB_FILE, Job, write_result
from training.trainers.policy import ADAM_BETAS
from training.trainers.watch import step_back


class TokenIdTrainer(DPOTrainer):  # type: ignore[misc]  # TRL has no types
    """Takes our token ids unchanged, so that both sides see the same ones."""

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset


def main(folder: Path, *, keeps_activations: bool) -> None:
    job = Job.read(folder / JOB_FILE)
    config = job.config
    assert isinstance(config, DPOConfig)
    step_back()
    torch.set_num_threads(job.threads)
    device = choose_device(job.device)
    dtype = compute_dtype(device)
    trainer = TokenIdTrainer(
        model=AutoModelForCausalLM.from_pretrained(job.base_path, dtype=dtype),
        args=TrlDPOConfig(
            output_dir=str(folder / "trl"),
            loss_type=["sigmoid", "sft"],
            loss_weights=[config.preference_weight, config.sft_weight],
            beta=config.beta,
            max_length=config.max_length,
            num_train_epochs=config.epochs,
            per_device_train_batch_size=config.pairs_per_step,
            learning_rate=config.learning_rate,
            adam_beta1=ADAM_BETAS[0],
            adam_beta2=ADAM_BETAS[1],
            max_grad_norm=config.clip,
            seed=config.seed,
            gradient_checkpointing=not keeps_activations,
            bf16=dtype is torch.bfloat16,
            use_cpu=device.type == "cpu",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=load_dataset(
            "json", data_files=job.dataset_path, split="train", cache_dir=str(folder)
        ),
        processing_class=AutoTokenizer.from_pretrained(job.base_path),
        peft_config=LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated(device)
    write_result(folder, {"seconds": seconds, "peak_memory_bytes": memory})


if __name__ == "__main__":
    main(Path(sys.argv[-1]), keeps_activations="--keep-activations" in sys.argv)
