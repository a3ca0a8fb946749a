"""The files of `learn_bench`: resumed, merged and shown as one table. Pure except for file access."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.files import write_atomically
from benchmarks.learning.duels import scores, sum_of
from benchmarks.learning.exam import (
    PARTS,
    UNSEEN_KINDS,
    UNSEEN_PROMPTS,
    gain,
    kinds_fallen_to_zero,
    lead,
    mean_tokens,
    pass_rate,
)

FORMAT = 2
UNKNOWN_COMMIT = "unknown"
CONTROLS = ("random", "sft", "grpo-alone")
GAIN_WANTED = dict.fromkeys(PARTS, 1.0) | {UNSEEN_PROMPTS: 3.7, UNSEEN_KINDS: 1.3}


@dataclass(frozen=True, order=True)
class Piece:
    """One measurement. Pieces that differ only in arm and seed have the same budget.

    Machines may differ within one budget: each piece names its machine and is compared with the
    base's exam on that machine.
    """

    minutes: float
    together: int  # learners that share the machine
    arm: str
    seed: int
    space: str = ""  # whose game the learner plays; "": the Constraints Space


class BadFile(Exception):
    """The file cannot be read or was not written by learn_bench; the sentence names it."""


def read(path: Path) -> dict[str, Any]:
    """The file's content; empty content if there is no file. Raises BadFile."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {"format": FORMAT, "results": []}
    except (OSError, ValueError) as error:
        raise BadFile(f"{path} cannot be read ({error}).") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BadFile(f"{path} was not written by this learn_bench.")
    return content


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file completely or not at all."""
    write_atomically(path, json.dumps(content))


def has(content: Mapping[str, Any], piece: Piece) -> bool:
    """Whether this piece has already been measured."""
    return piece in {_piece(one) for one in content["results"]}


def base_exam(content: Mapping[str, Any], *, commit: str, machine: str) -> Mapping[str, Any] | None:
    """The plain base's exam, if exactly this program has already held it on such a machine."""
    if commit == UNKNOWN_COMMIT or commit.endswith("-dirty"):
        return None
    exams = [
        one["base"]
        for one in content["results"]
        if (one["commit"], one["machine"]) == (commit, machine)
    ]
    return exams[-1] if exams else None


def base_duels(
    content: Mapping[str, Any], space: str, *, commit: str, machine: str
) -> Mapping[str, Any] | None:
    """The plain base's games in this Space, if this program has played them on such a machine."""
    if commit == UNKNOWN_COMMIT or commit.endswith("-dirty"):
        return None
    played = [
        one["base_duels"]
        for one in content["results"]
        if (one.get("space"), one["commit"], one["machine"]) == (space, commit, machine)
    ]
    return played[-1] if played else None


def merged(contents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """All pieces of all files; if two files hold the same piece, the later one counts."""
    pieces = {_piece(one): one for content in contents for one in content["results"]}
    return {"format": FORMAT, "results": [pieces[key] for key in sorted(pieces)]}


def table(content: Mapping[str, Any]) -> str:
    """Markdown: per arm, pass rates before and after with intervals, and signs of gaming."""
    by_arm: dict[tuple[float, int, str], list[Mapping[str, Any]]] = {}
    for one in content["results"]:
        piece = _piece(one)
        arm = f"{piece.arm} in {piece.space}" if piece.space else piece.arm
        by_arm.setdefault((piece.minutes, piece.together, arm), []).append(one)
    machines = sorted({one["machine"] for one in content["results"]})
    lines = [
        "| machines | minutes | at once | arm | seeds | part | before | after | gain | wanted |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    notes = []
    for (minutes, together, arm), results in sorted(by_arm.items()):
        numbers = ", ".join(
            str(number)
            for number, machine in enumerate(machines, start=1)
            if machine in {one["machine"] for one in results}
        )
        exams = [one["exam"] for one in results]
        base = [one["base"] for one in results]
        for part in _parts_of([*exams, *base]):
            lines.append(
                f"| {numbers} | {minutes:g} | {together} | {arm} | {len(results)} | {part} | "
                f"{pass_rate(base, part)} | {pass_rate(exams, part)} | {gain(exams, base, part)} | "
                f"{GAIN_WANTED[part]:g} |"
            )
        zero = kinds_fallen_to_zero(exams, base, UNSEEN_PROMPTS)
        notes.append(
            f"- {arm}, {minutes:g} minutes, {together} at once: answers of "
            f"{mean_tokens(base, UNSEEN_PROMPTS):.0f} tokens before and "
            f"{mean_tokens(exams, UNSEEN_PROMPTS):.0f} after; kinds that fell to zero: "
            f"{', '.join(zero) or 'none'}; {sum(one['matches'] for one in results)} matches, "
            f"{sum(one['pairs'] for one in results)} pairs, "
            f"{sum(one['practice_answers'] for one in results)} practice answers, "
            f"{sum(len(one['runs']) for one in results)} runs "
            f"({sum(run['status'] == 'adopted' for one in results for run in one['runs'])} adopted)"
        )
        for reply in exams[0][UNSEEN_PROMPTS]["examples"][:4]:
            notes.append(f"  - {reply['kind']}: {json.dumps(reply['text'][:160])}")
    commits = {
        machine: sorted({one["commit"] for one in content["results"] if one["machine"] == machine})
        for machine in machines
    }
    known = [
        f"Machine {number}: {machine}; commit {', '.join(commits[machine])}"
        for number, machine in enumerate(machines, start=1)
    ]
    intervals = (
        "Pass rates on the same unseen tasks, and the gain as a multiple of the base's; "
        "95% intervals by a bootstrap over seeds and tasks."
    )
    return "\n".join([*lines, "", intervals, *known, "", *_games(by_arm), *_leads(by_arm), *notes])


def _parts_of(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    """The parts that all of them have: earlier exams had fewer."""
    return [part for part in PARTS if all(part in exam for exam in exams)]


def _games(by_arm: Mapping[tuple[float, int, str], Sequence[Mapping[str, Any]]]) -> list[str]:
    """Each arm's games against the house, before and after; all seeds together."""
    lines = []
    for (minutes, together, arm), results in sorted(by_arm.items()):
        played = [one for one in results if one.get("duels")]
        for opponent in played[0]["duels"] if played else ():
            before, after = (
                sum_of([scores(one[key])[opponent] for one in played])
                for key in ("base_duels", "duels")
            )
            cells = [
                f"{score.share:.2f} [{score.interval[0]:.2f}, {score.interval[1]:.2f}]"
                for score in (before, after)
            ] + [f"{score.illegal / score.turns:.0%}" for score in (before, after)]
            lines.append(
                f"| {minutes:g} | {together} | {arm} | {opponent} | {after.games} | "
                f"{' | '.join(cells)} |"
            )
    if not lines:
        return []
    explanation = (
        "Games against the house's agents: points won (a draw is a half) and tries that were no "
        "legal move; 95% intervals by Wilson."
    )
    return [
        explanation,
        "",
        "| minutes | at once | arm | opponent | games | before | after | illegal before | after |",
        f"|{'---|' * 9}",
        *lines,
        "",
    ]


def _leads(by_arm: Mapping[tuple[float, int, str], Sequence[Mapping[str, Any]]]) -> list[str]:
    """Each arm minus each control of its budget, over the seeds that both have."""
    everything = [one["exam"] for results in by_arm.values() for one in results]
    lines, parts = [], _parts_of(everything)
    for (minutes, together, arm), results in sorted(by_arm.items()):
        name, where = (*arm.split(" in ", 1), "")[:2]
        for control in CONTROLS if name not in CONTROLS else ():
            control = f"{control} in {where}" if where else control
            exams = {one["seed"]: one["exam"] for one in results}
            others = {
                one["seed"]: one["exam"] for one in by_arm.get((minutes, together, control), ())
            }
            seeds = sorted(exams.keys() & others.keys())
            if not seeds:
                continue
            cells = (
                lead([exams[seed] for seed in seeds], [others[seed] for seed in seeds], part)
                for part in parts
            )
            lines.append(
                f"| {minutes:g} | {together} | {arm} minus {control} | {len(seeds)} | "
                f"{' | '.join(map(str, cells))} |"
            )
    if not lines:
        return []
    heads = [
        f"| minutes | at once | difference | seeds | {' | '.join(parts)} |",
        f"|---|---|---|---|{'---|' * len(parts)}",
    ]
    return [
        "Arms against controls, as differences of pass rates on the same tasks:",
        "",
        *heads,
        *lines,
        "",
    ]


def _piece(result: Mapping[str, Any]) -> Piece:
    return Piece(
        minutes=result["minutes"],
        together=result["together"],
        arm=result["arm"],
        seed=result["seed"],
        space=result.get("space", ""),
    )
