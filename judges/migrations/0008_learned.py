import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("judges", "0007_rubric_and_process"),
    ]

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
                ],
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="LearnedVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=64)),
                ("base", models.CharField(max_length=120)),
                (
                    "status",
                    models.CharField(
                        choices=[("adopted", "Adopted"), ("refused", "Refused")], max_length=10
                    ),
                ),
                ("reason", models.CharField(max_length=600)),
                ("kinds", models.JSONField(default=list)),
                ("figures", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "judge",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="learned",
                        to="judges.judge",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["judge", "-created_at"], name="learned_newest")],
            },
        ),
    ]
