"""The settings for `make lint`: the product's, plus the migration linter's app."""

from arena.config import settings
from arena.config.settings import *

INSTALLED_APPS = [*settings.INSTALLED_APPS, "django_migration_linter"]
MIGRATION_LINTER_OPTIONS = {
    "include_apps": ["agents", "arena", "judges", "training"],
    "no_cache": True,
    # They add unique keys on purpose: one after its own step has made every row's key unique, the
    # others in place of a stricter key.
    "ignore_name": ["0005_name_keys", "0016_episodes", "0016_practised_episodes"],
}
