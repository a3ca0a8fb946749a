"""Practice matches, and what the database refuses of them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION arena_practice_is_not_rated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM arena_seat WHERE id = NEW.seat_id AND is_practice) THEN
        RAISE EXCEPTION 'a practice match changes no rating' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER practice_is_not_rated BEFORE INSERT ON arena_ratingchange
    FOR EACH ROW EXECUTE FUNCTION arena_practice_is_not_rated();

CREATE FUNCTION arena_practice_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a match is practice from its beginning, or never'
        USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER match_practice_stays BEFORE UPDATE OF is_practice ON arena_match
    FOR EACH ROW WHEN (NEW.is_practice <> OLD.is_practice) EXECUTE FUNCTION arena_practice_stays();
CREATE TRIGGER seat_practice_stays BEFORE UPDATE OF is_practice ON arena_seat
    FOR EACH ROW WHEN (NEW.is_practice <> OLD.is_practice) EXECUTE FUNCTION arena_practice_stays();

DROP TRIGGER match_settled ON arena_match;
DROP TRIGGER match_made_settled ON arena_match;
CREATE TRIGGER match_made_settled AFTER INSERT ON arena_match
    FOR EACH ROW WHEN (NEW.status = 'settled' AND NOT NEW.is_practice)
    EXECUTE FUNCTION arena_count_settled();
CREATE TRIGGER match_settled AFTER UPDATE OF status ON arena_match
    FOR EACH ROW
    WHEN (NEW.status = 'settled' AND OLD.status <> 'settled' AND NOT NEW.is_practice)
    EXECUTE FUNCTION arena_count_settled();
"""

BACKWARD = """
DROP TRIGGER match_settled ON arena_match;
DROP TRIGGER match_made_settled ON arena_match;
CREATE TRIGGER match_made_settled AFTER INSERT ON arena_match
    FOR EACH ROW WHEN (NEW.status = 'settled') EXECUTE FUNCTION arena_count_settled();
CREATE TRIGGER match_settled AFTER UPDATE OF status ON arena_match
    FOR EACH ROW WHEN (NEW.status = 'settled' AND OLD.status <> 'settled')
    EXECUTE FUNCTION arena_count_settled();
DROP TRIGGER seat_practice_stays ON arena_seat;
DROP TRIGGER match_practice_stays ON arena_match;
DROP FUNCTION arena_practice_stays();
DROP TRIGGER practice_is_not_rated ON arena_ratingchange;
DROP FUNCTION arena_practice_is_not_rated();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0011_api_tokens"),
        ("arena", "0040_account_of_the_site"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PracticeMatch",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name_plural": "practice matches",
            },
        ),
        migrations.RemoveIndex(
            model_name="seat",
            name="seat_settled_of_version",
        ),
        migrations.AddField(
            model_name="match",
            name="is_practice",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="seat",
            name="is_practice",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddIndex(
            model_name="seat",
            index=models.Index(
                condition=models.Q(("is_practice", False), ("score__isnull", False)),
                fields=["version"],
                name="seat_counted_of_version",
            ),
        ),
        migrations.AddConstraint(
            model_name="match",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_practice", False), ("is_harvested", True), _connector="OR"),
                name="practice_gives_no_pairs",
            ),
        ),
        migrations.AddConstraint(
            model_name="seat",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("is_practice", False),
                    models.Q(("entry__isnull", True), ("prize_credits", 0)),
                    _connector="OR",
                ),
                name="practice_has_no_fee_and_no_prize",
            ),
        ),
        migrations.AddField(
            model_name="practicematch",
            name="agent",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="agents.agent"
            ),
        ),
        migrations.AddField(
            model_name="practicematch",
            name="match",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="practice_match",
                to="arena.match",
            ),
        ),
        migrations.AddField(
            model_name="practicematch",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="practicematch",
            index=models.Index(fields=["user", "created_at"], name="practice_of_user"),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
