from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("arena", "0023_autopilot"),
    ]

    operations = [
        migrations.AddField(
            model_name="space",
            name="prize_rule",
            field=models.CharField(
                choices=[
                    ("winner", "The winner takes all"),
                    ("places", "Percents for each place"),
                    ("score", "In proportion to the points"),
                    ("duel", "A duel: the loser pays the winner"),
                    (
                        "cooperative",
                        "Together: everybody alike, the less rake the more is reached",
                    ),
                ],
                db_default="places",
                default="places",
                help_text="How the pool is shared. Matches that have been made keep their rule.",
                max_length=12,
            ),
        ),
    ]
