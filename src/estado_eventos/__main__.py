"""El arranque del proceso: lo que tiene que pasar antes de importar nada y después de que todo acabe."""

import signal
import time

# El límite de una pasada cuenta desde aquí: importar es ya parte de ella.
_STARTED = time.monotonic()
# Antes que nada: un Ctrl-C mientras se importa sería un volcado de pila; así es solo una muerte por señal (130).
signal.signal(signal.SIGINT, signal.SIG_DFL)

import gc
import os
import sys
import threading
from collections.abc import Callable


def main() -> None:
    """Ejecuta el programa y acaba el proceso con su código de salida."""
    _fill_closed_streams()
    # Un hilo reserva 8 MiB de pila; con un límite de memoria no cabrían los que resuelven nombres.
    threading.stack_size(1 << 20)
    # Nada de lo que se crea al importar es basura: buscarla cuesta una décima parte del arranque.
    gc.disable()
    if os.getpid() == 1:
        # Al proceso 1 de un contenedor el núcleo no lo mata por una señal que nadie atiende: la descarta.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda received, _: os._exit(128 + received))
    # Con un click instalado al lado, httpx importa su consola y con ella rich: el 40 % de lo que cuesta importarlo.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    try:
        run = _command()
        gc.freeze()
        gc.enable()
        code = run()
    except MemoryError:
        os.write(2, b"estado-eventos: no hay bastante memoria\n")
        os._exit(70)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            continue
    # Salir sin esperar a los hilos: uno que siga resolviendo un nombre alargaría la pasada más allá de su límite.
    os._exit(code)


def _command() -> Callable[[], int]:
    """Lo que hay que ejecutar. Contestar a un GET no paga la importación de las pasadas, que es cinco veces más."""
    if sys.argv[1:] == ["http"]:
        # asyncio importa `ssl` si está, y aquí no hay TLS: 8 ms de 73.
        sys.modules["ssl"] = None  # type: ignore[assignment]
        from estado_eventos.cli.http import main as http

        return http
    from estado_eventos.cli.app import main as app

    return lambda: app(started=_STARTED)


def _fill_closed_streams() -> None:
    """Que ningún socket ocupe el sitio de una salida cerrada."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        continue
    os.close(number)


if __name__ == "__main__":
    main()
