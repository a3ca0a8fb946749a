from typing import Any

from django.db import migrations

LIVE = ("queued", "training", "evaluating", "paused")


def keep_unlimited(apps: Any, schema_editor: Any) -> None:
    """Runs that have begun go on as they were planned; those that have ended say nothing of it."""
    runs = _rows(apps, schema_editor, "training", "TrainingRun")
    for pk, config in runs.filter(status__in=LIVE).values_list("pk", "config"):
        runs.filter(pk=pk).update(config={"coded_share": 1.0} | config)


def forget(apps: Any, schema_editor: Any) -> None:
    """The release before refuses settings that it does not know."""
    for rows, column in (
        (_rows(apps, schema_editor, "training", "TrainingRun"), "config"),
        (_rows(apps, schema_editor, "agents", "Agent"), "learning"),
    ):
        known = rows.filter(**{f"{column}__has_key": "coded_share"})
        for pk, value in known.values_list("pk", column):
            del value["coded_share"]
            rows.filter(pk=pk).update(**{column: value})


def _rows(apps: Any, schema_editor: Any, app: str, model: str) -> Any:
    return apps.get_model(app, model).objects.using(schema_editor.connection.alias)


class Migration(migrations.Migration):
    """Runs under way keep learning from coded seats without a limit; new ones have the setting."""

    dependencies = [
        ("agents", "0007_collected_adapters"),
        ("training", "0012_restricted_moves"),
    ]

    operations = [migrations.RunPython(keep_unlimited, forget)]
