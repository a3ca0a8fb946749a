"""What a person leaves behind goes back to where it was issued."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("arena", "0011_resolutions_fit_their_holds")]
    operations = [
        migrations.AlterField(
            model_name="transfer",
            name="code",
            field=models.CharField(
                choices=[
                    ("top_up", "top_up"),
                    ("entry_fee", "entry_fee"),
                    ("prize", "prize"),
                    ("rake", "rake"),
                    ("refund", "refund"),
                    ("training", "training"),
                    ("forfeit", "forfeit"),
                ],
                max_length=12,
            ),
        )
    ]
