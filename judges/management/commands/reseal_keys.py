"""Encrypts the stored keys of judges' endpoints with the newest secret."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from judges.endpoints.keys import KeyUnreadable, reseal_all


class Command(BaseCommand):
    help = "Encrypt every endpoint's key with the first of ENCRYPTION_KEYS, after which the others may go."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = reseal_all()
        except KeyUnreadable:
            raise CommandError(
                "Some keys were encrypted with a secret that is not in ENCRYPTION_KEYS. Add it and run this "
                "again, or enter these keys anew; all others are done."
            ) from None
        self.stdout.write(f"Encrypted {count} keys with the newest secret.")
