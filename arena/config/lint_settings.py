"""The settings for `make lint`: the product's, plus the migration linter's app."""

from arena.config import settings
from arena.config.settings import *

INSTALLED_APPS = [*settings.INSTALLED_APPS, "django_migration_linter"]
MIGRATION_LINTER_OPTIONS = {
    "include_apps": ["agents", "arena", "judges", "training"],
    "no_cache": True,
    # They add unique keys on purpose: one after its own step has made every row's key unique, the
    # others in place of a stricter key. The last two make a text longer, which rewrites nothing and
    # leaves everything that a release of before writes as it is.
    "ignore_name": [
        "0005_name_keys",
        "0016_episodes",
        "0016_practised_episodes",
        "0044_environment_settings",
        "0011_environment_settings",
    ],
}
