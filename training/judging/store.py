"""Where the weights of learned judges are kept: a folder for each, named after its SHA-256."""

import hashlib
import os
import shutil
from pathlib import Path

from agents.files import publish_folder

FILES = ("adapter_config.json", "adapter_model.safetensors", "head.safetensors")


def digest_of_judge(folder: Path) -> str:
    """SHA-256 over adapter and head. Raises OSError."""
    digest = hashlib.sha256()
    for name in FILES:
        content = (folder / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def store_judge(trained: Path, store: Path) -> str:
    """Keep a trained judge; returns its digest. Storing it again changes nothing. Raises OSError."""
    digest = digest_of_judge(trained)
    target = store / digest
    if target.exists():
        os.utime(target)  # it is needed again: see training.retention.judges
        return digest
    unfinished = store / f".{digest}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(trained / name, unfinished / name)
    publish_folder(unfinished, target)
    os.utime(target)
    return digest
