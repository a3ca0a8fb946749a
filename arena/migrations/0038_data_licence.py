"""A Space's terms say under which licence its answers are data for everybody, and since when."""

import django.utils.timezone
from django.db import migrations, models
from django.db.models.functions import Now

FORWARD = """
UPDATE arena_space SET data_licence_since = created_at;

CREATE FUNCTION arena_note_data_licence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.data_licence_since := CASE
        WHEN NEW.data_licence = OLD.data_licence THEN OLD.data_licence_since ELSE clock_timestamp()
    END;
    RETURN NEW;
END $$;
CREATE TRIGGER data_licence_noted BEFORE UPDATE ON arena_space
    FOR EACH ROW EXECUTE FUNCTION arena_note_data_licence();
"""

BACKWARD = """
DROP TRIGGER data_licence_noted ON arena_space;
DROP FUNCTION arena_note_data_licence();
"""


class Migration(migrations.Migration):
    dependencies = [("arena", "0037_vote_newest_of_judge")]

    operations = [
        migrations.AddField(
            model_name="space",
            name="data_licence",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "None: answers are no public data"),
                    ("cc0-1.0", "CC0 1.0"),
                    ("cc-by-4.0", "CC BY 4.0"),
                    ("cc-by-sa-4.0", "CC BY-SA 4.0"),
                ],
                db_default="cc-by-4.0",
                default="cc-by-4.0",
                help_text="Under which licence anybody may export the answers of matches. Another "
                "licence holds for matches that are entered from then on; those before leave the "
                "public data.",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="space",
            name="data_licence_since",
            field=models.DateTimeField(
                db_default=Now(), default=django.utils.timezone.now, editable=False
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
