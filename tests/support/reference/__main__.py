"""`python -m tests.support.reference`: sirve el backend de referencia hasta que se le pide parar."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from tests.support.reference.contract import DEFAULT_EMAIL, DEFAULT_PASSWORD, DEFAULT_PREFIX, DEFAULT_TOKEN_SECONDS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.support.reference", description=__doc__, add_help=False)
    add = parser.add_argument_group("opciones").add_argument
    add("-h", "--help", action="help", help="muestra esta ayuda")
    add("--host", default="127.0.0.1", help="dónde escuchar (%(default)s)")
    add("--port", type=int, default=0, help="0: uno libre")
    add("--workers", type=int, default=1, help="procesos (%(default)s)")
    add("--threads", type=int, default=32, help="hilos de cada proceso (%(default)s)")
    add("--keep-alive", type=int, default=2, help="segundos que vive una conexión ociosa (%(default)s)")
    add("--database-url", help="postgresql://…; por defecto DATABASE_URL o, si falta, SQLite")
    add("--workdir", help="dónde van SQLite y el registro; por defecto, un directorio que se borra al acabar")
    add("--iterations", type=int, default=0, help="vueltas de PBKDF2 (0: las de Django)")
    add("--token-seconds", type=int, default=DEFAULT_TOKEN_SECONDS, help="vida de un token (%(default)s)")
    add(
        "--prefix", type=_prefix, default=DEFAULT_PREFIX, help="de qué ruta cuelga la API (%(default)s); vacía: la raíz"
    )
    add("--clock-offset", type=float, default=0.0, help="segundos que adelanta su reloj, o que atrasa si es negativo")
    add("--no-auth", action="store_true", help="ni la API ni lo que sigue a un final piden token")
    add("--email", default=DEFAULT_EMAIL, help="correo del administrador (%(default)s)")
    add("--password", default=DEFAULT_PASSWORD, help="su contraseña (%(default)s)")
    add("--due-start", type=int, default=0, help="eventos que ya deberían haber empezado")
    add("--due-finish", type=int, default=0, help="eventos que ya deberían haber terminado")
    add("--future", type=int, default=0, help="eventos que empiezan dentro de una hora")
    add("--control", action="store_true", help="sirve también /_control/, el mando de las pruebas")
    add("--watch-stdin", action="store_true", help="acaba cuando se cierra la entrada estándar")
    return parser


def _prefix(text: str) -> str:
    path = text.strip("/")
    return path and f"/{path}"


def _environment(args: argparse.Namespace, workdir: str) -> dict[str, str]:
    """Lo que lee `settings`: así llega también a los procesos que abra gunicorn."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.support.reference.settings",
        "DATABASE_URL": args.database_url,
        "REFERENCE_SQLITE": str(Path(workdir, "db.sqlite3")),
        "REFERENCE_REQUEST_LOG_DIR": workdir,
        "REFERENCE_EMAIL": args.email,
        "REFERENCE_PASSWORD": args.password,
        "REFERENCE_ITERATIONS": str(args.iterations),
        "REFERENCE_TOKEN_SECONDS": str(args.token_seconds),
        "REFERENCE_PREFIX": args.prefix,
        "REFERENCE_CLOCK_OFFSET": str(args.clock_offset),
        "REFERENCE_NO_AUTH": "1" if args.no_auth else None,
        "REFERENCE_CONTROL": "1" if args.control else None,
    }
    return {name: value for name, value in environment.items() if value is not None}


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def main() -> None:
    """Lee las opciones, prepara el entorno y sirve."""
    args = _parser().parse_args()
    # Antes de que gunicorn ponga los suyos: también entonces hay que borrar el directorio.
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    owner = os.getpid()
    workdir = args.workdir or tempfile.mkdtemp(prefix="reference-backend-")
    os.environ.update(_environment(args, workdir))
    try:
        from tests.support.reference.serve import serve  # Django lee el entorno al importarse.

        serve(args)
    finally:
        # Los procesos que bifurca gunicorn salen también por aquí.
        if not args.workdir and os.getpid() == owner:
            shutil.rmtree(workdir)


if __name__ == "__main__":
    main()
