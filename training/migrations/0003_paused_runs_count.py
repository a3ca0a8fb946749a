from django.db import migrations, models

CREATE = (
    "CREATE UNIQUE INDEX CONCURRENTLY {name} ON training_trainingrun (agent_id) "
    "WHERE status IN ({statuses})"
)
DROP = "DROP INDEX CONCURRENTLY IF EXISTS {name}"
OLD = {"name": "run_one_live_per_agent", "statuses": "'queued', 'training', 'evaluating'"}
NEW = {
    "name": "run_one_unfinished_per_agent",
    "statuses": "'queued', 'training', 'evaluating', 'paused'",
}


class Migration(migrations.Migration):
    """One run of an agent at a time, paused ones included. Without a lock, and never without a rule."""

    atomic = False  # PostgreSQL builds and drops concurrently outside transactions only

    dependencies = [("training", "0002_practice_and_price")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                # What a migration that was killed left behind may be invalid.
                migrations.RunSQL(DROP.format(**NEW), migrations.RunSQL.noop),
                migrations.RunSQL(CREATE.format(**NEW), DROP.format(**NEW)),
                migrations.RunSQL(DROP.format(**OLD), CREATE.format(**OLD)),
            ],
            state_operations=[
                migrations.RemoveConstraint(
                    model_name="trainingrun", name="run_one_live_per_agent"
                ),
                migrations.AddConstraint(
                    model_name="trainingrun",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(
                            ("status__in", ["queued", "training", "evaluating", "paused"])
                        ),
                        fields=("agent",),
                        name="run_one_unfinished_per_agent",
                    ),
                ),
            ],
        )
    ]
