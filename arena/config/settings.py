"""Django settings, all derived from `arena.config.env.Variables`."""

import logging
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from psycopg.conninfo import conninfo_to_dict

from arena.config import logs
from arena.config.env import REPOSITORY, environment, kept_secret

ENV = environment()
BASE_DIR = REPOSITORY
HOME: Path = ENV.rlfc_home
DEBUG = ENV.debug


def _secret_key() -> str:
    if ENV.secret_key:
        return ENV.secret_key.get_secret_value()
    try:
        return kept_secret(HOME / "secret_key", size_bytes=50)
    except OSError as error:
        sys.stderr.write(
            "Environment variable RLFC_HOME: the file secret_key can neither be read nor written in "
            f"this folder: {error.strerror}.\n"
        )
        raise SystemExit(2) from None


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = ENV.allowed_hosts
CSRF_TRUSTED_ORIGINS = ENV.csrf_trusted_origins
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "agents.User"
ROOT_URLCONF = "arena.config.urls"
ASGI_APPLICATION = "arena.config.asgi.application"

INSTALLED_APPS = [
    "django_linear_migrations",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "channels",
    "csp",
    "django_htmx",
    "django_structlog",
    "template_partials",
    "agents",
    "judges",
    "arena",
    "training",
    "frontend",
]

MIDDLEWARE = [
    "arena.config.connections.ReturnConnectionMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "arena.config.outages.ValkeyOutageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "frontend" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["django.templatetags.static"],
        },
    }
]


def _database(url: str, *, pool_size: int) -> dict[str, object]:
    # libpq's own parser: also takes unix sockets (?host=/folder), sslmode and the rest.
    parts = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "rlfc"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": {"application_name": f"rlfc-{ENV.process_role}"}  # seen in pg_stat_activity
        | parts
        | {"pool": {"min_size": 0, "max_size": pool_size, "timeout": 10}},
        "CONN_MAX_AGE": 0,  # the pool keeps connections
        # ... and checks each before use: after a database restart all are dead, and each would
        # otherwise cost somebody an error page.
        "CONN_HEALTH_CHECKS": True,
    }


# `manage.py up` sets the URL. Without one, nothing answers here, and Django says so.
DATABASE_URL = ENV.database_url or "postgresql://postgres@127.0.0.1:54329/rlfc"
DATABASES = {"default": _database(DATABASE_URL, pool_size=ENV.pool_size)}
VALKEY_URL = ENV.valkey_url or "redis://127.0.0.1:63799/0"
VLLM_URLS = ENV.vllm_url or ["http://127.0.0.1:8001"]
VLLM_API_KEY = ENV.vllm_api_key.get_secret_value() if ENV.vllm_api_key else ""
# How long a match waits for a dead vLLM; on a small machine it is back in about a minute.
INFERENCE_PATIENCE_SECONDS = 180.0
ADAPTER_STORE = HOME / "adapters"
RUN_STORE = HOME / "runs"
JUDGE_STORE = HOME / "judges"
EXPORT_STORE = HOME / "exports"
BASE_MODEL_PATH = ENV.base_model_path or HOME / "models" / ENV.base_model

# A Valkey that accepts and stays silent is as away as one that refuses.
VALKEY_TIMEOUTS: dict[str, Any] = {"socket_connect_timeout": 2.0, "socket_timeout": 5.0}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": VALKEY_URL,
        "KEY_PREFIX": "cache",
        "OPTIONS": VALKEY_TIMEOUTS,
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"  # survives a restart of Valkey

CELERY_BROKER_URL = VALKEY_URL
CELERY_BROKER_TRANSPORT_OPTIONS = VALKEY_TIMEOUTS
CELERY_BEAT_SCHEDULER = "arena.config.celery:FreshScheduler"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_ROUTES = {
    "arena.tasks.play_match": {"queue": "match"},
    "arena.tasks.judge_round": {"queue": "judge"},
    "arena.tasks.hear_appeal": {"queue": "judge"},
    "arena.tasks.ask_gold": {"queue": "judge"},
    "arena.tasks.try_bounty": {"queue": "judge"},
    "arena.tasks.sample_attack": {"queue": "judge"},
    # Not among the sweeps: servers that do not answer would hold those up.
    "arena.tasks.send_webhooks": {"queue": "judge"},
    "arena.tasks.ask_servers": {"queue": "judge"},
    "arena.tasks.audit_ledger": {"queue": "judge"},
    "training.tasks.run_training": {"queue": "train"},
    "training.tasks.train_judge": {"queue": "train"},
    # Sweeps have a worker of their own: behind the matches they would expire while all threads play.
    "arena.tasks.sweep": {"queue": "sweep"},
    "training.tasks.sweep": {"queue": "sweep"},
    "training.tasks.make_room": {"queue": "sweep"},
    # A process of their own, too: writing keeps a processor busy, which would slow down live text.
    "training.tasks.write_exports": {"queue": "export"},
}

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    )
]
ACCOUNT_ADAPTER = "arena.config.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "optional" if ENV.email_url else "none"
ACCOUNT_USERNAME_MIN_LENGTH = 1  # agents.names has its own, in characters that people see
LOGIN_REDIRECT_URL = "/agents/"
LOGIN_URL = "account_login"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = not ENV.email_url  # without mail, nothing can be verified

if ENV.email_url:
    _mail = urlsplit(ENV.email_url)
    EMAIL_HOST = _mail.hostname or "localhost"
    EMAIL_PORT = _mail.port or (465 if _mail.scheme == "smtps" else 25)
    EMAIL_HOST_USER = unquote(_mail.username or "")
    EMAIL_HOST_PASSWORD = unquote(_mail.password or "")
    EMAIL_USE_SSL = _mail.scheme == "smtps"  # TLS from the first byte
    EMAIL_USE_TLS = not EMAIL_USE_SSL and EMAIL_PORT == 587  # the port of STARTTLS
    EMAIL_TIMEOUT = 10  # a page waits for it
    DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENV.email_from
else:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

STATIC_URL = "static/"
STATIC_ROOT = HOME / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "frontend" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

_SELF = "'self'"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": [_SELF],
        "style-src": [_SELF],
        "img-src": [_SELF, "data:"],
        "font-src": [_SELF],
        "connect-src": [_SELF],
        "form-action": [_SELF],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "manifest-src": [_SELF],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
if ENV.https_only:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^health/$", r"^metrics$"]  # requested internally, without TLS
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000

logs.configure_structlog()
LOGGING = logs.logging_settings(ENV.log_level)
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
# One line for each page and none for the sweeps, which run every few seconds.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = logging.DEBUG
if ENV.sentry_dsn:
    logs.configure_sentry(ENV.sentry_dsn.get_secret_value())
