"""Names that look alike share a key, and keys are unique.

Of rows that already look alike, the oldest gets the key as it is; each later one keeps its name and
gets the key with its own id behind it. Going back leaves names in NFC, which earlier releases read
just as well, and shortens those that their column cannot hold.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import agents.models
from agents.models import OLDER_THAN_KEYS
from agents.names import name_key, stored_form

MAX_CHARS_BEFORE = 60
ROWS_AT_ONCE = 1000


def give_keys(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for model, name, scope in (("User", "username", None), ("Agent", "name", "owner_id")):
        table = apps.get_model("agents", model)
        names, keys = defaultdict(set), defaultdict(set)
        for row in _rows(table):
            names[scope and getattr(row, scope)].add(getattr(row, name).lower())
        changed = []
        for row in _rows(table):
            within, old = scope and getattr(row, scope), getattr(row, name)
            new = stored_form(old)
            if new != old and new.lower() not in names[within] - {old.lower()}:
                names[within].add(new.lower())
                setattr(row, name, new)
            key = name_key(new)
            if key in keys[within]:
                key = f"{key}{OLDER_THAN_KEYS}{row.pk}"
            keys[within].add(key)
            setattr(row, f"{name}_key", key)
            changed.append(row)
        table.objects.bulk_update(changed, [name, f"{name}_key"], batch_size=ROWS_AT_ONCE)


def shorten(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for row in _rows(apps.get_model("agents", "Agent")):
        if len(row.name) > MAX_CHARS_BEFORE:
            end = f" {row.pk}"
            row.name = row.name[: MAX_CHARS_BEFORE - len(end)] + end
            row.save(update_fields=["name"])


def _rows(table: Any) -> Iterator[Any]:
    return table.objects.order_by("pk").iterator(chunk_size=ROWS_AT_ONCE)  # type: ignore[no-any-return]


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0004_adapter_refusal"),
    ]

    operations = [
        migrations.AlterField(
            model_name="agent",
            name="name",
            field=models.CharField(max_length=300),
        ),
        migrations.AlterField(
            model_name="user",
            name="username",
            field=models.CharField(
                error_messages={"unique": "That username is taken."},
                help_text="Letters, digits and any of . _ + ' -",
                max_length=150,
                unique=True,
            ),
        ),
        migrations.AddField(
            model_name="agent",
            name="name_key",
            field=agents.models.NameKeyField(of="name"),
        ),
        migrations.AddField(
            model_name="user",
            name="username_key",
            field=agents.models.NameKeyField(of="username"),
        ),
        migrations.RunPython(give_keys, shorten),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.UniqueConstraint(
                fields=("owner", "name_key"), name="agent_name_key_unique_for_owner"
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                fields=("username_key",), name="username_key_unique"
            ),
        ),
    ]
