"""`manage.py base_model add|list|retire|remove-server`: the base models that agents share."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agents.errors import Refused
from agents.inference.bases import add_base, ask_servers, remove_server, retire_base
from agents.models import BaseModel, InferenceServer

AFTER_ADDING = "Open Spaces on it with: python manage.py seed --base {slug}"


class Command(BaseCommand):
    help = "Add, list and retire base models, each with its folder, its servers and its limits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        add = verbs.add_parser("add", help="add a base model, or servers to one")
        add.add_argument("slug", help="a short name, such as llama-1b")
        add.add_argument(
            "--served-name", default="", help="what its servers call it; else the slug"
        )
        add.add_argument("--name", default="", help="what people read")
        add.add_argument(
            "--folder", type=Path, help="its weights and tokenizer; without them nothing is trained"
        )
        add.add_argument(
            "--context", type=int, help="tokens that its servers take (--max-model-len)"
        )
        add.add_argument("--max-lora-rank", type=int, help="as its servers were started")
        add.add_argument(
            "--server", action="append", default=[], help="http://HOST:PORT; may be repeated"
        )
        verbs.add_parser("list", help="list them with what their servers say")
        retire = verbs.add_parser("retire", help="no new agents on it")
        retire.add_argument("slug")
        remove = verbs.add_parser("remove-server", help="ask a server no more")
        remove.add_argument("url")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            if verb == "add":
                self._add(options)
            elif verb == "retire":
                base = retire_base(options["slug"])
                self.stdout.write(
                    f"{base.name} is retired: nobody makes a new agent on it. Its agents play on in"
                    " the Spaces that are open; close these on the admin pages."
                )
            elif verb == "remove-server":
                remove_server(options["url"])
                self.stdout.write(f"{options['url']} is asked no more.")
            else:
                ask_servers()
                self._list()
        except Refused as error:
            raise CommandError(str(error)) from None

    def _add(self, options: dict[str, Any]) -> None:
        base = add_base(
            options["slug"],
            served_name=options["served_name"],
            name=options["name"],
            folder=options["folder"],
            context_tokens=options["context"],
            max_lora_rank=options["max_lora_rank"],
            urls=options["server"],
        )
        ask_servers()
        self._list(slug=base.slug)
        self.stdout.write(AFTER_ADDING.format(slug=base.slug))

    def _list(self, *, slug: str = "") -> None:
        bases = BaseModel.objects.filter(slug=slug) if slug else BaseModel.objects.all()
        for base in bases.order_by("id").prefetch_related("servers"):
            state = "" if base.is_active else ", retired"
            self.stdout.write(
                f"{base.slug}: {base.name}, served as {base.served_name}, {base.context_tokens} tokens,"
                f" adapters up to rank {base.max_lora_rank}{state}"
            )
            self.stdout.write(f"  folder  {base.folder or 'none: it plays, but is not trained'}")
            servers = list(base.servers.all())
            for server in servers:
                self.stdout.write(f"  server  {server.url}  {_said(server)}")
            if not servers:
                self.stdout.write("  server  those of VLLM_URL")


def _said(server: InferenceServer) -> str:
    if server.is_away:
        return "does not answer"
    if server.problem:
        return f"is left out: {server.problem}"
    if server.asked_at is None:
        return "was not asked yet"
    facts = f"plays, vLLM {server.version}, {server.context_tokens} tokens"
    return f"{facts}. {server.note}" if server.note else facts
