from django.db import migrations


class Migration(migrations.Migration):
    """A token that may read may also order exports, as before; a new one asks for it by itself."""

    dependencies = [
        ("agents", "0013_inference_servers"),
    ]

    operations = [
        migrations.RunSQL(
            sql=(
                "UPDATE agents_apitoken SET scopes ="
                " ARRAY['read', 'export']::varchar[] || array_remove(scopes, 'read')"
                " WHERE 'read' = ANY(scopes)"
            ),
            # Without a scope that it knows, the release before would refuse the token as a whole.
            reverse_sql=[
                "DELETE FROM agents_apitoken WHERE scopes = ARRAY['export']::varchar[]",
                "UPDATE agents_apitoken SET scopes = array_remove(scopes, 'export')",
            ],
        ),
    ]
