"""A Space's escrow account is named after the Space's id, which never changes."""

from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def name_by_id(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Rename each Space's account, also one from before the Space's slug was changed.

    If there are both, the one of the present slug is the Space's; the other keeps its old name.
    """
    accounts = apps.get_model("arena", "Account").objects
    for space in apps.get_model("arena", "Space").objects.order_by("id"):
        account = accounts.filter(key=f"escrow:{space.slug}").first() or _of_an_older_slug(
            apps, space
        )
        if account is not None:
            accounts.filter(id=account.id).update(key=f"space:{space.id}")


def name_by_slug(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    accounts = apps.get_model("arena", "Account").objects
    for space in apps.get_model("arena", "Space").objects.order_by("id"):
        accounts.filter(key=f"space:{space.id}").update(key=f"escrow:{space.slug}")


def _of_an_older_slug(apps: Apps, space: Any) -> Any:
    """The account into which an entry of this Space paid; an entry's id is its hold's id."""
    entries = apps.get_model("arena", "Entry").objects.filter(space=space).values("id")
    paid = apps.get_model("arena", "Transfer").objects.filter(id__in=entries)
    hold = paid.filter(credit__key__startswith="escrow:").select_related("credit").first()
    return hold.credit if hold else None


class Migration(migrations.Migration):
    dependencies = [("arena", "0006_vote_comparisons")]

    operations = [migrations.RunPython(name_by_id, name_by_slug)]
