"""The ASGI application: pages by Django, live matches by Channels."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arena.config.settings")

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import re_path

pages = get_asgi_application()  # sets Django up: what follows imports models

from arena.config.bodies import BodyLimit
from arena.live.consumers import NoSuchSocket, match_sockets
from frontend.drawings import draw, draw_round
from training.consumers import run_sockets

application = ProtocolTypeRouter(
    {
        "http": BodyLimit(pages),
        # Without sessions: whoever they are, all spectators get the same.
        "websocket": AllowedHostsOriginValidator(
            URLRouter(
                [
                    *match_sockets(draw, draw_round),
                    *run_sockets,
                    re_path("", NoSuchSocket.as_asgi()),
                ]
            )
        ),
    }
)
