"""QLoRA DPO of one adapter, as a process of its own: `python -m training.trainers.dpo JOB.toml`.

The base is frozen, in nf4 (Dettmers et al. 2023, arXiv:2305.14314) or bf16; only LoRA weights
learn, by TRL's DPOTrainer. The reference policy is the parent that played: for a first adapter
the base (adapter switched off), later a frozen copy of the parent's adapter. Its log-probabilities
are computed once before the first step. Not resumed: a trainer that dies starts over.
"""

import json
import math
import os
import resource
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import DPOConfig as TrlDPOConfig
from trl import DPOTrainer

from training.configs import ATTENTION_MODULES, DPOConfig, Precision, Targets
from training.trainers.job import (
    ADAPTER_FOLDER,
    PROGRESS_FILE,
    Job,
    write_result,
)
from training.trainers.watch import die_with, step_back

ADAM_BETAS = (0.9, 0.99)
MICRO_BATCH_PAIRS = 4  # at once in memory; more pairs a step accumulate
MAX_LOSS_RISE = 8.0  # above the first step's loss; a run that climbs this far has diverged
EXIT_REFUSED = 3  # result.json holds the sentence


class TrainingStopped(Exception):
    """Training cannot go on; `str(error)` is a sentence for the agent's owner."""


def main(arguments: list[str]) -> int:
    job_path = Path(arguments[0])
    folder = job_path.parent
    job = Job.read(job_path)
    step_back()
    if job.worker_pid:
        die_with(job.worker_pid)
    try:
        result = train(job, folder)
    except TrainingStopped as error:
        write_result(folder, {"error": str(error)})
        return EXIT_REFUSED
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        sentence = (
            "Training ran out of memory; try a lower rank, fewer pairs a step, a shorter longest "
            "sequence or nf4. The parent version stays."
        )
        write_result(folder, {"error": sentence})
        return EXIT_REFUSED
    write_result(folder, result)
    return 0


def train(job: Job, folder: Path) -> dict[str, Any]:
    """Train and save `folder`/adapter; return what result.json holds. Raises TrainingStopped."""
    started = time.monotonic()
    torch.set_num_threads(job.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    with (folder / PROGRESS_FILE).open("w") as file:
        progress = _Progress(file)
        progress.stage("loading the base model")
        trainer = _make_trainer(job, folder, progress)
        progress.stage("training")
        trainer.train()
    _save_adapter(trainer.model, folder)
    return {
        "steps": trainer.state.global_step,
        "loss_first": progress.losses[0],
        "loss_last": progress.losses[-1],
        "tokens": progress.tokens,
        "seconds": round(time.monotonic() - started, 2),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _make_trainer(job: Job, folder: Path, progress: "_Progress") -> DPOTrainer:
    config = job.config
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(job.base_path)
    if tokenizer.chat_template is None:
        raise TrainingStopped("The base model's tokenizer has no chat template.")
    base = _load_base(job)
    is_first = not job.parent_adapter_path
    model: PreTrainedModel | PeftModel = base
    if not is_first:
        model = PeftModel.from_pretrained(base, job.parent_adapter_path, is_trainable=True)
    start = {} if is_first else _trainable(model)
    dataset = _load_pairs(Path(job.dataset_path))
    progress.stage("reading the pairs as the parent")
    try:
        trainer = DPOTrainer(
            model=model,
            args=_trl_arguments(config, folder=folder, uses_cpu=_device(job) == "cpu"),
            train_dataset=dataset,
            processing_class=tokenizer,
            peft_config=_lora(config) if is_first else None,
            callbacks=[progress],
        )
    except ValueError as error:
        if "Target modules" in str(error):
            raise TrainingStopped(
                f"The base model has no layers that {config.target_modules} could adapt."
            ) from error
        raise
    if len(trainer.train_dataset) == 0:
        raise TrainingStopped(
            f"Every prompt fills the longest sequence of {config.max_length} tokens; raise it."
        )
    _check_differentiable(trainer.model)
    _use_float32(trainer.model, start=start)
    if "ref" in trainer.model.peft_config:  # its log-probabilities are computed by now
        trainer.model.delete_adapter("ref")
    return trainer


def _load_base(job: Job) -> PreTrainedModel:
    quantization = (
        BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        if job.config.precision is Precision.NF4
        else None
    )
    model = AutoModelForCausalLM.from_pretrained(
        job.base_path,
        dtype=torch.bfloat16,
        quantization_config=quantization,
        device_map={"": _device(job)},
        local_files_only=True,
    )
    model.config.use_cache = False
    # In evaluation mode bitsandbytes repacks nf4 weights of a CPU with AVX512-BF16 at the first
    # forward pass, into a layout whose product has no gradient: everything below the last
    # layer would silently learn nothing. TRL's reference pass comes before train().
    model.train()
    return model


def _check_differentiable(model: torch.nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if getattr(getattr(parameter, "quant_state", None), "packing_format_for_cpu", False):
            raise RuntimeError(f"{name} is packed for inference: gradients would be wrong")


def _trl_arguments(config: DPOConfig, *, folder: Path, uses_cpu: bool) -> TrlDPOConfig:
    micro_batch = next(
        size for size in range(MICRO_BATCH_PAIRS, 0, -1) if config.pairs_per_step % size == 0
    )
    return TrlDPOConfig(
        output_dir=str(folder / "trainer"),
        loss_type=["sigmoid", "sft"] if config.sft_weight else ["sigmoid"],
        loss_weights=[1.0, config.sft_weight] if config.sft_weight else [1.0],
        beta=config.beta,
        precompute_ref_log_probs=True,
        max_length=config.max_length,
        num_train_epochs=config.epochs,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=config.pairs_per_step // micro_batch,
        learning_rate=config.learning_rate,
        lr_scheduler_type="constant",
        adam_beta1=ADAM_BETAS[0],
        adam_beta2=ADAM_BETAS[1],
        max_grad_norm=config.clip,
        seed=config.seed,
        data_seed=config.seed,
        bf16=True,
        gradient_checkpointing=False,
        use_cpu=uses_cpu,
        logging_steps=1,
        logging_nan_inf_filter=False,  # the guard must see them
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        push_to_hub=False,
        dataloader_pin_memory=False,
    )


def _lora(config: DPOConfig) -> LoraConfig:
    return LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=0.0,
        target_modules=(
            "all-linear" if config.target_modules is Targets.ALL_LINEAR else [*ATTENTION_MODULES]
        ),
        task_type="CAUSAL_LM",
    )


def _load_pairs(path: Path) -> Dataset:
    pairs = [json.loads(line) for line in path.read_text().splitlines()]
    if not pairs:
        raise TrainingStopped("There are no pairs to learn from.")
    return Dataset.from_list(pairs)


def _trainable(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: parameter.detach().clone()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def _use_float32(model: torch.nn.Module, *, start: Mapping[str, torch.Tensor]) -> None:
    # TRL rounds the adapter of a quantized base to bf16, in which small steps vanish. The
    # optimizer is made later, in train(), so it sees these.
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data = start.get(name, parameter.data).to(torch.float32)


def _save_adapter(model: PeftModel, folder: Path) -> None:
    partial = folder / f".{ADAPTER_FOLDER}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        model.save_pretrained(str(partial), selected_adapters=["default"])
        for file in partial.iterdir():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
    except OSError as error:
        raise TrainingStopped(
            f"The adapter could not be saved ({error.strerror}). The parent version stays."
        ) from error
    shutil.rmtree(folder / ADAPTER_FOLDER, ignore_errors=True)
    partial.rename(folder / ADAPTER_FOLDER)


class _Progress(TrainerCallback):
    """Writes a line a step, and stops a run that diverges."""

    def __init__(self, file: TextIO) -> None:
        self.losses: list[float] = []
        self.tokens = 0
        self._file = file
        self._started = self._step_started = time.monotonic()

    def stage(self, name: str) -> None:
        self._started = time.monotonic()
        self._write({"stage": name})

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._step_started = time.monotonic()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if logs is None or "loss" not in logs:
            return
        now = time.monotonic()
        seconds = now - self._started
        tokens, self.tokens = int(logs["num_tokens"]) - self.tokens, int(logs["num_tokens"])
        loss, grad_norm = float(logs["loss"]), float(logs["grad_norm"])
        self._check(loss, grad_norm, step=state.global_step)
        self.losses.append(loss)
        self._write(
            {
                "step": state.global_step,
                "steps": state.max_steps,
                "loss": round(loss, 5),
                "reward_margin": round(logs["rewards/margins"], 5),
                "accuracy": round(logs["rewards/accuracies"], 4),
                "grad_norm": round(grad_norm, 4),
                "tokens_per_second": round(tokens / (now - self._step_started), 1),
                "seconds": round(seconds, 1),
                "remaining_seconds": round(
                    seconds / state.global_step * (state.max_steps - state.global_step), 1
                ),
            }
        )

    def _check(self, loss: float, grad_norm: float, *, step: int) -> None:
        advice = "Try a lower learning rate. The parent version stays."
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            raise TrainingStopped(
                f"Training diverged at step {step}: the loss or its gradient is not a finite "
                f"number. {advice}"
            )
        if self.losses and loss > self.losses[0] + MAX_LOSS_RISE:
            raise TrainingStopped(
                f"Training diverged at step {step}: the loss rose from {self.losses[0]:.2f} to "
                f"{loss:.2f}. {advice}"
            )

    def _write(self, line: Mapping[str, object]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def _device(job: Job) -> str:
    if job.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if job.device == "cuda" and not torch.cuda.is_available():
        raise TrainingStopped("TRAIN_DEVICE is cuda, but no GPU can be used here.")
    return job.device


def _is_out_of_memory(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, MemoryError) or "can't allocate" in text or "out of memory" in text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
