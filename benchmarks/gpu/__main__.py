"""Does everything work on this machine's GPU, and how well? At most eight minutes.

    make gpu-check [ARGS="--json FILE"]
    python -m benchmarks.gpu [--minutes 8] [--json var/gpu-check/report.json] [--anyway]

One vLLM serves all steps (benchmarks/gpu/steps.py). The report is written after each of them: a step that fails or
takes longer than its share is told, and the next one goes on. Learning comes last and gets the time that
is left, up to four minutes. `--anyway` runs the smallest settings on a machine without a GPU, to see
whether the check itself works: its figures say nothing.
"""

import argparse
import os
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arena.config.settings")
django.setup()

from arena.config.env import Variables
from arena.config.gpu import cards
from arena.config.gpu.hardware import Hardware, hardware
from arena.config.supervisor.errors import LocalError
from arena.config.supervisor.local import local_environment
from arena.config.supervisor.machine import this_machine
from arena.config.supervisor.parts import INFERENCE, Options, choose_endpoints, plan
from benchmarks.gpu.identity import base_folder
from benchmarks.gpu.checking import TAIL_CHARS, Check, run_stage
from benchmarks.gpu.steps import SERVER_SECONDS, TOTAL_SECONDS, limit, stages
from benchmarks.gpu.verdict import Figure, table
from benchmarks.serving import running

SERVER = "server"
EXIT_FELL_SHORT, EXIT_NO_GPU = 1, 2


def start_server(
    check: Check, stack: ExitStack, environment: Variables, found: Hardware, *, seconds: float
) -> dict[str, str]:
    """Start vLLM for all steps; the variables with which they find it, empty if it didn't start."""
    since = time.monotonic()
    options = Options(parts=frozenset({INFERENCE}), free_ports=True)
    endpoints = choose_endpoints(environment, options)
    part = next(
        one for one in plan(environment, options, endpoints, found) if one.name == INFERENCE
    )
    before = _used_mib(found)
    try:
        stack.enter_context(running(part, ready_seconds=seconds))
    except AssertionError as words:
        check.note(SERVER, "failed", since=since, why=" ".join(str(words).split())[-TAIL_CHARS:])
        return {}
    if found.plan:
        used = _used_mib(found) - before
        check.extra.append(
            Figure(SERVER, "memory", f"{used / 1024:.2f} GiB", f"planned: {found.plan.sentence}")
        )
    check.note(SERVER, "done", since=since)
    return {"VLLM_URL": endpoints.vllm_urls[0], "VLLM_API_KEY": endpoints.vllm_api_key}


def _used_mib(found: Hardware) -> int:
    if found.serving is None:
        return 0
    own = (card for card in cards.cards(cards.ask()) if card.uuid == found.serving.uuid)
    return next(own).used_mib


def find(environment: Variables, *, anyway: bool) -> Hardware:
    """What serves and trains. Raises LocalError with the reason if it isn't a GPU."""
    found = hardware(environment, serves=True, trains=True)
    if found.serving or anyway:
        return found
    try:
        cards.chosen(environment.gpu)
    except cards.NoGpu as reason:
        raise LocalError(f"{reason} There is nothing to check.") from None
    raise LocalError(
        " ".join(found.notes) or "GPU is 0, so no GPU is used: there is nothing to check."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=TOTAL_SECONDS / 60, help="for all steps")
    parser.add_argument("--json", type=Path, help="default: gpu-check/report.json in RLFC_HOME")
    parser.add_argument("--anyway", action="store_true", help="tiny, on a machine without a GPU")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # with the server and all steps
    if options.json and not options.json.resolve().parent.is_dir():
        sys.exit(f"There is no folder {options.json.resolve().parent}.")
    environment = local_environment()
    if environment.vllm_url:
        # Its server's memory was planned elsewhere, and perhaps its adapters' folder isn't this one.
        sys.exit("VLLM_URL is set. gpu-check starts a server of its own: unset it.")
    try:
        found = find(environment, anyway=options.anyway)
    except LocalError as reason:
        print(reason, file=sys.stderr)
        return EXIT_NO_GPU
    folder = environment.rlfc_home.resolve() / "gpu-check"
    folder.mkdir(parents=True, exist_ok=True)
    base = base_folder(environment)
    card = found.serving
    header = {
        "machine": this_machine(),
        "gpu": asdict(card) if card else None,
        "plan": asdict(found.plan) if found.plan else None,
        "base": environment.base_model,
        "says_something": card is not None,
    }
    print(header["machine"], *found.notes, sep="\n", flush=True)
    check = Check(options.json or folder / "report.json", options.minutes * 60, header)
    planned = stages(base=str(base), tiny=card is None)
    with ExitStack() as stack:
        share = SERVER_SECONDS * check.seconds / TOTAL_SECONDS
        variables = start_server(check, stack, environment, found, seconds=share)
        variables |= {"BASE_MODEL_PATH": str(base), **found.training_variables}
        for place, stage in enumerate(planned):
            seconds = limit(place, planned, left=check.left, total=check.seconds)
            has_server = "VLLM_URL" in variables
            for step in stage:
                if step.needs_server and not has_server:
                    check.note(step.name, "left out", since=time.monotonic(), why="no server")
            able = tuple(step for step in stage if has_server or not step.needs_server)
            run_stage(check, able, folder, seconds=seconds, variables=variables)
    print()
    print(table(check.outcomes, check.figures))
    print(f"{'All of it holds' if check.holds else 'Not all of it holds'}: {check.path}")
    if card is None:
        print("These figures say nothing: there is no GPU here, and the settings are the smallest.")
    return 0 if check.holds else EXIT_FELL_SHORT


if __name__ == "__main__":
    sys.exit(main())
