"""A person's terminal, in tests."""

from pathlib import Path

from rlfc.cli import app
from typer.testing import CliRunner

from agents.api_tokens import Scope, create_token


class Terminal:
    """A person's terminal."""

    def __init__(self, port: int, user_id: int, home: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.token = create_token(user_id, name="Terminal", scopes=list(Scope))
        self.env = {
            "RLFC_URL": self.url,
            "RLFC_TOKEN": self.token,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "COLUMNS": "200",
        }

    def type(self, *words: str, status: int = 0, piped: str = "") -> str:
        """What the command says, which ends with that status."""
        result = CliRunner().invoke(app, list(words), env=self.env, input=piped)
        assert result.exit_code == status, (result.output, result.exception)
        return result.output
