"""Las rutas: la API, la entrada, lo que sigue a un final y, solo si se pide, el mando de las pruebas."""

from django.conf import settings
from django.urls import include, path

from tests.support.reference import views

_events = [
    path("pending-start/", views.pending, {"move": views.START}),
    path("pending-finish/", views.pending, {"move": views.FINISH}),
    path("<str:event_id>/start/", views.change, {"move": views.START}),
    path("<str:event_id>/finish/", views.change, {"move": views.FINISH}),
]

urlpatterns = [
    path("api/events-status/", include(_events)),
    path("auth/login/", views.login),
    path("auth/refresh-token/", views.refresh_token),
    path("analysis/process-event-completion/", views.process_completion),
]

if settings.CONTROL:
    urlpatterns.append(path("_control/", include("tests.support.reference.control")))
