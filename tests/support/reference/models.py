"""Eventos, usuarios y opciones, en una base de datos de verdad."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

from tests.support.reference.contract import EventId


class State(models.TextChoices):
    """La vida de un evento."""

    SCHEDULED = "programado"
    RUNNING = "en_progreso"
    COMPLETED = "completado"


class User(AbstractBaseUser):
    """Quien entra con correo y contraseña; su papel decide qué puede hacer."""

    email = models.EmailField(unique=True)
    role = models.CharField(max_length=30)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["role"]

    def __str__(self) -> str:
        """Su correo."""
        return self.email


class Event(models.Model):
    """Un examen, que se valida cada vez que se guarda."""

    # Sin id público (NULL, que `unique` deja repetir) vale el entero.
    public_id = models.CharField(max_length=64, unique=True, null=True, blank=True)
    state = models.CharField(max_length=20, choices=State.choices, default=State.SCHEDULED)
    start_date = models.DateTimeField()
    end_date = models.DateTimeField()
    participants = models.PositiveIntegerField(default=1)

    class Meta:
        """Las dos listas de pendientes buscan por estado y fecha."""

        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["state", "start_date"], name="event_start"),
            models.Index(fields=["state", "end_date"], name="event_end"),
        ]

    def __str__(self) -> str:
        """Su id y su estado."""
        return f"{self.api_id} ({self.state})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Guarda solo lo válido, como hace el real."""
        self.full_clean()
        super().save(*args, **kwargs)

    @property
    def api_id(self) -> EventId:
        """El id con que lo conoce la API."""
        return self.public_id or self.pk

    def clean(self) -> None:
        """Un evento no termina antes de empezar."""
        if self.end_date < self.start_date:
            raise ValidationError("La fecha de fin es anterior a la de inicio.")


class StateChange(models.Model):
    """Un cambio de estado que ocurrió de verdad: lo escribe un disparador de la base de datos.

    Un evento movido dos veces tiene dos con el mismo `after`. `at` es la hora de verdad, sin el desfase del backend.
    """

    event = models.ForeignKey(Event, on_delete=models.CASCADE)
    before = models.CharField(max_length=20)
    after = models.CharField(max_length=20)
    at = models.DateTimeField()

    def __str__(self) -> str:
        """De qué a qué."""
        return f"{self.event_id}: {self.before} → {self.after}"


class FollowUp(models.Model):
    """Una llamada a `/analysis/process-event-completion/`, con el id tal como llegó y lo que se contestó."""

    event_id = models.JSONField(null=True)
    status = models.PositiveIntegerField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        """De qué evento."""
        return f"{self.event_id}: {self.status}"


class Options(models.Model):
    """La única fila de opciones: se lee en cada petición, y así valen en todos los procesos."""

    class ListShape(models.TextChoices):
        """Con qué forma salen las listas."""

        PLAIN = "plain"
        LIST = "list"
        PAGES = "pages"

    latency_ms = models.PositiveIntegerField(default=0)
    race_ms = models.PositiveIntegerField(default=0)
    token_seconds = models.IntegerField()
    list_shape = models.CharField(max_length=10, choices=ListShape.choices, default=ListShape.PLAIN)
    page_size = models.PositiveIntegerField(default=100, validators=[MinValueValidator(1)])
    require_token = models.BooleanField()
    prefix = models.CharField(max_length=100, blank=True, validators=[RegexValidator(r"^(/[\w-]+)*$")])
    clock_offset_seconds = models.FloatField()
    follow_up_status = models.PositiveIntegerField(default=0)
    follow_up_delay_ms = models.PositiveIntegerField(default=0)
    # Cada `reset` empieza un registro nuevo: lo que llegue tarde de antes no lo ensucia.
    generation = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        """Cuántas veces se ha empezado de cero."""
        return f"generación {self.generation}"

    @classmethod
    def current(cls) -> "Options":
        """Las que valen ahora; a mano, porque se leen siempre y no deben pesar en las medidas."""
        return cls.objects.raw("SELECT * FROM backend_options WHERE id = 1")[0]

    @classmethod
    def adjustable(cls) -> Iterable[str]:
        """Los nombres que se pueden cambiar desde fuera."""
        return {field.name for field in cls._meta.fields} - {"id", "generation"}
