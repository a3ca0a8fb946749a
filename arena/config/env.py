"""Every environment variable that RLFC Arena reads, checked once at start.

`manage.py up` sets DATABASE_URL, VALKEY_URL and VLLM_URL for what it starts itself and writes
them to RLFC_HOME/run/local.env, so that another `manage.py` command finds them.
"""

import os
import re
import secrets
import sys
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agents.files import write_once
from arena.config.pools import ProcessRole, pool_size
from arena.outbound.given_urls import CHECKS, checked_url

REPOSITORY = Path(__file__).resolve().parents[2]
# With "plugin/" before it, a name fits the column of a Space's environment.
_PLUGIN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class Variables(BaseSettings):
    """Field names are the variables' names in lower case; each has a working local default."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    rlfc_home: Path = Field(
        REPOSITORY / "var",
        description="Folder of all data, logs, models, adapters and runs.",
        validate_default=True,
    )
    secret_key: SecretStr | None = Field(
        None, description="Signs sessions. Default: created once in RLFC_HOME/secret_key."
    )
    debug: bool = Field(False, description="Django's debug pages. Never in production.")
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        ["localhost", "127.0.0.1", "[::1]"], description="Host names served, comma-separated."
    )
    csrf_trusted_origins: Annotated[list[str], NoDecode] = Field(
        [], description="Origins behind a TLS proxy, with scheme, comma-separated."
    )
    https_only: bool = Field(
        False, description="Secure cookies, HSTS and redirect to HTTPS; set it behind a TLS proxy."
    )
    database_url: str | None = Field(
        None, description="postgresql://user:password@host:port/name. Default: embedded."
    )
    valkey_url: str | None = Field(
        None, description="redis:// or rediss://host:port/0. Default: embedded."
    )
    vllm_url: Annotated[list[str], NoDecode] = Field(
        [], description="Base URLs of vLLM servers, comma-separated. Default: local servers."
    )
    vllm_servers: int = Field(
        1,
        ge=1,
        le=16,
        description="Local vLLM servers; several share the cores and answer many requests sooner.",
    )
    vllm_api_key: SecretStr | None = Field(None, description="Bearer key for the vLLM servers.")
    base_model: str = Field(
        "smollm2-135m-instruct", description="Served name of the base model that agents start from."
    )
    base_model_path: Path | None = Field(
        None, description="Folder of the base model. Default: SmolLM2, converted from its wheel."
    )
    web_host: str = Field("127.0.0.1", description="Address that the local web server binds to.")
    web_port: int = Field(8000, ge=1, le=65535, description="Port of the local web server.")
    match_threads: int = Field(
        4, ge=1, le=256, description="Matches that one worker plays at once."
    )
    takeover_seconds: int = Field(
        60,
        ge=4,
        le=3600,
        description="How long a worker may be silent before another one takes its matches and runs.",
    )
    sweep_seconds: int = Field(
        5, ge=1, le=60, description="How often sweeps look for work that nobody has taken."
    )
    process_role: ProcessRole = Field(
        ProcessRole.COMMAND,
        description="What this process is, which sizes its pool of database connections: web, match, "
        "judge, train, sweep, export, beat or command.",
    )
    database_pool: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Most database connections of this process. Default: by PROCESS_ROLE.",
    )
    judge_url: str | None = Field(
        None, description="OpenAI-compatible endpoint of the pairwise LLM judge."
    )
    judge_model: str | None = Field(None, description="Model to request from JUDGE_URL.")
    judge_api_key: SecretStr | None = Field(None, description="Bearer key for JUDGE_URL.")
    outbound_allowed_hosts: Annotated[list[str], NoDecode] = Field(
        [],
        description="Hosts inside your network that judges' endpoints and webhooks may be on, as name or "
        "name:port, comma-separated; all others there are refused.",
    )
    webhooks_over_http: bool = Field(
        False, description="Lets webhooks be http:// addresses, for development."
    )
    encryption_keys: Annotated[list[SecretStr], NoDecode] = Field(
        [],
        description="Secrets that encrypt the keys of judges' endpoints and of webhooks, the newest "
        "first, comma-separated. Default: made from SECRET_KEY.",
    )
    gold_a_day: int = Field(
        12, ge=0, le=1440, description="Questions with known answers for each judge a day; 0: none."
    )
    judge_floor: float = Field(
        0.4, ge=0, le=1, description="Kappa under which a judge is quarantined."
    )
    judge_train_days: int = Field(
        7, ge=0, le=365, description="Days after which a judge that learns does so again; 0: never."
    )
    metrics_token: SecretStr | None = Field(
        None,
        description="Bearer token with which /metrics is read. Without it and METRICS_NETWORKS: off.",
    )
    metrics_networks: Annotated[list[str], NoDecode] = Field(
        [],
        description="Networks whose programs may read /metrics without a token, comma-separated; for "
        "example 10.0.0.0/8.",
    )
    email_url: str | None = Field(
        None,
        description="smtp:// or smtps://user:password@host:port. Default: mail is written to the log.",
    )
    email_from: str | None = Field(
        None,
        description="Sender address of mail; required with EMAIL_URL.",
        validate_default=True,
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level that is logged."
    )
    sentry_dsn: SecretStr | None = Field(None, description="Where to send error reports, if set.")
    gpu: Literal["auto", "0", "1"] = Field(
        "auto", description="A GPU is used here: 0 never, 1 or nothing starts, auto if it can be."
    )
    train_device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where trainers run; auto uses a GPU if there is one."
    )
    train_precision: Literal["chosen", "fitting", "nf4", "bf16"] = Field(
        "chosen",
        description="How new runs hold the base: as chosen, as fits its size, or in this type.",
    )
    training_pairs: int = Field(
        48,
        ge=8,
        le=10_000,
        description="Number of new pairs in one Space that starts a training run.",
    )
    gate_tasks: int = Field(
        64,
        ge=8,
        le=2000,
        description="Held-out tasks on which a new version is compared with its parent.",
    )
    probe_tasks: int = Field(
        16,
        ge=0,
        le=500,
        description="Held-out tasks of the oldest other environment, and twice as many in arithmetic, on "
        "which a new version must not be clearly worse.",
    )
    training_price: int = Field(
        1, ge=0, le=10_000, description="Credits for 100 answers of a run, or 25,600 tokens talked."
    )
    house_stake: int = Field(
        300,
        ge=0,
        le=1_000_000,
        description="Credits that the house stakes a day in matches with one owner's agents.",
    )
    practice_a_day: int = Field(
        3, ge=0, le=100, description="Free practice matches of one person in a day; 0: none."
    )
    appeal_fee: int = Field(
        5,
        ge=1,
        le=1_000,
        description="Credits that an appeal costs; they come back if the order changes.",
    )
    appeal_hours: int = Field(
        48, ge=1, le=8_760, description="Hours after a match in which its rounds can be appealed."
    )
    bounty_fee: int = Field(
        5, ge=1, le=1_000, description="Credits that it costs to try an attack on a judge."
    )
    bounty_prize: int = Field(
        100, ge=1, le=100_000, description="Credits for an attack that fools a judge."
    )
    time_zone: str = Field(
        "UTC",
        description="Time zone in which the daily tournament starts at 18:00, for example Europe/Berlin.",
    )
    daily_tournament: bool = Field(
        True, description="Whether a new installation holds a tournament every day."
    )
    training_together: int = Field(
        8, ge=1, le=64, description="Most waiting runs that one trainer process takes at once."
    )
    retain_rejected_days: int = Field(
        7, ge=1, le=36_500, description="Days that weights of versions not adopted are kept."
    )
    retain_adapters_days: int = Field(
        30,
        ge=1,
        le=36_500,
        description="Days that weights are kept after they last played or were replaced; those that "
        "play now stay.",
    )
    retain_runs_days: int = Field(
        14, ge=1, le=36_500, description="Days that the files of a run are kept after its end."
    )
    retain_practice_days: int = Field(
        90,
        ge=1,
        le=36_500,
        description="Days that practice answers are kept after their run's end.",
    )
    retain_tokens_days: int = Field(
        90,
        ge=7,
        le=36_500,
        description="Days that the tokens of prompts and the pace of answers are kept.",
    )
    retain_exports_days: int = Field(
        7, ge=1, le=365, description="Days that the files of an export are kept."
    )
    retain_deliveries_days: int = Field(
        30, ge=1, le=36_500, description="Days that the log of webhooks is kept."
    )
    adapter_dtype: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="Type of stored weights. bfloat16 takes half the room, for servers on GPUs.",
    )
    log_megabytes: int = Field(
        10,
        ge=1,
        le=10_000,
        description="Size from which a part's log is rotated; two old ones stay.",
    )
    quota_adapters_mb: int = Field(
        2000, ge=1, description="Megabytes of weights that one owner's agents may keep."
    )
    quota_versions: int = Field(
        2000, ge=1, description="Versions that one owner's agents may have in all."
    )
    quota_exports_mb: int = Field(
        4000, ge=1, description="Megabytes that the files of one owner's exports may take."
    )

    plugin_environments: Annotated[list[str], NoDecode] = Field(
        [],
        description="Names of environments from installed packages that Spaces may use, "
        "comma-separated (docs/environments.md).",
    )

    @field_validator(
        "allowed_hosts",
        "csrf_trusted_origins",
        "vllm_url",
        "plugin_environments",
        "outbound_allowed_hosts",
        "encryption_keys",
        "metrics_networks",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("vllm_api_key", "judge_api_key", "metrics_token", mode="before")
    @classmethod
    def _fits_a_header(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        key = value.strip()  # files end with a line break
        if not (key.isascii() and key.isprintable()):
            raise ValueError("contains characters that an HTTP header cannot carry")
        return key

    @field_validator("rlfc_home", "base_model_path")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().resolve()  # children have other working folders

    @field_validator("rlfc_home")
    @classmethod
    def _is_a_folder(cls, value: Path) -> Path:
        try:
            value.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"is not a folder, nor can it become one: {error.strerror}") from None
        return value

    @field_validator(*CHECKS, mode="before")
    @classmethod
    def _is_an_address(cls, value: object, given: ValidationInfo) -> object:
        return CHECKS[given.field_name or ""](value) if isinstance(value, str) else value

    @field_validator("vllm_url")
    @classmethod
    def _are_http(cls, value: list[str]) -> list[str]:
        for url in value:
            checked_url(url, {"http", "https"}, "http://localhost:8001")
        return [url.rstrip("/") for url in value]

    @field_validator("email_from")
    @classmethod
    def _is_given_with_its_server(cls, value: str | None, given: ValidationInfo) -> str | None:
        if given.data.get("email_url") and "@" not in (value or ""):
            raise ValueError("is required with EMAIL_URL; for example arena@example.org")
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            return ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is not a time zone; for example Europe/Berlin") from None

    @field_validator("metrics_networks")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        try:
            return [str(ip_network(network)) for network in value]
        except ValueError:
            raise ValueError("takes networks; for example 10.0.0.0/8,::1/128") from None

    @field_validator("plugin_environments")
    @classmethod
    def _are_names(cls, value: list[str]) -> list[str]:
        for name in value:
            if not _PLUGIN_NAME.fullmatch(name):
                raise ValueError(
                    "takes names of lower-case letters, digits, - and _, at most 32 characters long; "
                    "for example highest-card"
                )
        return value

    @property
    def pool_size(self) -> int:
        return self.database_pool or pool_size(self.process_role, match_threads=self.match_threads)

    @property
    def local_env_file(self) -> Path:
        return self.rlfc_home / "run" / "local.env"


@cache
def environment() -> Variables:
    """Read the environment once; for bad variables, print a sentence for each and exit with 2."""
    try:
        first = Variables()
        return Variables(_env_file=first.local_env_file)
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0]).upper()
            text = problem["msg"].removeprefix("Value error, ")
            # The value may hold a password: name the variable, never print it.
            sys.stderr.write(f"Environment variable {name}: {text}.\n")
        raise SystemExit(2) from None


def kept_secret(path: Path, *, size_bytes: int) -> str:
    """The secret in the file, created at first use; processes started together agree on one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_once(path, secrets.token_urlsafe(size_bytes), mode=0o600)
    return path.read_text().strip()


def described() -> list[tuple[str, str]]:
    """(NAME, description) of every variable, for the documentation and `manage.py up --help`."""
    return [
        (name.upper(), field.description or "") for name, field in Variables.model_fields.items()
    ]


def is_set(name: str) -> bool:
    return bool(os.environ.get(name))
