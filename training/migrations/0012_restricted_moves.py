from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0011_keep_pair_counts"),
    ]

    operations = [
        migrations.AddField(
            model_name="rollout",
            name="allowed_token_ids",
            field=models.JSONField(db_default=[], default=list),
        ),
    ]
