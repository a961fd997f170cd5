"""Prepara la base de datos y sirve con gunicorn; avisa por la salida cuando ya atiende."""

import argparse
import json
import os
import signal
import socket
import sys
import threading
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.db import connections
from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from tests.support.reference import clock, tokens

_GRACE_SECONDS = 2


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIHandler:
        return WSGIHandler()


def serve(args: argparse.Namespace) -> None:
    """Migra, siembra y atiende hasta SIGTERM o SIGINT."""
    # El puerto queda tomado desde aquí: nadie puede adelantarse.
    listener = socket.create_server((args.host, args.port), backlog=1024)
    origin = "http://{}:{}".format(*listener.getsockname())
    clock.turn(args.clock_offset)
    # `Date` lo escribe gunicorn, y el reloj de gunicorn también es el del backend.
    util.http_date = clock.http_date
    admin = tokens.Claims(_prepare_database(args), args.email)
    ready = {
        "url": origin + args.prefix,
        "auth_url": origin,
        "user_id": admin.user_id,
        "email": admin.email,
        "password": args.password,
        "token": tokens.mint(admin, args.token_seconds, clock.now()),
    }

    def announce(worker: Any) -> None:
        if worker.age == 1:
            sys.stdout.write(json.dumps(ready) + "\n")
            sys.stdout.flush()
        if args.watch_stdin:
            threading.Thread(target=_stop_at_end_of_input, args=(worker.ppid,), daemon=True).start()

    settings = {
        "bind": f"fd://{listener.detach()}",
        "worker_class": "gthread",
        "workers": args.workers,
        "threads": args.threads,
        "keepalive": args.keep_alive,
        "graceful_timeout": _GRACE_SECONDS,
        "preload_app": True,
        "loglevel": "warning",
        "control_socket_disable": True,
        "post_worker_init": announce,
    }
    _Server(settings).run()


def _prepare_database(args: argparse.Namespace) -> int:
    """Crea las tablas que falten y siembra; devuelve el id del administrador."""
    django.setup()
    from tests.support.reference import seed  # Los modelos no existen antes de `setup`.

    call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
    admin = seed.initialize()
    seed.create_events(due_start=args.due_start, due_finish=args.due_finish, future=args.future)
    # Una conexión no sobrevive a la bifurcación.
    connections.close_all()
    return admin


def _stop_at_end_of_input(arbiter: int) -> None:
    """Si muere quien lo arrancó, el servidor no se queda huérfano."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    if os.getppid() == arbiter:
        os.kill(arbiter, signal.SIGTERM)
