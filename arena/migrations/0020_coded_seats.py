from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("arena", "0019_space_icon"),
    ]

    operations = [
        migrations.AddField(
            model_name="space",
            name="has_coded_seats",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Whether one of the seats that the house fills may be an agent that answers by code. It shows what is possible and teaches the rules fast; without it, models teach each other, and their answers stay longer.",
            ),
        ),
    ]
