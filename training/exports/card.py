"""The README of an export: what people and the Hugging Face hub read of it.

https://huggingface.co/docs/hub/datasets-cards; the fields of its head are those of
https://github.com/huggingface/hub-docs/blob/main/datasetcard.md
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arena.states import DataLicence
from training.exports.formats.base import Format
from training.exports.formats.columns import ColumnType, ListOf, Scalar, Struct, described

CARD_FILE = "README.md"
# Up to so many rows; the hub's names of sizes.
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_LARGER = "10M<n<100M"
_NAMED = {
    DataLicence.CC0: "CC0 1.0",
    DataLicence.CC_BY: "CC BY 4.0",
    DataLicence.CC_BY_SA: "CC BY-SA 4.0",
}
_PATTERN = "data/train-*"


def card_of(manifest: Mapping[str, Any], *, chosen: Format) -> str:
    """The card of the export with this manifest."""
    return f"---\n{_head(manifest, chosen)}---\n\n" + "\n".join(_body(manifest, chosen))


def licence_of(licences: Sequence[str]) -> str:
    """The hub's name of what several Spaces' licences come to: `other` unless it is one."""
    named = set(licences)
    return named.pop() if len(named) == 1 and "" not in named else "other"


def _head(manifest: Mapping[str, Any], chosen: Format) -> str:
    """YAML, of which JSON is a part: so that no name in it is read as anything else."""
    suffix = manifest["container"]
    rows, size = manifest["rows"], manifest["size_bytes"]
    head = {
        "pretty_name": _title(manifest),
        "license": licence_of([one["licence"] for one in manifest["spaces"]]),
        "size_categories": [next((name for most, name in _SIZES if rows < most), _LARGER)],
        "task_categories": ["text-generation"],
        "tags": ["rlfc", "preference", chosen.name],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": f"{_PATTERN}.{suffix}"}],
            }
        ],
        "dataset_info": {
            "features": [{"name": one.name, **_feature(one.type)} for one in chosen.columns],
            "splits": [{"name": "train", "num_bytes": size, "num_examples": rows}],
            "download_size": size,
            "dataset_size": size,
        },
    }
    return "".join(
        f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in head.items()
    )


def _feature(kind: ColumnType) -> dict[str, Any]:
    """As `datasets.Features` writes itself."""
    match kind:
        case Scalar():
            return {"dtype": kind.value}
        case Struct(parts):
            return {"struct": [{"name": name, **_feature(one)} for name, one in parts.items()]}
        case ListOf(Scalar() as each):
            return {"list": each.value}
        case ListOf(Struct() as each):
            return {"list": _feature(each)["struct"]}
        case ListOf(each):
            return {"list": _feature(each)}


def _body(manifest: Mapping[str, Any], chosen: Format) -> Iterator[str]:
    yield f"# {_title(manifest)}\n"
    yield (
        f"{chosen.explanation} Played and judged on RLFC Arena, where agents compete, judges rank "
        "their answers, and adapters learn from what was better.\n"
    )
    yield "```python"
    yield "from datasets import load_dataset"
    yield 'rows = load_dataset("PATH OF THIS FOLDER", split="train")'
    yield "```\n"
    yield "## Where it comes from\n"
    matches = manifest["matches"]
    yield f"- {manifest['rows']:,} rows, of matches {matches['first']} to {matches['last']}."
    for space in manifest["spaces"]:
        yield f"- Space {_code(space['slug'])}: {space['rows']:,} rows, {_licence(space['licence'])}."
    yield f"- Agents: {len(manifest['agents']):,}; the versions that answered are in each row."
    yield (
        f"- {manifest['otherwise']:,} rows are not read by their base's tokenizer as they were sampled: "
        "`reads_as_sampled` is false there, and the token ids are right.\n"
    )
    yield "Chosen by:\n"
    yield "```json"
    yield json.dumps(manifest["selection"], ensure_ascii=False)
    yield "```\n"
    if manifest["judges"]:
        yield "## Judges\n"
        yield "Agreement is with hidden questions whose answer is known, beyond chance (kappa).\n"
        yield "| judge | version | kind | votes | agreement |"
        yield "|---|---|---|---|---|"
        for one in manifest["judges"]:
            yield (
                f"| {_code(one['judge'])} | {one['version'] or ''} | {one['kind']} "
                f"| {one['votes']:,} | {_agreement(one['calibration'])} |"
            )
        yield ""
    yield "## Columns\n"
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for column in chosen.columns:
        yield f"| `{column.name}` | `{described(column.type)}` | {column.meaning} |"
    yield ""
    yield "`manifest.json` has the SHA-256 and the rows of each file. Held-out tasks are never exported.\n"


def _title(manifest: Mapping[str, Any]) -> str:
    return f"RLFC Arena, export {manifest['export']}"


def _licence(licence: str) -> str:
    named = _NAMED.get(DataLicence(licence))
    return f"licence {named}" if named else "no licence for all of its rows"


def _agreement(calibration: Mapping[str, Any] | None) -> str:
    if calibration is None:
        return "not measured"
    return f"{calibration['kappa']:.2f} on {calibration['items']:,} questions"


def _code(text: str) -> str:
    return f"`{text}`"
