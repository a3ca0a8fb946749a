"""A trigger notes on each pair what selections for export ask of it."""

from django.db import migrations, models

FORWARD = """
CREATE FUNCTION training_describe_pair(
    of_round bigint, of_chosen bigint, of_rejected bigint, of_source text,
    OUT prompt_key uuid, OUT answers_key uuid, OUT is_cut boolean, OUT is_verified boolean,
    OUT is_held_out boolean
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    one arena_round;
    better record;
    worse record;
    asked text;
BEGIN
    SELECT * INTO one FROM arena_round WHERE id = of_round;
    SELECT said.text, said.asked_key, said.finish_reason, seat.index INTO better
    FROM arena_completion AS said JOIN arena_seat AS seat ON seat.id = said.seat_id
    WHERE said.id = of_chosen;
    SELECT said.text, said.asked_key, said.finish_reason, seat.index INTO worse
    FROM arena_completion AS said JOIN arena_seat AS seat ON seat.id = said.seat_id
    WHERE said.id = of_rejected;
    -- Of an episode, the position that the pair's own answer was given.
    asked := CASE of_source WHEN 'own_chosen' THEN better.asked_key ELSE worse.asked_key END;
    prompt_key := md5(coalesce(nullif(asked, ''), one.task_key))::uuid;
    answers_key := md5(prompt_key || md5(better.text) || md5(worse.text))::uuid;
    is_cut := worse.finish_reason = 'length';
    is_held_out := one.task ->> 'split' IS DISTINCT FROM 'train';
    -- Where code judges an episode, it has valued both moves of each pair.
    is_verified := EXISTS (
        SELECT FROM arena_vote AS vote
        JOIN judges_judge AS judge ON judge.id = vote.judge_id
        LEFT JOIN judges_judgeversion AS stood ON stood.id = vote.version_id
        WHERE vote.round_id = of_round AND vote.error = ''
            AND coalesce(stood.kind, judge.kind) = 'code'
            AND (
                one.turn_limit > 1
                OR (vote.scores ->> better.index::text)::float
                    > (vote.scores ->> worse.index::text)::float
            )
    );
END $$;

CREATE FUNCTION training_note_pair() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT * INTO NEW.prompt_key, NEW.answers_key, NEW.is_cut, NEW.is_verified, NEW.is_held_out
    FROM training_describe_pair(NEW.round_id, NEW.chosen_id, NEW.rejected_id, NEW.source);
    RETURN NEW;
END $$;
CREATE TRIGGER pair_described BEFORE INSERT ON training_pair
    FOR EACH ROW EXECUTE FUNCTION training_note_pair();
"""

BACKWARD = """
DROP TRIGGER pair_described ON training_pair;
DROP FUNCTION training_note_pair();
DROP FUNCTION training_describe_pair(bigint, bigint, bigint, text);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("arena", "0037_vote_newest_of_judge"),
        ("judges", "0007_rubric_and_process"),
        ("training", "0019_pair_lengths"),
    ]

    operations = [
        migrations.AddField(
            model_name="pair",
            name="answers_key",
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="pair",
            name="is_cut",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="pair",
            name="is_held_out",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="pair",
            name="is_verified",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="pair",
            name="prompt_key",
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
