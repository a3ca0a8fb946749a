from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("judges", "0008_learned")]

    operations = [
        migrations.AlterField(
            model_name="judge",
            name="kind",
            field=models.CharField(
                choices=[
                    ("code", "code"),
                    ("poem", "poem"),
                    ("pairwise", "pairwise"),
                    ("rubric", "rubric"),
                    ("process", "process"),
                    ("coin", "coin"),
                    ("learned", "learned"),
                    ("reward", "reward"),
                    ("embedding", "embedding"),
                ],
                max_length=10,
            ),
        ),
    ]
