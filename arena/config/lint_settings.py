"""The settings for `make lint`: the product's, plus the migration linter's app."""

from arena.config import settings
from arena.config.settings import *

INSTALLED_APPS = [*settings.INSTALLED_APPS, "django_migration_linter"]
MIGRATION_LINTER_OPTIONS = {
    "include_apps": ["agents", "arena", "judges", "training"],
    "no_cache": True,
    # It adds unique keys on purpose, after its own step has made every row's key unique.
    "ignore_name": ["0005_name_keys"],
}
