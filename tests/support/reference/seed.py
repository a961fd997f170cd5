"""Siembra la base de datos: eventos, el administrador y las opciones iniciales."""

from datetime import UTC, datetime, timedelta
from typing import Unpack

from django.conf import settings
from django.db import transaction

from tests.support.reference import clock
from tests.support.reference.contract import EventBatch, EventId
from tests.support.reference.models import Event, FollowUp, Options, State, StateChange, User

_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
_STEP = timedelta(milliseconds=1)


def initialize() -> int:
    """Pone las opciones iniciales y el administrador, si falta, que vale para una base de datos ya usada; da su id."""
    Options.objects.update_or_create(pk=1, defaults=settings.INITIAL_OPTIONS)
    admin = User.objects.filter(email=settings.ADMIN_EMAIL).first()
    return admin.pk if admin else set_user(settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD, "admin")


def reset() -> None:
    """Deja la base de datos como recién sembrada y empieza otro registro de peticiones.

    El administrador sigue siendo el mismo: los tokens lo nombran por su id.
    """
    generation = Options.current().generation + 1
    with transaction.atomic():
        for model in (FollowUp, StateChange, Event, Options):
            model.objects.all().delete()
        User.objects.exclude(email=settings.ADMIN_EMAIL).delete()
        Options.objects.create(pk=1, generation=generation, **settings.INITIAL_OPTIONS)
        set_user(settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD, "admin")


def set_user(email: str, password: str, role: str) -> int:
    """Crea el usuario o le cambia contraseña y papel; devuelve su id."""
    user = User.objects.filter(email=email).first() or User(email=email)
    user.role = role
    user.set_password(password)
    user.save()
    return user.pk


def create_events(**batch: Unpack[EventBatch]) -> list[EventId]:
    """Crea un lote de golpe, sin validar (así caben los rotos), y devuelve los ids en su orden."""
    now = clock.now()
    due = now + timedelta(seconds=batch.get("offset", -60.0))
    if "at" in batch:
        due = datetime.fromtimestamp(batch["at"], UTC)
    events = [
        *(_scheduled(at) for at in _dates(batch.get("due_start", 0), due)),
        *(_running(at) for at in _dates(batch.get("due_finish", 0), due)),
        *(_left_behind(at) for at in _dates(batch.get("due_both", 0), due)),
        *(_scheduled(at) for at in _dates(batch.get("future", 0), now + _HOUR)),
        *(_reversed(_scheduled(at), end=at - _MINUTE) for at in _dates(batch.get("broken_start", 0), due)),
        *(_reversed(_running(at), start=at + _MINUTE) for at in _dates(batch.get("broken_finish", 0), due)),
    ]
    for event in events:
        event.participants = batch.get("participants", 1)
    public_ids = batch.get("public_ids")
    if public_ids:
        for event, public_id in zip(events, public_ids, strict=True):
            event.public_id = public_id
    return [event.api_id for event in Event.objects.bulk_create(events)]


def _dates(count: int, last: datetime) -> list[datetime]:
    """`count` instantes crecientes, el último en `last`: el orden de creación es el de vencimiento."""
    return [last - _STEP * before for before in reversed(range(count))]


def _scheduled(start: datetime) -> Event:
    return Event(state=State.SCHEDULED, start_date=start, end_date=max(start, clock.now()) + _HOUR)


def _running(end: datetime) -> Event:
    return Event(state=State.RUNNING, start_date=end - _HOUR, end_date=end)


def _left_behind(end: datetime) -> Event:
    return Event(state=State.SCHEDULED, start_date=end - _HOUR, end_date=end)


def _reversed(event: Event, *, start: datetime | None = None, end: datetime | None = None) -> Event:
    event.start_date = start or event.start_date
    event.end_date = end or event.end_date
    return event
