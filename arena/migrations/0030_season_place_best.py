from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("arena", "0029_answer_lengths"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="seasonplace",
            index=models.Index(
                models.F("season"),
                models.OrderBy(
                    models.F("mu") - models.Value(1.96) * models.F("sigma"), descending=True
                ),
                models.F("agent"),
                name="season_place_best",
            ),
        ),
    ]
