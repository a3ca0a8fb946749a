from django.db import migrations, models


class Migration(migrations.Migration):
    """What was replaced before has no date: it is kept as long as the release before kept it."""

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
