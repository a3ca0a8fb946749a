from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("judges", "0009_numbers")]

    operations = [
        migrations.AddField(
            model_name="golditem",
            name="bounty_id",
            field=models.BigIntegerField(blank=True, null=True),
        ),
    ]
