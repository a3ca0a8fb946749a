from typing import Any

from django.db import migrations

LIVE = ("queued", "training", "evaluating", "paused")
SETTINGS = ("episode_share", "earlier_share", "discount")


def keep_positions_only(apps: Any, schema_editor: Any) -> None:
    """Runs that have begun go on as they were planned; those that have ended say nothing of it."""
    runs = _rows(apps, schema_editor, "training", "TrainingRun")
    live = runs.filter(status__in=LIVE, method="grpo")
    for pk, config in live.values_list("pk", "config"):
        runs.filter(pk=pk).update(config={"episode_share": 0.0} | config)


def forget(apps: Any, schema_editor: Any) -> None:
    """The release before refuses settings that it does not know, and practised no episodes."""
    for rows, column in (
        (_rows(apps, schema_editor, "training", "TrainingRun"), "config"),
        (_rows(apps, schema_editor, "agents", "Agent"), "learning"),
    ):
        known = rows.filter(**{f"{column}__has_any_keys": SETTINGS})
        for pk, value in known.values_list("pk", column):
            left = {name: one for name, one in value.items() if name not in SETTINGS}
            rows.filter(pk=pk).update(**{column: left})
    # Their places among the answers to a task are taken; runs that practised them play no more.
    _rows(apps, schema_editor, "training", "Rollout").filter(episode__gt=0).delete()


def _rows(apps: Any, schema_editor: Any, app: str, model: str) -> Any:
    return apps.get_model(app, model).objects.using(schema_editor.connection.alias)


class Migration(migrations.Migration):
    """GRPO runs under way practise single positions only, as planned; new ones have the settings."""

    dependencies = [
        ("agents", "0007_collected_adapters"),
        ("training", "0016_practised_episodes"),
    ]

    operations = [migrations.RunPython(keep_positions_only, forget)]
