"""An environment variable that cannot be used is named in a sentence before anything starts."""

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from kombu.connection import Connection

from arena.config.env import REPOSITORY, Variables, described, environment, kept_secret


def start(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "version"],
        cwd=REPOSITORY,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://root@localhost/x"),
        ("VALKEY_URL", "not a url"),
        ("VLLM_URL", "http://one:8001,ftp://two"),
        ("WEB_PORT", "99999"),
        ("MATCH_THREADS", "zero"),
        ("TRAIN_DEVICE", "tpu"),
        ("TRAINING_PAIRS", "-3"),
        ("LOG_LEVEL", "LOUD"),
        ("DEBUG", "perhaps"),
        ("JUDGE_API_KEY", "sk-1\nsk-2"),
        ("EMAIL_URL", "mail.example"),
        ("VLLM_API_KEY", "schl\u00fcssel"),
    ],
)
def test_a_bad_variable_is_named_and_nothing_starts(name: str, value: str) -> None:
    result = start(**{name: value})
    assert result.returncode == 2
    assert f"Environment variable {name}:" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_password_in_a_bad_variable_is_not_printed() -> None:
    result = start(DATABASE_URL="mysql://user:hunter2@localhost/x")
    assert "hunter2" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VALKEY_URL", "valkey://:hunter2@localhost:6379/0"),
        ("VALKEY_URL", "unix://:hunter2@/run/valkey.sock"),
        ("DATABASE_URL", "postgresql://user:hunter2@localhost/x?sslmod=require"),
        ("DATABASE_URL", "postgresql://user:100%hunter2@localhost/x"),
        ("SENTRY_DSN", "hunter2"),
        ("SENTRY_DSN", "https://hunter2@sentry.example/project"),
    ],
)
def test_what_a_variable_must_be_is_said_without_its_secret(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as left:
        environment.__wrapped__()
    assert left.value.code == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith(f"Environment variable {name}: is not a")
    assert "hunter2" not in sentence


@pytest.mark.parametrize("below", ["", "home"])
def test_a_home_that_cannot_be_a_folder_is_refused(
    below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RLFC_HOME", str(tmp_path / "file" / below))
    with pytest.raises(SystemExit) as left:
        environment.__wrapped__()
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("Environment variable RLFC_HOME: is not a folder")


def test_a_home_in_which_nothing_can_be_written_is_refused() -> None:
    result = start(RLFC_HOME="/proc", SECRET_KEY="")  # where not even root can make a file
    assert result.returncode == 2
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("Environment variable RLFC_HOME: the file secret_key can neither")


@pytest.mark.parametrize(
    ("given", "checks"),
    [
        ("rediss://:pw@valkey.example:6379/0", ssl.CERT_REQUIRED),
        ("rediss://valkey.example/0?ssl_ca_certs=/etc/ca.pem", ssl.CERT_REQUIRED),
        ("rediss://valkey.example/0?ssl_cert_reqs=none", ssl.CERT_NONE),
    ],
)
def test_celery_checks_valkeys_certificate_unless_told_not_to(
    given: str, checks: ssl.VerifyMode
) -> None:
    asked = Connection(Variables(valkey_url=given).valkey_url).ssl
    assert isinstance(asked, dict)
    assert asked["ssl_cert_reqs"] == checks


def test_an_empty_variable_counts_as_unset() -> None:
    assert start(WEB_PORT="", VLLM_URL="").returncode == 0


def test_a_mail_server_needs_an_address_that_mail_comes_from() -> None:
    result = start(EMAIL_URL="smtps://user:hunter2@mail.example")
    assert result.returncode == 2
    assert "Environment variable EMAIL_FROM: is required with EMAIL_URL" in result.stderr
    assert "hunter2" not in result.stderr
    assert start(EMAIL_URL="smtps://mail.example", EMAIL_FROM="arena@example.org").returncode == 0


def test_a_key_from_a_file_may_end_with_a_line_break(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "sk-1\n")
    key = Variables().judge_api_key
    assert key is not None
    assert key.get_secret_value() == "sk-1"


def test_every_variable_is_described() -> None:
    assert [name for name, text in described() if not text] == []


def test_a_process_killed_while_making_a_secret_leaves_none_that_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "home" / "secret_key"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", die)
        with pytest.raises(KeyboardInterrupt):
            kept_secret(path, size_bytes=50)
    secret = kept_secret(path, size_bytes=50)
    assert len(secret) > 50
    assert kept_secret(path, size_bytes=50) == secret
    assert path.stat().st_mode & 0o777 == 0o600


def test_processes_that_start_at_once_agree_on_one_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, link = tmp_path / "secret_key", os.link

    def late(source: Path, target: Path) -> None:
        target.write_text("the other's")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert kept_secret(path, size_bytes=50) == "the other's"
    assert list(tmp_path.iterdir()) == [path]
