from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0015_exam_weights"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="rollout",
            name="rollout_unique",
        ),
        migrations.AddField(
            model_name="rollout",
            name="episode",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="rollout",
            name="is_own",
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AddField(
            model_name="rollout",
            name="seat",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddConstraint(
            model_name="rollout",
            constraint=models.UniqueConstraint(
                fields=("run", "round", "episode", "index"), name="rollout_once_a_try"
            ),
        ),
    ]
