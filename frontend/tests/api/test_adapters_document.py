"""What docs/adapters.md tells a person to type works as it stands."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agents.api_tokens import Scope, create_token
from arena.config.env import REPOSITORY
from training.adapters.tests.builders import sent, small_base, some_tensors, stored_version
from training.models import TrainingRun
from training.tests.builders import make_agent, make_base, make_space

pytestmark = pytest.mark.django_db(transaction=True)

COMMANDS = [
    code
    for code in re.findall(
        r"```sh\n(.*?)```", (REPOSITORY / "docs" / "adapters.md").read_text(), re.DOTALL
    )
    if code.startswith("curl")
]


def test_the_documented_commands_take_an_adapter_home_and_bring_one_in(
    live_server: Any, settings: Any, tmp_path: Path
) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    settings.ADAPTER_STORE, settings.RUN_STORE = tmp_path / "store", tmp_path / "runs"
    base_folder = small_base(tmp_path / "base")
    make_base(str(base_folder))
    agent, space = make_agent(), make_space()
    version = stored_version(agent, base_folder, tmp_path)
    for one in sent(some_tensors(base_folder, seed=5)):
        (tmp_path / one.name).write_bytes(one.file.read())
    environ = {
        "PATH": os.environ["PATH"],
        "RLFC_TOKEN": create_token(agent.owner_id, name="Document", scopes=list(Scope)),
        "RLFC_SITE": live_server.url,
        "AGENT": str(agent.pk),
        "VERSION": str(version.pk),
    }
    home, bring = COMMANDS
    bring = bring.replace("space=constraints", f"space={space.slug}")
    for command in (home, bring):
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command.replace("curl ", "curl -sSf ")],
            cwd=tmp_path,
            env=environ,
            check=True,
            timeout=60,
        )
    assert (tmp_path / "adapter.zip").read_bytes().startswith(b"PK")
    assert TrainingRun.objects.get(agent=agent).child_version is not None
