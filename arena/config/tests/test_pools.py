"""Pools of database connections are sized by what a process is, and the database has room for all."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from arena.config.env import REPOSITORY, Variables
from arena.config.gpu.hardware import Hardware
from arena.config.pools import SPARE, ProcessRole, needed_by_one_of_each, pool_size
from arena.config.settings import _database
from arena.config.supervisor.parts import Options, choose_endpoints, plan

COMPOSE = REPOSITORY / "docker-compose.yml"


def test_a_pool_is_as_large_as_the_process_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_POOL")
    sizes = {role: Variables(process_role=role, match_threads=4).pool_size for role in ProcessRole}
    assert sizes[ProcessRole.MATCH] == 10, "two for each thread, and two"
    assert sizes[ProcessRole.SWEEP] < sizes[ProcessRole.TRAIN] < sizes[ProcessRole.WEB]
    assert Variables(process_role=ProcessRole.WEB, database_pool=3).pool_size == 3
    settings = _database("postgresql://u@db/x", pool_size=3)
    assert settings["OPTIONS"]["pool"]["max_size"] == 3  # type: ignore[index]


def test_each_part_says_what_it_is_and_the_local_database_has_room(tmp_path: Path) -> None:
    environment = Variables(rlfc_home=tmp_path, match_threads=256, database_url=None)
    options = Options(free_ports=True)
    parts = plan(environment, options, choose_endpoints(environment, options), Hardware())
    roles = {part.name: part.variables.get("PROCESS_ROLE") for part in parts if part.variables}
    assert roles["web"] == "web"
    assert roles["match-worker"] == "match"
    assert roles["train-worker"] == "train"
    assert roles["sweep-worker"] == "sweep"
    assert roles["export-worker"] == "export"
    assert roles["beat"] == "beat"
    (database,) = (part for part in parts if part.name == "database")
    needed = needed_by_one_of_each(match_threads=256)
    assert f"max_connections={needed}" in database.command


def test_compose_gives_its_database_room_for_the_scale_that_it_describes() -> None:
    text = COMPOSE.read_text()
    services = YAML(typ="safe").load(text)["services"]
    scale = dict(re.findall(r"--scale ([\w-]+)=(\d+)", text))
    assert scale.keys() == {"web", "match-worker"}
    needed = SPARE
    for name, service in services.items():
        role = (service.get("environment") or {}).get("PROCESS_ROLE")
        if role is not None:
            needed += int(scale.get(name, 1)) * pool_size(ProcessRole(role), match_threads=8)
    assert needed == 173
    assert f"is\n# 3 x 20 + 4 x 18 + 6 + 3 + 3 + 1 + 8 = {needed - SPARE}" in text
    room = re.search(r"max_connections=(\d+)", services["database"]["command"])
    assert room is not None
    assert needed <= int(room[1])
