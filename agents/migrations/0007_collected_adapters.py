"""Weights that nobody needs any more are marked, then removed; their rows stay."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agents", "0006_leaving")]
    operations = [
        migrations.AddField(
            model_name="adapter",
            name="collected_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="adapter",
            name="is_removed",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
