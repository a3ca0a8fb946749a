import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0008_code_percent"),
        ("arena", "0025_rated_versions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Season",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("month", models.DateField()),
                ("rake_credits", models.PositiveBigIntegerField(default=0)),
                ("pot_credits", models.PositiveBigIntegerField(default=0)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "space",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="seasons",
                        to="arena.space",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("closed_at", None)),
                        fields=["month"],
                        name="season_open",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("space", "month"), name="season_once_a_month")
                ],
            },
        ),
        migrations.CreateModel(
            name="SeasonPlace",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("match_count", models.PositiveIntegerField(default=0)),
                ("mu", models.FloatField()),
                ("sigma", models.FloatField()),
                ("place", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("prize_credits", models.PositiveBigIntegerField(default=0)),
                (
                    "agent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="season_places",
                        to="agents.agent",
                    ),
                ),
                (
                    "season",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="places",
                        to="arena.season",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("season", "agent"), name="season_place_once")
                ],
            },
        ),
        migrations.AlterField(
            model_name="transfer",
            name="code",
            field=models.CharField(
                choices=[
                    ("top_up", "top_up"),
                    ("entry_fee", "entry_fee"),
                    ("prize", "prize"),
                    ("rake", "rake"),
                    ("refund", "refund"),
                    ("training", "training"),
                    ("season", "season"),
                    ("forfeit", "forfeit"),
                ],
                max_length=12,
            ),
        ),
    ]
