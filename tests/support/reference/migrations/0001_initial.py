"""Las tablas del backend de referencia."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Todas, de una vez."""

    initial = True

    operations = (
        migrations.CreateModel(
            name="Options",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("latency_ms", models.PositiveIntegerField(default=0)),
                ("race_ms", models.PositiveIntegerField(default=0)),
                ("token_seconds", models.IntegerField()),
                (
                    "list_shape",
                    models.CharField(
                        choices=[("plain", "Plain"), ("list", "List"), ("pages", "Pages")],
                        default="plain",
                        max_length=10,
                    ),
                ),
                (
                    "page_size",
                    models.PositiveIntegerField(default=100, validators=[django.core.validators.MinValueValidator(1)]),
                ),
                ("require_token", models.BooleanField()),
                (
                    "prefix",
                    models.CharField(
                        blank=True,
                        max_length=100,
                        validators=[django.core.validators.RegexValidator("^(/[\\w-]+)*$")],
                    ),
                ),
                ("clock_offset_seconds", models.FloatField()),
                ("follow_up_status", models.PositiveIntegerField(default=0)),
                ("follow_up_delay_ms", models.PositiveIntegerField(default=0)),
                ("generation", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                ("email", models.EmailField(max_length=254, unique=True)),
                ("role", models.CharField(max_length=30)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("public_id", models.CharField(blank=True, max_length=64, null=True, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("programado", "Scheduled"),
                            ("en_progreso", "Running"),
                            ("completado", "Completed"),
                        ],
                        default="programado",
                        max_length=20,
                    ),
                ),
                ("start_date", models.DateTimeField()),
                ("end_date", models.DateTimeField()),
                ("participants", models.PositiveIntegerField(default=1)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["state", "start_date"], name="event_start"),
                    models.Index(fields=["state", "end_date"], name="event_end"),
                ],
            },
        ),
        migrations.CreateModel(
            name="FollowUp",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("event_id", models.JSONField(null=True)),
                ("status", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="StateChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("before", models.CharField(max_length=20)),
                ("after", models.CharField(max_length=20)),
                ("at", models.DateTimeField()),
                ("event", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="backend.event")),
            ],
        ),
    )
