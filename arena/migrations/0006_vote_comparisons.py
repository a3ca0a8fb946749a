from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("arena", "0005_rounds_at_once")]

    operations = [
        migrations.AddField(
            model_name="vote",
            name="comparisons",
            field=models.JSONField(null=True),
        ),
    ]
