from collections.abc import Callable, Mapping
from typing import Any

from django.db import migrations

from training.gate.formats import format_1_of, format_2_of

ROWS_AT_ONCE = 100  # each holds a few answers


def forwards(apps: Any, schema_editor: Any) -> None:
    runs = _runs(apps, schema_editor)
    _convert(runs, runs.exclude(gate__has_key="format"), format_2_of)


def backwards(apps: Any, schema_editor: Any) -> None:
    runs = _runs(apps, schema_editor)
    _convert(runs, runs.filter(gate__format=2), format_1_of)


def _runs(apps: Any, schema_editor: Any) -> Any:
    return apps.get_model("training", "TrainingRun").objects.using(schema_editor.connection.alias)


def _convert(runs: Any, some: Any, change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
    for pk, gate in some.values_list("pk", "gate").iterator(chunk_size=ROWS_AT_ONCE):
        if changed := change(gate):
            runs.filter(pk=pk).update(gate=changed)


class Migration(migrations.Migration):
    """The gate's records get the number of their format, the bounds of then, and "passed"."""

    dependencies = [("training", "0005_rehearsal_texts")]

    operations = [migrations.RunPython(forwards, backwards)]
