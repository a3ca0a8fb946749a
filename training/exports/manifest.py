"""What an export says of itself: which rows, from where, in which files with which digests."""

import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from arena.models import Space
from judges.calibration.models import CalibrationPoint
from judges.models import Judge, JudgeVersion
from training.exports.containers import File
from training.exports.formats import FORMATS
from training.exports.formats.columns import described
from training.exports.formats.tally import ExportTally
from training.models import Export

MANIFEST_VERSION = 1
MANIFEST_FILE = "manifest.json"
_PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def manifest_of(export: Export, files: Sequence[File], tally: ExportTally) -> dict[str, Any]:
    """Of a whole export. For the system."""
    chosen = FORMATS[export.format]
    return {
        "version": MANIFEST_VERSION,
        "arena": _release(),
        "export": export.pk,
        "format": export.format,
        "container": export.container,
        "columns": {one.name: described(one.type) for one in chosen.columns},
        "selection": export.selection,
        "ordered_at": export.created_at.isoformat(),
        "rows": sum(one.rows for one in files),
        "size_bytes": sum(one.size_bytes for one in files),
        "files": [one.as_json() for one in files],
        "otherwise": tally.otherwise,
        "matches": {"first": tally.first_match, "last": tally.last_match},
        "spaces": list(_spaces(tally)),
        "agents": [{"agent": int(each), "rows": rows} for each, rows in tally.agents.most_common()],
        "judges": list(_judges(tally)),
    }


def _spaces(tally: ExportTally) -> Iterator[dict[str, Any]]:
    """With the licence of each if all of its rows were entered under it, or else with none."""
    spaces = Space.objects.in_bulk(tally.spaces, field_name="slug")
    for slug, rows in tally.spaces.most_common():
        yield {"slug": slug, "rows": rows, "licence": _licence(spaces.get(slug), tally)}


def _licence(space: Space | None, tally: ExportTally) -> str:
    if space is None:  # it got another name meanwhile
        return ""
    is_held = tally.is_entered_since(space.slug, space.data_licence_since)
    return space.data_licence if is_held else ""


def _judges(tally: ExportTally) -> Iterator[dict[str, Any]]:
    """Each version of a judge that voted, with what is known of how well it judges."""
    for (slug, version_id), votes in sorted(tally.judge_votes().items()):
        judge = Judge.objects.get(slug=slug)
        version = JudgeVersion.objects.filter(id=version_id).first() if version_id else None
        point = CalibrationPoint.objects.filter(judge=judge).order_by("-day").first()
        yield {
            "judge": slug,
            "version": version.number if version else None,  # null: older than that record
            "kind": version.kind if version else judge.kind,
            "prompt_digest": version.prompt_digest if version else "",
            "votes": votes,
            "calibration": _calibration(point),
        }


def _calibration(point: CalibrationPoint | None) -> dict[str, Any] | None:
    if point is None or point.kappa is None:
        return None
    return {
        "day": point.day.isoformat(),
        "kappa": point.kappa,
        "low": point.kappa_low,
        "high": point.kappa_high,
        "items": point.items,
        "biases": point.biases,
    }


@cache
def _release() -> str:
    release: str = tomllib.loads(_PROJECT.read_text())["project"]["version"]
    return release
