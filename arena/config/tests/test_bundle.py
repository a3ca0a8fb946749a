"""A bundle installs what was packed, from its folder alone, or says why not."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from arena.config import bundle
from arena.config.bundle import BundleError, pack, unpack
from arena.config.env import REPOSITORY

PART_BYTES = 5_000


def wheel(folder: Path, name: str) -> None:
    """A wheel with one module, as pip reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", f"NAME = {name!r}\n" + "# filling\n" * 2000)
        archive.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", f"{name}.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n")


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle for CPUs of two small wheels and a built script."""
    built = tmp_path / "built"
    built.mkdir()
    (built / "site.js").write_text("ready();\n")
    monkeypatch.setattr(bundle, "BUILT", built)
    for name in ("tinytorch", "tinyrun"):
        wheel(tmp_path / "wheels", name)
    pack(tmp_path / "bundle", build="cpu", wheels=tmp_path / "wheels", part_bytes=PART_BYTES)
    return tmp_path / "bundle"


def test_parts_have_the_size_that_one_chooses_and_give_the_same_files_back(
    packed: Path, tmp_path: Path
) -> None:
    parts = sorted(packed.glob("part-*"))
    assert len(parts) > 2
    assert all(part.stat().st_size == PART_BYTES for part in parts[:-1])
    unpack(packed, build="cpu", to=tmp_path / "out")
    for one in (tmp_path / "wheels").iterdir():
        assert (tmp_path / "out/wheels" / one.name).read_bytes() == one.read_bytes()
    assert (tmp_path / "out/frontend/site.js").read_text() == "ready();\n"


def test_a_bundle_packed_again_replaces_the_old_parts(packed: Path, tmp_path: Path) -> None:
    pack(packed, build="cpu", wheels=tmp_path / "wheels", part_bytes=10**9)
    assert [part.name for part in packed.glob("part-*")] == ["part-000"]
    unpack(packed, build="cpu", to=tmp_path / "out")


def test_a_changed_byte_is_found_before_anything_is_written(packed: Path, tmp_path: Path) -> None:
    part = packed / "part-001"
    content = bytearray(part.read_bytes())
    content[100] ^= 1
    part.write_bytes(content)
    with pytest.raises(BundleError, match="part-001 was changed"):
        unpack(packed, build="cpu", to=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_part_cut_short_or_missing_is_named(packed: Path, tmp_path: Path) -> None:
    os.truncate(packed / "part-000", 10)
    with pytest.raises(BundleError, match="part-000 has 10 bytes instead of 5000: copy it again"):
        unpack(packed, build="cpu", to=tmp_path / "out")
    (packed / "part-000").unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        unpack(packed, build="cpu", to=tmp_path / "out")


def test_a_bundle_for_gpus_does_not_install_for_cpus(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="builds for CPUs, and this machine takes those for GPUs"):
        unpack(packed, build="gpu", to=tmp_path / "out")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("python", "3.9 linux x86_64", "packed for Python 3.9 linux x86_64"),
        ("sources", "0" * 64, "packed from other sources"),
        ("format", 2, "not the list of a bundle"),
        ("parts", [{"name": "../part-000", "bytes": 1, "sha256": ""}], "not the list of a bundle"),
        ("parts", "many", "not the list of a bundle"),
    ],
)
def test_a_bundle_for_something_else_is_refused(
    packed: Path, tmp_path: Path, field: str, value: object, sentence: str
) -> None:
    path = packed / bundle.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(BundleError, match=sentence):
        unpack(packed, build="cpu", to=tmp_path / "out")


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="BUNDLE names the folder that `make bundle` made"):
        unpack(tmp_path, build="cpu", to=tmp_path / "out")


@pytest.mark.parametrize("name", ["wheels/../../climbed", "/etc/climbed", "other/file"])
def test_no_file_climbs_out_of_the_folder(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    forged = tmp_path / "forged.tar"
    with tarfile.open(forged, "w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    monkeypatch.setattr(bundle, "_check", lambda *_: None)
    monkeypatch.setattr(
        bundle._Joined, "_read", staticmethod(lambda *_: iter([forged.read_bytes()]))
    )
    with pytest.raises(BundleError, match="a file that does not belong"):
        unpack(packed, build="cpu", to=tmp_path / "out")
    assert not (tmp_path / "climbed").exists()


def test_a_disk_without_room_is_told_with_the_figures(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10, 10, 0))
    with pytest.raises(BundleError, match=r"GB are needed in .*, and only 0\.0 GB are free"):
        unpack(packed, build="cpu", to=tmp_path / "out")


@pytest.mark.slow
def test_make_installs_from_a_bundle_with_the_network_closed(packed: Path, tmp_path: Path) -> None:
    locks, folder = tmp_path / "locks", tmp_path / "venv"
    locks.mkdir()
    (locks / "torch.lock").write_text("tinytorch==1.0\n")
    (locks / "run.lock").write_text("tinyrun==1.0\n")
    (locks / "gpu.lock").write_text("nothing==1.0\n")
    settings = {"VENV": folder, "BUNDLE": packed, "LOCKS": locks, "PYTHON": sys.executable}
    settings |= {"GPU": 0, "NEEDED_DISK_GB_CPU": 0}
    closed = "http://127.0.0.1:9"
    done = subprocess.run(
        ["make", "--silent", f"{folder}/.done/run"]
        + [f"{name}={value}" for name, value in settings.items()],
        cwd=REPOSITORY,
        env={
            "PATH": os.environ["PATH"],
            "PIP_INDEX_URL": closed,
            "PIP_EXTRA_INDEX_URL": closed,
            "HTTPS_PROXY": closed,
            "HTTP_PROXY": closed,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = subprocess.run(
        [
            folder / "bin/python",
            "-c",
            "import tinyrun, tinytorch; print(tinyrun.NAME, tinytorch.NAME)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "tinyrun tinytorch\n"
    assert (folder / "bundle/frontend/site.js").exists()


def would_do(folder: Path, *, target: str, given: str) -> str:
    """What `make` says that it would do, with an environment in the folder."""
    settings = [f"VENV={folder}", f"RLFC_HOME={folder}", f"BUNDLE={given}"]
    done = subprocess.run(
        ["make", "--dry-run", target, *settings],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The marks of an installation from a bundle."""
    model = tmp_path / "models/smollm2-135m-instruct/config.json"
    marks = [tmp_path / ".done" / name for name in ("hardware", "venv", "bundle", "torch")]
    marks += [tmp_path / ".done" / name for name in ("run", "build")]
    for path in (model, *marks):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("cpu\n")
    return tmp_path


@pytest.mark.parametrize("given", ["", "/nowhere/stick"])
def test_what_a_bundle_installed_starts_without_it(installed: Path, given: str) -> None:
    would = would_do(installed, target="up", given=given)
    assert "manage.py up" in would
    assert "install -qq" not in would
    assert "Scripts and styles" not in would
    assert ("There is no bundle in /nowhere/stick" in would) == bool(given)


def test_scripts_that_changed_after_a_bundle_are_built_with_node(installed: Path) -> None:
    os.utime(installed / ".done/build", (0, 0))
    would = would_do(installed, target="build", given="")
    assert would.index(" ci --no-audit") < would.index("Scripts and styles")


def test_make_refuses_a_wrong_path_with_a_sentence(tmp_path: Path) -> None:
    mark = tmp_path / ".done/venv"
    mark.parent.mkdir()
    for name in ("hardware", "venv"):
        (mark.parent / name).write_text("cpu\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    done = subprocess.run(
        ["make", f"{mark.parent}/bundle", f"VENV={tmp_path}", f"BUNDLE={tmp_path}/nowhere"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "nowhere/bundle.json does not exist: BUNDLE names the folder" in done.stderr
