"""Pairs of before get their keys, too: after the migration that locks the table, not in it."""

from django.db import migrations, models

FORWARD = """
UPDATE training_pair SET (prompt_key, answers_key, is_cut, is_verified, is_held_out) = (
    SELECT * FROM training_describe_pair(round_id, chosen_id, rejected_id, source)
);
"""


class Migration(migrations.Migration):
    dependencies = [("training", "0020_pair_keys")]

    operations = [
        migrations.RunSQL(FORWARD, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="pair",
            index=models.Index(fields=["prompt_key", "id"], name="pair_of_prompt"),
        ),
        migrations.AddIndex(
            model_name="pair",
            index=models.Index(fields=["answers_key", "id"], name="pair_with_answers"),
        ),
    ]
