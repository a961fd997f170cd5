"""La mudanza desde el servicio antiguo, con los mandatos de `docs/mudanza.md` tal como están escritos."""

import json
import socket
from pathlib import Path

from tests.e2e import wheelhouse
from tests.e2e.container import Container
from tests.support.reference.server import ReferenceBackend

_OLD_UNIT = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"


def test_the_whole_move_and_back(wheels: dict[str, Path], backend: ReferenceBackend, typed: list[list[str]]) -> None:
    """Un ensayo que no cambia nada, el cambio, y la vuelta atrás sin que quede nada."""
    start, (look_for_problems, look, stop), change, back = typed
    backend.add_events(due_start=2, due_finish=1, public_ids=["a", "b", "c"])
    before = backend.states()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Container(wheels) as machine:
        wheelhouse.configure(machine)
        wheelhouse.install_pipx(machine)
        wheelhouse.put_constraints(machine, "/root/antiguo")
        settings = f"BACKEND_URL={backend.url}\nBACKEND_JWT_TOKEN={backend.token()}\nHOST=127.0.0.1\nPORT={port}\n"
        machine.put("/root/antiguo/.env", f"{settings}SCHEDULER_INTERVAL_SECONDS=60\nLOG_LEVEL=INFO\n")
        machine.put("/etc/systemd/system/antiguo.service", _OLD_UNIT)
        machine.run(["systemctl", "enable", "--now", "antiguo.service"])

        def follow(lines: list[str]) -> str:
            """Teclea los mandatos y devuelve lo último que salió; aquí no está el repositorio, sino la rueda."""
            said = ""
            for line in lines:
                here = line[2:].replace("install --global .", "install --global estado-eventos")
                here = here.replace("8001", str(port))
                said = machine.run(["sh", "-c", f"cd /root/antiguo && {here}"], timeout=180).stdout
            return said

        follow(start)
        machine.wait_until(lambda: "inicio  a" in machine.run(["sh", "-c", look[2:]]).stdout or None, "el ensayo", 120)
        assert "-- No entries --" in follow([look_for_problems])
        follow([stop])
        assert backend.states() == before
        assert [request for request in backend.requests() if request.method == "POST"] == []

        answer = follow(change)
        assert "200 OK" in answer
        assert json.loads(answer.splitlines()[-1]) == {"status": "ok"}
        assert backend.states() == {"a": "en_progreso", "b": "en_progreso", "c": "completado"}
        assert machine.run(["systemctl", "is-active", "antiguo.service"], check=False).stdout == "inactive\n"

        follow(back)
        assert machine.run(["systemctl", "is-active", "antiguo.service"]).stdout == "active\n"
        assert "estado-eventos" not in machine.run(["systemctl", "list-unit-files", "--no-pager"]).stdout
