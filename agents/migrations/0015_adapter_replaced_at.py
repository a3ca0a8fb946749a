from django.db import migrations, models


class Migration(migrations.Migration):
    """What was replaced before gets its date in the next migration."""

    dependencies = [
        ("agents", "0014_export_scope"),
    ]

    operations = [
        migrations.AddField(
            model_name="adapter",
            name="replaced_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
