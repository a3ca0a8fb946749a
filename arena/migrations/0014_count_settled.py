"""Triggers keep how many matches of a Space were settled."""

from django.db import migrations

FORWARD = """
INSERT INTO arena_spacecount (space_id, settled_matches)
SELECT space_id, count(*) FROM arena_match WHERE status = 'settled' GROUP BY space_id;

CREATE FUNCTION arena_count_settled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO arena_spacecount AS kept (space_id, settled_matches) VALUES (NEW.space_id, 1)
    ON CONFLICT (space_id) DO UPDATE SET settled_matches = kept.settled_matches + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER match_made_settled AFTER INSERT ON arena_match
    FOR EACH ROW WHEN (NEW.status = 'settled') EXECUTE FUNCTION arena_count_settled();
CREATE TRIGGER match_settled AFTER UPDATE OF status ON arena_match
    FOR EACH ROW WHEN (NEW.status = 'settled' AND OLD.status <> 'settled')
    EXECUTE FUNCTION arena_count_settled();
"""

BACKWARD = """
DROP TRIGGER match_settled ON arena_match;
DROP TRIGGER match_made_settled ON arena_match;
DROP FUNCTION arena_count_settled();
DELETE FROM arena_spacecount;
"""


class Migration(migrations.Migration):
    dependencies = [("arena", "0013_flat_reads")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
