import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import training.states


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0003_agent_learning_since"),
        ("arena", "0004_sequential_spaces"),
        ("training", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Rollout",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("index", models.PositiveSmallIntegerField()),
                ("text", models.TextField(blank=True)),
                (
                    "prompt_token_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), size=None
                    ),
                ),
                (
                    "token_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), size=None
                    ),
                ),
                (
                    "logprobs",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.FloatField(), size=None
                    ),
                ),
                ("finish_reason", models.CharField(max_length=20)),
                ("adapter_digest", models.CharField(blank=True, max_length=64)),
                ("sampling", models.JSONField()),
                ("score", models.FloatField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "round",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rollouts",
                        to="arena.round",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rollouts",
                        to="training.trainingrun",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rollouts",
                        to="agents.agentversion",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("run", "round", "index"), name="rollout_unique")
                ],
            },
        ),
        migrations.AddField(
            model_name="trainingrun",
            name="is_by_hand",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="trainingrun",
            name="price_credits",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name="trainingrun",
            name="method",
            field=models.CharField(
                choices=[("dpo", "dpo"), ("grpo", "grpo")],
                default="dpo",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="trainingrun",
            name="status",
            field=models.CharField(
                choices=[
                    ("queued", "queued"),
                    ("training", "training"),
                    ("evaluating", "evaluating"),
                    ("paused", "paused"),
                    ("adopted", "adopted"),
                    ("offered", "offered"),
                    ("rejected", "rejected"),
                    ("failed", "failed"),
                    ("cancelled", "cancelled"),
                ],
                default=training.states.RunStatus["QUEUED"],
                max_length=10,
            ),
        ),
    ]
