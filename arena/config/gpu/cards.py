"""The NVIDIA GPUs of this machine, as nvidia-smi tells of them, and whether to use one.

The Makefile runs this file before anything is installed (`python3 arena/config/gpu/cards.py auto`),
so it imports only the standard library. It prints "gpu" or "cpu", and why on the error output.
"""

import csv
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("index", "uuid", "name", "memory.total", "memory.used", "driver_version", "compute_cap")
ANSWER_SECONDS = 30.0  # a driver that wakes up takes several seconds
# What CUDA 13 needs, for which PyTorch 2.13 and vLLM 0.32 are built.
LEAST_DRIVER = 580
# bfloat16, in which adapters are trained and played, came with Ampere.
LEAST_CAPABILITY = (8, 0)
AMD_DRIVER = Path("/dev/kfd")
WANTED = ("auto", "0", "1")


class NoGpu(Exception):
    """No GPU can be used; the sentence says why."""


@dataclass(frozen=True)
class Card:
    """One GPU. Memory is in MiB; `used_mib` is what programs have taken by now."""

    index: int
    uuid: str
    name: str
    memory_mib: int
    used_mib: int
    driver: str
    capability: tuple[int, int]

    @property
    def free_mib(self) -> int:
        return self.memory_mib - self.used_mib

    @property
    def described(self) -> str:
        return f"{self.name} with {gib(self.memory_mib)}"


def gib(mib: int) -> str:
    return f"{mib / 1024:.1f} GiB"


def ask() -> str:
    """What nvidia-smi prints about each GPU. Raises NoGpu with its complaint."""
    query = f"--query-gpu={','.join(COLUMNS)}"
    try:
        answer = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (FileNotFoundError, PermissionError):
        raise NoGpu(_without_nvidia()) from None
    except subprocess.TimeoutExpired:
        raise NoGpu(
            f"nvidia-smi did not answer within {ANSWER_SECONDS:.0f} seconds: the GPU or its driver hangs."
        ) from None
    if answer.returncode != 0:
        words = " ".join((answer.stdout + answer.stderr).split())
        raise NoGpu(f"nvidia-smi failed: {words or f'exit status {answer.returncode}'}")
    return answer.stdout


def _without_nvidia() -> str:
    if platform.system() == "Darwin":
        return "There is no NVIDIA GPU here. Apple's GPUs are not used: everything runs on the CPU."
    if AMD_DRIVER.exists():
        return "There is no NVIDIA GPU here. AMD's GPUs are not used: everything runs on the CPU."
    return "There is no NVIDIA GPU here: nvidia-smi is not installed."


def cards(answer: str) -> tuple[Card, ...]:
    """The GPUs in nvidia-smi's answer. Raises NoGpu for an answer that has none."""
    found = []
    for row in csv.reader(answer.splitlines(), skipinitialspace=True):
        if not row:
            continue
        try:
            index, uuid, name, total, used, driver, capability = (value.strip() for value in row)
            major, _, minor = capability.partition(".")
            found.append(
                Card(
                    index=int(index),
                    uuid=uuid,
                    name=name,
                    memory_mib=int(total),
                    used_mib=int(used),
                    driver=driver,
                    capability=(int(major), int(minor)),
                )
            )
        except ValueError:
            # "[N/A]" for memory shared with the CPU, "[GPU is lost]" for a card that fell off its bus.
            raise NoGpu(f"nvidia-smi says of a GPU: {', '.join(row)}. It cannot be used.") from None
    if not found:
        raise NoGpu("nvidia-smi found no GPU.")
    return tuple(found)


def fault(card: Card) -> str:
    """Why the GPU cannot be used; empty if it can."""
    major = card.driver.partition(".")[0]
    if not major.isdigit() or int(major) < LEAST_DRIVER:
        return (
            f"The driver {card.driver} of the {card.name} is too old for CUDA 13: "
            f"version {LEAST_DRIVER} or newer is needed."
        )
    if card.capability < LEAST_CAPABILITY:
        has, needed = (".".join(map(str, pair)) for pair in (card.capability, LEAST_CAPABILITY))
        return (
            f"The {card.name} cannot compute in bfloat16: it has compute capability {has}, "
            f"and {needed} or higher is needed."
        )
    return ""


def usable(found: Sequence[Card]) -> tuple[Card, ...]:
    """Those that can be used, the one with the most free memory first. Raises NoGpu if none can."""
    able = [card for card in found if not fault(card)]
    if not able:
        raise NoGpu(fault(found[0]))
    return tuple(sorted(able, key=lambda card: (-card.free_mib, card.index)))


def chosen(wanted: str, *, asking: Callable[[], str] = ask) -> tuple[Card, ...]:
    """The GPUs to use: none for "0", those that can be for "1" and "auto". Raises NoGpu."""
    if wanted == "0":
        return ()
    return usable(cards(asking()))


def main(arguments: Sequence[str]) -> int:
    wanted = arguments[0] if arguments and arguments[0] else "auto"
    if wanted not in WANTED:
        sys.stderr.write(f"GPU is {wanted!r}. Set it to 0 for CPUs or to 1 for a GPU.\n")
        return 2
    try:
        found = chosen(wanted)
    except NoGpu as reason:
        if wanted == "1":
            sys.stderr.write(f"GPU is 1, but none can be used. {reason}\n")
            return 2
        found = ()
        if "nvidia-smi is not installed" not in str(reason):
            sys.stderr.write(f"{reason} CPUs are used instead.\n")
    for card in found:
        sys.stderr.write(f"Found: {card.described}.\n")
    sys.stdout.write("gpu\n" if found else "cpu\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
