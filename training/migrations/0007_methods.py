from django.db import migrations, models


class Migration(migrations.Migration):
    """Another method needs no migration: its name is one of training.methods."""

    dependencies = [
        ("training", "0006_gate_record"),
    ]

    operations = [
        migrations.AlterField(
            model_name="trainingrun",
            name="method",
            field=models.CharField(default="dpo", max_length=10),
        ),
    ]
