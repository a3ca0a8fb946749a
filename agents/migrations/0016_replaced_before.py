from django.db import migrations
from django.db.models import F
from django.utils import timezone


def note_replaced(apps, schema_editor):
    """Weights that gave way before there was a date count as replaced now: nothing goes early.

    A version from which another one was made has been the current one.
    """
    versions = apps.get_model("agents", "AgentVersion").objects
    adapters = apps.get_model("agents", "Adapter").objects
    parents = versions.exclude(parent=None).values("parent")
    replaced = versions.filter(id__in=parents).exclude(agent__current_version=F("pk"))
    adapters.filter(
        id__in=replaced.exclude(adapter=None).values("adapter"),
        collected_at=None,
        replaced_at=None,
    ).update(replaced_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0015_adapter_replaced_at"),
    ]

    operations = [
        migrations.RunPython(note_replaced, migrations.RunPython.noop),
    ]
