import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

FORWARD = """
CREATE FUNCTION judges_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are immutable', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER judgeversion_append_only BEFORE UPDATE OR DELETE ON judges_judgeversion
    FOR EACH ROW EXECUTE FUNCTION judges_refuse_change();
"""

BACKWARD = """
DROP TRIGGER judgeversion_append_only ON judges_judgeversion;
DROP FUNCTION judges_refuse_change();
"""


def keep_first(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """What stands is version 1; which prompts it sent until now is not known."""
    judges = apps.get_model("judges", "Judge").objects
    apps.get_model("judges", "JudgeVersion").objects.bulk_create(
        apps.get_model("judges", "JudgeVersion")(
            judge=judge, number=1, kind=judge.kind, config=judge.config
        )
        for judge in judges.order_by("id")
    )


class Migration(migrations.Migration):
    dependencies = [
        ("judges", "0003_calibration"),
    ]

    operations = [
        migrations.CreateModel(
            name="JudgeVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("kind", models.CharField(max_length=10)),
                ("config", models.JSONField()),
                ("prompt_digest", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "judge",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="judges.judge",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("judge", "number"), name="judge_version_number")
                ],
            },
        ),
        # Back: the table goes, and its rows with it.
        migrations.RunPython(keep_first, migrations.RunPython.noop),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
