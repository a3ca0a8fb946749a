from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import arena.models.spaces


def keep_terms(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Who waits entered under what the Space says now."""
    waiting = apps.get_model("arena", "Entry").objects.filter(status="queued")
    for entry in waiting.select_related("space").iterator():
        entry.terms = {
            "rake_percent": entry.space.rake_percent,
            "prize_percents": entry.space.prize_percents,
        }
        entry.save(update_fields=["terms"])


class Migration(migrations.Migration):
    dependencies = [
        ("arena", "0020_coded_seats"),
    ]

    operations = [
        migrations.AddField(
            model_name="space",
            name="other_fees_credits",
            field=models.JSONField(
                blank=True,
                db_default=[0],
                default=arena.models.spaces.free_tier,
                help_text="Other fees at which one may enter, as a list; 0 is free and pays no prize. "
                "Entries that wait keep the fee, the rake and the prizes that they entered under.",
            ),
        ),
        migrations.AddField(
            model_name="entry",
            name="terms",
            field=models.JSONField(default=dict, db_default={}),
        ),
        # Back: the columns go, and with them what was kept.
        migrations.RunPython(keep_terms, migrations.RunPython.noop),
    ]
