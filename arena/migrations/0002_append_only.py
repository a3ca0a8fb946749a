"""Transfers and match events are append-only: triggers refuse UPDATE and DELETE."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION arena_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are immutable', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE ON arena_transfer
    FOR EACH ROW EXECUTE FUNCTION arena_refuse_change();
CREATE TRIGGER matchevent_append_only BEFORE UPDATE OR DELETE ON arena_matchevent
    FOR EACH ROW EXECUTE FUNCTION arena_refuse_change();
"""

BACKWARD = """
DROP TRIGGER transfer_append_only ON arena_transfer;
DROP TRIGGER matchevent_append_only ON arena_matchevent;
DROP FUNCTION arena_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("arena", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
