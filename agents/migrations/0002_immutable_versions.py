"""Agent versions are immutable: a trigger refuses UPDATE and DELETE."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION agents_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are immutable', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER agentversion_immutable BEFORE UPDATE OR DELETE ON agents_agentversion
    FOR EACH ROW EXECUTE FUNCTION agents_refuse_change();
"""

BACKWARD = """
DROP TRIGGER agentversion_immutable ON agents_agentversion;
DROP FUNCTION agents_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
