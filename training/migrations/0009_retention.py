"""What was collected of runs, and of each kind of thing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("training", "0008_used_work")]
    operations = [
        migrations.CreateModel(
            name="Collected",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=40, unique=True)),
                ("up_to_id", models.BigIntegerField(default=0)),
                ("looked_at", models.DateTimeField(null=True)),
                ("count", models.BigIntegerField(default=0)),
                ("size_bytes", models.BigIntegerField(default=0)),
                ("last_at", models.DateTimeField(null=True)),
                ("last_count", models.BigIntegerField(default=0)),
                ("last_size_bytes", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name="trainingrun",
            name="collected_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
