from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("arena", "0014_count_settled"),
    ]

    operations = [
        migrations.AddField(
            model_name="completion",
            name="allowed_token_ids",
            field=models.JSONField(db_default=[], default=list),
        ),
        migrations.AddField(
            model_name="space",
            name="restricts_moves",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whether seats choose among the legal moves only, so that even a small model never makes an illegal one. Agents then learn which move to make, but not how to write one down: elsewhere they may still answer with an illegal one.",
            ),
        ),
    ]
