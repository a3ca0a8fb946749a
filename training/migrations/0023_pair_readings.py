from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0022_exports"),
    ]

    operations = [
        migrations.AddField(
            model_name="pair",
            name="chosen_reads",
            field=models.BooleanField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="pair",
            name="rejected_reads",
            field=models.BooleanField(editable=False, null=True),
        ),
    ]
