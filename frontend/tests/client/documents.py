"""The examples of a document, as a reader would type them.

A fenced block that is tagged `console` holds commands after `$ `, and under each the lines that it
must print, in that order and among others; `python` is a program; a tag with a file's name, such as
`toml ada.toml`, is that file.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ARENA = "https://arena.example"  # which documents write for a reader's own
BUILT_ELSEWHERE = "pip install ./client"  # test_wheel.py installs it
POLL_SECONDS = 0.1
TIMEOUT_SECONDS = 240


@dataclass(frozen=True)
class Block:
    """One example."""

    tag: str
    name: str  # of a file; empty: it is run
    text: str


def blocks_of(document: str) -> list[Block]:
    """A document's examples in their order, but its files first: prose may name them earlier."""
    found = BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))
    return sorted((Block(*one) for one in found), key=lambda block: not block.name)


class Reader:
    """Somebody who does what a document says, in a folder of their own."""

    def __init__(
        self, folder: Path, *, url: str, token: str, meanwhile: Callable[[], None]
    ) -> None:
        self._folder, self._url, self._token = folder, url, token
        self._meanwhile = meanwhile  # what the arena does while a command runs
        programs = folder / "bin"
        programs.mkdir()
        for name, module in (("rlfc", "-m rlfc.cli"), ("python", "")):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
            program.chmod(0o755)
        self._env = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "client"),
            "HOME": str(folder),
            "ARENA_TOKEN": token,
            "COLUMNS": "200",
        }

    def follow(self, block: Block) -> None:
        """Do what the block says, and check what it promises."""
        text = block.text.replace(ARENA, self._url)
        if block.name:
            (self._folder / block.name).write_text(text, encoding="utf-8")
        elif block.tag == "python":
            self._run("python", "-c", text)
        elif block.tag == "console":
            for typed in text.split("$ ")[1:]:
                command, *promised = typed.splitlines()
                if command != BUILT_ELSEWHERE:
                    said = self._run("bash", "-c", f"set -o pipefail; {command}")
                    left = said
                    for line in promised:
                        assert line in left, f"{command}\ndoes not say {line!r} but\n{said}"
                        left = left.partition(line)[2]

    def _run(self, *command: str) -> str:
        process = subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        typed: str | None = f"{self._token}\n"  # where a token is asked for
        for _ in range(int(TIMEOUT_SECONDS / POLL_SECONDS)):
            try:
                said, _ = process.communicate(typed, timeout=POLL_SECONDS)
            except subprocess.TimeoutExpired:
                typed = None
                self._meanwhile()
            else:
                assert process.returncode == 0, f"{command[-1]}\n{said}"
                return said
        process.kill()
        raise AssertionError(f"{command[-1]} does not end")
