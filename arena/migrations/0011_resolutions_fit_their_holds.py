"""What resolves a hold is between its accounts and of its amount; a post may be of less."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION arena_check_resolution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM arena_transfer AS held
    WHERE held.id = NEW.pending_id
        AND held.kind = 'pending'
        AND (held.debit_id, held.credit_id, held.code) = (NEW.debit_id, NEW.credit_id, NEW.code)
        AND (
            NEW.amount_credits = held.amount_credits
            OR (NEW.kind = 'post' AND NEW.amount_credits < held.amount_credits)
        );
    IF NOT FOUND THEN
        RAISE EXCEPTION 'transfer % does not fit its hold', NEW.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER transfer_fits_its_hold BEFORE INSERT ON arena_transfer
    FOR EACH ROW WHEN (NEW.pending_id IS NOT NULL) EXECUTE FUNCTION arena_check_resolution();
"""

BACKWARD = """
DROP TRIGGER transfer_fits_its_hold ON arena_transfer;
DROP FUNCTION arena_check_resolution();
"""


class Migration(migrations.Migration):
    dependencies = [("arena", "0010_match_started_at")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
