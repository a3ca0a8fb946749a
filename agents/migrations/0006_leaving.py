"""Who leaves is marked, and of their versions the prompt, and nothing else, may become empty."""

from django.db import migrations, models

FORWARD = """
CREATE OR REPLACE FUNCTION agents_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.prompt = ''
        AND to_jsonb(NEW) - 'prompt' = to_jsonb(OLD) - 'prompt'
        AND EXISTS (
            SELECT FROM agents_agent agent JOIN agents_user owner ON owner.id = agent.owner_id
            WHERE agent.id = OLD.agent_id AND owner.leaving_since IS NOT NULL
        )
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% rows are immutable', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""

BACKWARD = """
CREATE OR REPLACE FUNCTION agents_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are immutable', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0005_name_keys")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="leaving_since",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="left_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
