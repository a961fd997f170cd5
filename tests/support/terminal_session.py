"""El programa en un terminal de verdad: lo que se ve en él."""

import os
import pty
import select
import subprocess

from tests.support.program import PROGRAM, environment


def in_terminal(*arguments: str, **variables: object) -> tuple[int, str]:
    """Ejecuta el programa en un terminal; devuelve el código y lo que se vio, con sus órdenes de color."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        env=environment(**{"TERM": "xterm-256color", "COLUMNS": 100, **variables}),
        cwd="/",
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    seen = b""
    with process:
        while select.select([master], [], [], 60)[0]:
            try:
                chunk = os.read(master, 65536)
            except OSError:
                break
            seen += chunk
    os.close(master)
    return process.returncode, seen.decode()
