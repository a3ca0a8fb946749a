from django.db import migrations, models


class Migration(migrations.Migration):
    """Runs that wait or train now have no number of answers: they pay for training only, as before."""

    dependencies = [
        ("training", "0007_methods"),
    ]

    operations = [
        migrations.AddField(
            model_name="trainingrun",
            name="priced_answers",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="trainingrun",
            name="served_seconds",
            field=models.FloatField(db_default=0.0, default=0.0),
        ),
    ]
