from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("arena", "0002_append_only")]
    operations = [
        migrations.AddField(
            model_name="round",
            name="judge_attempts",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
    ]
