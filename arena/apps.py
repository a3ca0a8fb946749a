"""Django's registration of the arena, and of the environments that this installation allows."""

from django.apps import AppConfig
from django.conf import settings

from arena.environments import ENVIRONMENTS
from arena.plugins.environment import PREFIX, family


class ArenaConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "arena"

    def ready(self) -> None:
        ENVIRONMENTS.add_family(PREFIX, family(settings.ENV.plugin_environments))
