"""Triggers keep how many pairs an agent has from a Space; earlier harvests are noted on their matches."""

from django.db import migrations

FORWARD = """
UPDATE arena_match SET is_harvested = true FROM training_harvest AS harvest
WHERE harvest.match_id = arena_match.id;

INSERT INTO training_paircount (agent_id, space_id, pairs, last_spent_id, new_pairs)
SELECT pair.agent_id, pair.space_id, count(*), coalesce(max(spent.last), 0),
    count(*) FILTER (WHERE pair.id > coalesce(spent.last, 0))
FROM training_pair AS pair LEFT JOIN (
    SELECT agent_id, space_id, max(last_pair_id) AS last FROM training_trainingrun GROUP BY 1, 2
) AS spent ON (spent.agent_id, spent.space_id) = (pair.agent_id, pair.space_id)
GROUP BY pair.agent_id, pair.space_id;

-- Agents and Spaces in order, so that two harvests never wait for each other.
CREATE FUNCTION training_count_pairs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO training_paircount AS kept (agent_id, space_id, pairs, last_spent_id, new_pairs)
    SELECT agent_id, space_id, count(*), 0, count(*) FROM added
    GROUP BY agent_id, space_id ORDER BY agent_id, space_id
    ON CONFLICT (agent_id, space_id) DO UPDATE SET
        pairs = kept.pairs + excluded.pairs,
        new_pairs = kept.new_pairs + (
            SELECT count(*) FROM added
            WHERE (added.agent_id, added.space_id) = (kept.agent_id, kept.space_id)
                AND added.id > kept.last_spent_id
        );
    RETURN NULL;
END $$;
CREATE TRIGGER pairs_added AFTER INSERT ON training_pair REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION training_count_pairs();

CREATE FUNCTION training_spend_pairs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO training_paircount (agent_id, space_id, pairs, last_spent_id, new_pairs)
    VALUES (NEW.agent_id, NEW.space_id, 0, 0, 0) ON CONFLICT DO NOTHING;
    -- Locked first: only a statement that begins afterwards sees the pairs of who held it.
    PERFORM 1 FROM training_paircount
    WHERE agent_id = NEW.agent_id AND space_id = NEW.space_id FOR UPDATE;
    UPDATE training_paircount SET last_spent_id = NEW.last_pair_id, new_pairs = (
        SELECT count(*) FROM training_pair AS pair
        WHERE pair.agent_id = NEW.agent_id AND pair.space_id = NEW.space_id
            AND pair.id > NEW.last_pair_id
    )
    WHERE agent_id = NEW.agent_id AND space_id = NEW.space_id AND last_spent_id < NEW.last_pair_id;
    RETURN NULL;
END $$;
CREATE TRIGGER run_spends_pairs AFTER INSERT ON training_trainingrun
    FOR EACH ROW EXECUTE FUNCTION training_spend_pairs();
"""

BACKWARD = """
DROP TRIGGER run_spends_pairs ON training_trainingrun;
DROP FUNCTION training_spend_pairs();
DROP TRIGGER pairs_added ON training_pair;
DROP FUNCTION training_count_pairs();
DELETE FROM training_paircount;
"""


class Migration(migrations.Migration):
    dependencies = [("training", "0010_pair_counts")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
