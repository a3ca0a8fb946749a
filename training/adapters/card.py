"""The README of an adapter that its owner takes home: what it is, where it comes from, how it did. Pure.

Its head is the YAML that the Hugging Face hub reads. Names that people chose are data: they are quoted in
the YAML and escaped in the text.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from training.gate.figures import Probe
from training.gate.record import GateRecord

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~&-])")


@dataclass(frozen=True)
class Ancestor:
    """A version in the line of descent; what belongs to a run is empty where no run made it."""

    number: int
    origin: str
    parent_number: int | None
    run_id: int | None = None
    method: str = ""
    space: str = ""
    manifest_digest: str = ""


@dataclass(frozen=True)
class CardFacts:
    """What the card says of one version."""

    agent: str
    number: int
    base: str  # as adapter_config.json names it
    is_hub_name: bool
    licence: str  # of the base; empty: not known
    digest: str
    rank: int
    alpha: int
    target_modules: Sequence[str]
    size_bytes: int
    line: Sequence[Ancestor]  # the version first, then its parent, and so on
    gate: GateRecord | None  # of the run that made it


def card_of(facts: CardFacts) -> str:
    """The README.md, in Markdown."""
    parts = [_head(facts), _introduction(facts), _use(facts), _lineage(facts)]
    parts += [_exam(facts.gate, facts.number, facts.line[0].parent_number)] if facts.gate else []
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text that somebody chose, as Markdown that shows it and does nothing."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _head(facts: CardFacts) -> str:
    # JSON's strings are YAML's, too.
    lines = [
        *([f"base_model: {json.dumps(facts.base)}"] if facts.is_hub_name else []),
        "library_name: peft",
        "pipeline_tag: text-generation",
        "tags:",
        *(f"- {tag}" for tag in ("lora", "rlfc-arena", *_methods(facts.line))),
        f"license: {facts.licence or 'other'}",
        f"model_name: {json.dumps(f'{facts.agent} v{facts.number}')}",
    ]
    return "\n".join(["---", *lines, "---"])


def _methods(line: Sequence[Ancestor]) -> list[str]:
    return sorted({one.method for one in line if one.method})


def _introduction(facts: CardFacts) -> str:
    base = (
        f"[{facts.base}](https://huggingface.co/{facts.base})" if facts.is_hub_name else "its base"
    )
    lines = [
        f"# {escaped(facts.agent)}, version {facts.number}",
        "",
        f"LoRA weights over {base}, from RLFC Arena, where agents learn from matches against each other.",
    ]
    if not facts.is_hub_name:
        lines += [
            "",
            f"The site serves the base model as `{facts.base.replace('`', '')}`, and its name on the hub is "
            + "not known there. Put the name or the folder of the same model into "
            + "`base_model_name_or_path` of `adapter_config.json`.",
        ]
    licence = f"`{facts.licence}`" if facts.licence else "not known to the site"
    modules = ", ".join(facts.target_modules)
    return "\n".join(
        [
            *lines,
            "",
            f"- Rank {facts.rank}, alpha {facts.alpha}, on {modules}; {facts.size_bytes:,} bytes",
            f"- SHA-256 of `adapter_model.safetensors`: `{facts.digest}`",
            f"- Licence of the base model: {licence}. The adapter is its owner's, who may choose another.",
        ]
    )


def _use(facts: CardFacts) -> str:
    return f"""## Use

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained({json.dumps(facts.base)})
model = PeftModel.from_pretrained(base, ".")  # this folder
```

With vLLM, which must allow this rank:

```sh
vllm serve {facts.base} --enable-lora --max-lora-rank {max(8, facts.rank)} --lora-modules mine=.
```

`version.json` has the prompt, which goes first as the system message, and the sampling settings that this
version plays with. Without them it answers otherwise than in its matches."""


def _lineage(facts: CardFacts) -> str:
    spaces = sorted({one.space for one in facts.line if one.space})
    lines = ["## Where it comes from", ""]
    if spaces:
        lines += [f"It learned in: {', '.join(map(escaped, spaces))}.", ""]
    lines += ["| version | came to be | run | manifest of the run, SHA-256 |", "|---|---|---|---|"]
    return "\n".join([*lines, *map(_row, facts.line)])


def _row(one: Ancestor) -> str:
    came = {"created": "created", "edited": f"edited from v{one.parent_number}"}.get(one.origin)
    if one.origin == "uploaded":
        came = f"uploaded over v{one.parent_number}"
    elif one.origin == "trained":
        how = f" by {one.method}" if one.method else ""
        where = f" in {escaped(one.space)}" if one.space else ""
        came = f"trained from v{one.parent_number}{how}{where}"
    digest = f"`{one.manifest_digest}`" if one.manifest_digest else ""
    return f"| v{one.number} | {came} | {one.run_id or ''} | {digest} |"


def _exam(gate: GateRecord, number: int, parent_number: int | None) -> str:
    own, decision = gate.own, gate.own.decision
    lines = [
        "## How it did at the gate",
        "",
        f"Both versions answered the same held-out tasks. It {'passed' if gate.passed else 'did not pass'}.",
        "",
        f"| exam | tasks | v{parent_number}, mean score | v{number}, mean score | difference | bound |",
        "|---|---|---|---|---|---|",
        f"| its own Space | {own.tasks} | {own.parent.mean:.3f} | {own.child.mean:.3f} | "
        + f"{decision.difference:+.3f} | above {decision.lower_bound:+.3f} with "
        + f"{decision.confidence:.0%} confidence |",
        *map(_probe_row, gate.probes),
        "",
        "Bounds are one-sided, from a bootstrap over the tasks.",
    ]
    if gate.refusals:
        lines += ["", *(f"- {escaped(sentence)}" for sentence in gate.refusals)]
    return "\n".join(lines)


def _probe_row(probe: Probe) -> str:
    name = escaped(probe.name)
    if probe.probed is None:
        return f"| {name} | {probe.tasks} | | | | {escaped(probe.problem)} |"
    figures, decision = probe.probed, probe.probed.decision
    return (
        f"| {name} | {probe.tasks} | {figures.parent:.3f} | {figures.child:.3f} | "
        f"{decision.difference:+.3f} to its {figures.than} | below {decision.upper_bound:+.3f} with "
        f"{decision.confidence:.0%} confidence |"
    )
