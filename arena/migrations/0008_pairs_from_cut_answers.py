from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("arena", "0007_escrow_by_space_id")]

    operations = [
        migrations.AddField(
            model_name="space",
            name="pairs_from_cut_answers",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Whether an answer that was cut off at the maximum length may be the "
                "worse one of a training pair. It is never the better one.",
            ),
        ),
    ]
