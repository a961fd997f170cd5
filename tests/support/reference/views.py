"""La API de EvalTech Administrador que usa el programa, con los modales del backend real."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.core.paginator import InvalidPage, Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from tests.support.reference import clock, tokens
from tests.support.reference.middleware import options_of
from tests.support.reference.models import Event, FollowUp, Options, State, User

P = ParamSpec("P")


@dataclass(frozen=True)
class Move:
    """Un cambio de estado: de cuál a cuál, qué fecha lo hace debido y cómo se llama."""

    before: State
    after: State
    date_field: str
    verb: str


START = Move(State.SCHEDULED, State.RUNNING, "start_date", "iniciar")
FINISH = Move(State.RUNNING, State.COMPLETED, "end_date", "finalizar")


def _error(status: int, message: str) -> JsonResponse:
    return JsonResponse({"error": message}, status=status)


def _refusal(request: HttpRequest) -> JsonResponse | None:
    if not options_of(request).require_token:
        return None
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer":
        return _error(401, "Token no proporcionado")
    try:
        user = User.objects.get(pk=tokens.read(token, clock.now()).user_id)
    except (tokens.InvalidTokenError, User.DoesNotExist):
        return _error(401, "Token inválido o expirado")
    if user.role not in {"admin", "superadmin"}:
        return _error(403, "No tiene permisos de administrador")
    return None


def admin_only(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Exige un token vigente de administrador."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        refusal = _refusal(request)
        return view(request, *args, **kwargs) if refusal is None else refusal

    return guarded


@require_GET
@admin_only
def pending(request: HttpRequest, move: Move) -> HttpResponse:
    """Los eventos a los que ya les toca, del más antiguo al más nuevo."""
    due = Event.objects.filter(Q((f"{move.date_field}__lte", clock.now())), state=move.before)
    rows = due.order_by(move.date_field, "pk")
    options = options_of(request)
    if options.list_shape == Options.ListShape.PAGES:
        return _page(request, move, Paginator(rows, options.page_size))
    items = [_item(event, move) for event in rows]
    return JsonResponse(items if options.list_shape == Options.ListShape.LIST else {"results": items}, safe=False)


def _item(event: Event, move: Move) -> dict[str, Any]:
    return {"id": event.api_id, move.date_field: getattr(event, move.date_field).isoformat()}


def _page(request: HttpRequest, move: Move, paginator: "Paginator[Event]") -> JsonResponse:
    """Una página como las de Django REST Framework."""
    try:
        page = paginator.page(request.GET.get("page", 1))
    except InvalidPage:
        return _error(404, "Página no válida")

    def link(number: int) -> str:
        return request.build_absolute_uri(f"{request.path}?page={number}")

    return JsonResponse(
        {
            "count": paginator.count,
            "next": link(page.next_page_number()) if page.has_next() else None,
            "previous": link(page.previous_page_number()) if page.has_previous() else None,
            "results": [_item(event, move) for event in page],
        },
    )


@require_POST
@admin_only
def change(request: HttpRequest, event_id: str, move: Move) -> HttpResponse:
    """Lee, comprueba y guarda sin cerrojo ni transacción; cualquier excepción acaba en un 400."""
    try:
        event = _find(event_id)
        if event.state != move.before:
            return _error(400, f"No se puede {move.verb} un evento en estado '{event.state}'")
        time.sleep(options_of(request).race_ms / 1000)
        event.state = move.after
        event.save(update_fields=["state"])
    except Event.DoesNotExist:
        return _error(404, "Evento no encontrado")
    except Exception as error:  # noqa: BLE001 - el backend real tampoco distingue.
        return _error(400, f"Error al {move.verb} el evento: {error}")
    return JsonResponse({"success": True, "status": event.state})


def _find(event_id: str) -> Event:
    """Por su id público o, si no lo tiene, por el entero."""
    if event_id.isdecimal():
        return Event.objects.get(pk=int(event_id), public_id=None)
    return Event.objects.get(public_id=event_id)


@require_POST
@admin_only
def process_completion(request: HttpRequest) -> HttpResponse:
    """Encarga el análisis de un examen terminado; la llamada queda anotada antes de contestar."""
    options, event_id = options_of(request), _body(request).get("event_id")
    answer = _completion(event_id, options.follow_up_status)
    FollowUp.objects.create(event_id=event_id, status=answer.status_code, at=timezone.now())
    time.sleep(options.follow_up_delay_ms / 1000)
    return answer


def _completion(event_id: object, status: int) -> JsonResponse:
    if status:
        return _error(status, "Error al procesar el evento")
    if event_id is None:
        return _error(400, "event_id es obligatorio")
    try:
        event = _find(str(event_id))
    except Event.DoesNotExist:
        return _error(404, "Evento no encontrado")
    if not event.participants:
        return _error(404, "El evento no tiene participantes")
    return JsonResponse({"message": f"Análisis del evento {event.api_id} en marcha"}, status=202)


@require_POST
def login(request: HttpRequest) -> HttpResponse:
    """Cambia correo y contraseña por un token; comprobarla cuesta CPU, exista o no el usuario."""
    body = _body(request)
    password = str(body.get("password", ""))
    user = User.objects.filter(email=str(body.get("email", ""))).first()
    if user is None:
        User().set_password(password)
        return _error(401, "Credenciales inválidas")
    if not user.check_password(password):
        return _error(401, "Credenciales inválidas")
    token = _mint(request, tokens.Claims(user.pk, user.email))
    return JsonResponse({"token": token, "user": {"id": user.pk, "email": user.email, "role": user.role}})


@require_POST
def refresh_token(request: HttpRequest) -> HttpResponse:
    """Cambia un token todavía válido por otro nuevo."""
    try:
        claims = tokens.read(str(_body(request).get("token", "")), clock.now())
    except tokens.InvalidTokenError:
        return _error(401, "Token inválido o expirado")
    return JsonResponse({"token": _mint(request, claims)})


def _mint(request: HttpRequest, claims: tokens.Claims) -> str:
    return tokens.mint(claims, options_of(request).token_seconds, clock.now())


def _body(request: HttpRequest) -> dict[str, Any]:
    """El objeto JSON recibido; lo que no lo sea, como si viniera vacío."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
