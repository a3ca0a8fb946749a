"""Which arena, and with which token: from the environment, or as `rlfc login` keeps it."""

import json
import os
from pathlib import Path

import typer

from rlfc.connection import ArenaError


def settings_file() -> Path:
    """In the platform's folder for settings."""
    return Path(typer.get_app_dir("rlfc")) / "settings.json"


def read_login() -> tuple[str, str]:
    """The address and the token, which may be empty. Raises ArenaError."""
    stored: dict[str, str] = {}
    try:
        stored = dict(json.loads(settings_file().read_text(encoding="utf-8")))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError):
        raise ArenaError(f"{settings_file()} cannot be read; run `rlfc login` again.") from None
    url = os.environ.get("RLFC_URL") or stored.get("url", "")
    # A token belongs to the arena that made it, and is shown to no other.
    kept = stored.get("token", "") if url == stored.get("url") else ""
    if not url:
        raise ArenaError("Which arena? Run `rlfc login --url ADDRESS`, or set RLFC_URL.")
    return url, os.environ.get("RLFC_TOKEN") or kept


def keep_login(url: str, token: str) -> Path:
    """Keep both for the user alone, and return where. Raises ArenaError."""
    file = settings_file()
    part = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            json.dump({"url": url, "token": token}, out)
        part.replace(file)
    except OSError as error:
        raise ArenaError(f"{file} cannot be written: {error.strerror}.") from None
    return file


def forget_login() -> bool:
    """Whether there was one. Raises ArenaError."""
    try:
        settings_file().unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ArenaError(f"{settings_file()} cannot be deleted: {error.strerror}.") from None
    return True
