"""El mando de las pruebas, `/_control/`. NO es parte del backend real y solo se sirve si se pide."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from tests.support.reference import seed
from tests.support.reference.middleware import request_log
from tests.support.reference.models import Event, FollowUp, Options, State, StateChange

Answer = Callable[..., Any]


def _endpoint(answer: Answer) -> Callable[[HttpRequest], HttpResponse]:
    """Llama a `answer` con el objeto JSON recibido como argumentos y devuelve en JSON lo que dé."""

    @require_POST
    def respond(request: HttpRequest) -> HttpResponse:
        try:
            result = answer(**json.loads(request.body))
        except (TypeError, ValueError, ValidationError) as error:
            return JsonResponse({"error": str(error)}, status=400)
        return JsonResponse(result, safe=False)

    return respond


def _states() -> list[list[Any]]:
    return [[event.api_id, event.state] for event in Event.objects.order_by("pk")]


def _history() -> list[dict[str, Any]]:
    """Con la hora de cada cambio va la de antes: desde cuándo, en la hora de verdad, pudo enseñarlo una lista."""
    ahead = timedelta(seconds=Options.current().clock_offset_seconds)
    running_since: dict[int, datetime] = {}
    changes = []
    for one in StateChange.objects.select_related("event").order_by("pk"):
        starts = one.before == State.SCHEDULED
        due_at = one.event.start_date if starts else one.event.end_date
        visible_from = due_at - ahead
        if starts:
            running_since.setdefault(one.event.pk, one.at)
        else:
            visible_from = max(visible_from, running_since.get(one.event.pk, visible_from))
        change = {"event_id": one.event.api_id, "before": one.before, "after": one.after}
        moments = {"at": one.at, "due_at": due_at, "visible_from": visible_from}
        changes.append(change | {name: moment.isoformat() for name, moment in moments.items()})
    return changes


def _follow_ups() -> list[dict[str, Any]]:
    calls = FollowUp.objects.order_by("pk")
    return [{"event_id": call.event_id, "status": call.status, "at": call.at.isoformat()} for call in calls]


def _requests() -> list[Any]:
    log = request_log(Options.current())
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _configure(**values: Any) -> None:
    unknown = values.keys() - Options.adjustable()
    if unknown:
        raise ValueError(f"No hay opciones con esos nombres: {', '.join(sorted(unknown))}")
    options = Options.current()
    for name, value in values.items():
        setattr(options, name, value)
    options.full_clean()
    options.save()


urlpatterns = [
    path("events/", _endpoint(seed.create_events)),
    path("states/", _endpoint(_states)),
    path("history/", _endpoint(_history)),
    path("requests/", _endpoint(_requests)),
    path("follow-ups/", _endpoint(_follow_ups)),
    path("users/", _endpoint(seed.set_user)),
    path("options/", _endpoint(_configure)),
    path("reset/", _endpoint(seed.reset)),
]
