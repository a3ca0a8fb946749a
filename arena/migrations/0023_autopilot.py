"""Autopilots, and a trigger that wakes the one of an agent that is retired."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


# Rooms below this one retire agents and know no autopilot. A sweep then stops it with a sentence.
FORWARD = """
CREATE FUNCTION arena_wake_autopilot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE arena_autopilot SET due_at = now() WHERE agent_id = NEW.id AND stopped_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER agent_retired AFTER UPDATE OF retired_at ON agents_agent
    FOR EACH ROW WHEN (NEW.retired_at IS NOT NULL AND OLD.retired_at IS NULL)
    EXECUTE FUNCTION arena_wake_autopilot();
"""

BACKWARD = """
DROP TRIGGER agent_retired ON agents_agent;
DROP FUNCTION arena_wake_autopilot();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0008_code_percent"),
        ("arena", "0022_rank_bands"),
    ]

    operations = [
        migrations.CreateModel(
            name="Autopilot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("fee_credits", models.PositiveIntegerField()),
                ("matches", models.PositiveIntegerField()),
                ("matches_a_day", models.PositiveIntegerField()),
                ("at_once", models.PositiveSmallIntegerField()),
                ("spend_a_day_credits", models.PositiveIntegerField()),
                ("stop_loss_credits", models.PositiveIntegerField()),
                ("take_profit_credits", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "adoption",
                    models.CharField(
                        choices=[
                            ("play_on", "play_on"),
                            ("stop_after", "stop_after"),
                            ("wait_for", "wait_for"),
                        ],
                        default="play_on",
                        max_length=10,
                    ),
                ),
                ("adopted_at", models.DateTimeField(blank=True, null=True)),
                ("due_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("stopped_at", models.DateTimeField(blank=True, null=True)),
                (
                    "brake",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("owner", "owner"),
                            ("matches", "matches"),
                            ("stop_loss", "stop_loss"),
                            ("take_profit", "take_profit"),
                            ("adopted", "adopted"),
                            ("credits", "credits"),
                            ("fee", "fee"),
                            ("spaces_closed", "spaces_closed"),
                            ("unplayed", "unplayed"),
                            ("refused", "refused"),
                            ("retired", "retired"),
                        ],
                        max_length=20,
                    ),
                ),
                ("stop_reason", models.CharField(blank=True, max_length=300)),
                ("is_dismissed", models.BooleanField(db_default=False, default=False)),
                (
                    "agent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="autopilots",
                        to="agents.agent",
                    ),
                ),
                ("spaces", models.ManyToManyField(related_name="autopilots", to="arena.space")),
            ],
        ),
        migrations.AddField(
            model_name="entry",
            name="autopilot",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="entries",
                to="arena.autopilot",
            ),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                condition=models.Q(("autopilot__isnull", False)),
                fields=["autopilot", "created_at"],
                name="entry_of_autopilot",
            ),
        ),
        migrations.AddIndex(
            model_name="autopilot",
            index=models.Index(
                condition=models.Q(("stopped_at", None)),
                fields=["due_at", "id"],
                name="autopilot_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="autopilot",
            constraint=models.UniqueConstraint(
                condition=models.Q(("stopped_at", None)),
                fields=("agent",),
                name="autopilot_one_on_per_agent",
            ),
        ),
        migrations.AddConstraint(
            model_name="autopilot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("brake", ""), ("stopped_at", None)),
                    models.Q(("stopped_at__isnull", False), models.Q(("brake", ""), _negated=True)),
                    _connector="OR",
                ),
                name="autopilot_stopped_by_a_brake",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
