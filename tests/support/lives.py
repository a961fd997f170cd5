"""Una vida cualquiera del servicio: pasadas, averías, rivales y personas, en un orden que decide Hypothesis.

El backend es el de referencia, con una base de datos de verdad, y cada pasada es un proceso. Después de cada paso,
ningún evento ha cambiado dos veces ni hacia atrás; y al final, una pasada sin averías acaba con 0 y no deja nada.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.transitions import FINISH, START, TRANSITIONS, Transition
from tests.support.faults import FaultyServer, check_no_blind_repeats
from tests.support.forked import ForkServer, Running
from tests.support.program import Completed
from tests.support.reactions import Fault, Late, Reaction, Request, Rule, Spoiled, answer
from tests.support.reference.contract import EventId
from tests.support.reference.server import ReferenceBackend

ENDINGS = set(ExitCode) - {ExitCode.USAGE, ExitCode.SOFTWARE, ExitCode.CONFIG}
TARGETS = {transition.name: transition.target_status for transition in TRANSITIONS}
_PATIENCE = 300
"""Segundos que no se alcanzan: aquí no se mide lo rápida que es la máquina."""

FAULTS: dict[str, Callable[[], Reaction]] = {
    "corte": lambda: Fault.CUT,
    "RST": lambda: Fault.RESET,
    "corte, ya aplicado": lambda: Fault.CUT_AFTER_APPLYING,
    "RST, ya aplicado": lambda: Spoiled(lambda _: b"", Fault.RESET),
    "a medias, ya aplicado": lambda: Spoiled(lambda data: data[:-3]),
    "500": lambda: answer(500, '{"error": "x"}'),
    "503": lambda: answer(503),
    "400": lambda: answer(400, '{"error": "Error interno"}'),
    "401": lambda: answer(401),
    "404": lambda: answer(404),
    "HTML": lambda: answer(200, "<html>"),
    "latencia": lambda: Late(0.05),
}
"""Lo que le puede pasar a una petición."""

ARRIVALS = st.integers(0, 4)
COMMANDS = st.sampled_from(["run-once", "start", "finish"])
PLANS = st.dictionaries(
    st.sampled_from(["pending-start", "pending-finish", "evento", "login"]),
    st.lists(st.sampled_from([*FAULTS, None]), min_size=1, max_size=2),
    max_size=2,
)
"""Qué le pasa a la primera petición de cada clase, y a la segunda; un evento de cada tres es «evento»."""


class Service(RuleBasedStateMachine):
    """El servicio y su mundo. Entre el programa y el backend hay siempre un servidor con averías."""

    due: dict[EventId, Transition]
    """Los eventos a los que ya les toca, movidos o no, y qué les toca."""

    def __init__(self, backend: ReferenceBackend, forks: ForkServer, folder: Path) -> None:
        """Con el backend como recién arrancado."""
        super().__init__()
        self.backend, self.forks, self.cache = backend, forks, folder / "token"
        self.cache.unlink(missing_ok=True)
        backend.reset()
        # Lo justo para que dos que piden lo mismo a la vez se pisen.
        backend.configure(race_ms=20)
        self.due = {}
        self.account_works = True
        self.running = ExitStack()
        self.server = self.running.enter_context(FaultyServer(upstream=backend.url))

    def teardown(self) -> None:
        """Pasadas las averías, una pasada acaba con 0 y no deja nada pendiente."""
        with self.running:
            self.everything_works()
            self.check_all_is_done(self.run_pass("run-once"))

    def everything_works(self) -> None:
        """Quita las averías y deja la cuenta como al principio."""
        self.server.rule = lambda _: None
        self.backend.set_password(self.backend.password)
        self.backend.configure(token_seconds=1800)
        self.account_works = True

    def start_pass(self, *arguments: str) -> Running:
        """Arranca una pasada."""
        env: dict[str, object] = {
            "BACKEND_URL": self.server.url,
            "TOKEN_CACHE_FILE": self.cache,
            "PASS_TIMEOUT": _PATIENCE,
            "SCHEDULER_INTERVAL_SECONDS": 400,
        }
        account = {"BACKEND_EMAIL": self.backend.email, "BACKEND_PASSWORD": self.backend.password}
        return self.forks.start(*arguments, "--json", env=env | account)

    def run_pass(self, *arguments: str, at_once: int = 1) -> list[Completed]:
        """Hace pasadas a la vez, con lo que vale para cualquiera."""
        self.server.requests.clear()
        running = [self.start_pass(*arguments) for _ in range(at_once)]
        completed = [one.wait(_PATIENCE) for one in running]
        check_no_blind_repeats(self.server.requests)
        reached = {(change.event_id, change.after) for change in self.backend.history()}
        for one in completed:
            assert one.code in ENDINGS, one
            assert "Traceback" not in one.stderr, one
            assert one.report["exit_code"] == one.code
            for name, part in one.report["transitions"].items():
                ids = {event["id"] for event in part["events"] if event["result"] in {"done", "already_done"}}
                assert {(event_id, TARGETS[name]) for event_id in ids} <= reached
        return completed

    def check_all_is_done(self, completed: list[Completed]) -> None:
        """Todas acabaron con 0 y no queda nada por mover."""
        assert [one.code for one in completed] == [0] * len(completed), completed
        states = self.backend.states()
        assert {event_id: states[event_id] for event_id in self.due} == {
            event_id: transition.target_status for event_id, transition in self.due.items()
        }

    def spoil(self, plan: Mapping[str, list[str | None]], third: int, *, by_hand: bool) -> Rule:
        """La regla que estropea las peticiones según el plan."""
        unlucky = list(self.due)[third::3]

        def moving(verb: str, data: bytes) -> bytes:
            self.move_by_hand(verb)
            return data

        ahead = {verb: partial(moving, verb) for verb in TARGETS}

        def reaction(request: Request) -> Reaction:
            *_, target, verb = request.path.strip("/").split("/")
            kind = "evento" if target in map(str, unlucky) else verb
            todo = plan.get(kind, [])
            if request.nth <= len(todo) and (name := todo[request.nth - 1]):
                return FAULTS[name]()
            first_look = request.method == "GET" and request.nth == 1
            return Spoiled(ahead[verb.removeprefix("pending-")]) if by_hand and first_look else None

        return reaction

    def move_by_hand(self, verb: str) -> None:
        """Lo que hace una persona en el panel: mueve un evento al que le toca, si queda alguno."""
        states = self.backend.states()
        for event_id, transition in self.due.items():
            if transition.name == verb and states[event_id] != transition.target_status:
                address = urlsplit(self.backend.url + transition.action_path(event_id))
                headers = {"Authorization": f"Bearer {self.backend.token()}"}
                with closing(HTTPConnection(address.hostname or "", address.port, timeout=30)) as client:
                    client.request("POST", address.path, headers=headers)
                    assert client.getresponse().status == 200
                return

    @rule(to_start=ARRIVALS, to_finish=ARRIVALS)
    def time_goes_by(self, to_start: int, to_finish: int) -> None:
        """Llegan las horas de unos eventos, y se crea otro para más tarde."""
        self.due |= dict.fromkeys(self.backend.add_events(due_start=to_start), START)
        self.due |= dict.fromkeys(self.backend.add_events(due_finish=to_finish), FINISH)
        self.backend.add_events(future=1)

    @rule(verb=st.sampled_from(sorted(TARGETS)))
    def someone_moves_one(self, verb: str) -> None:
        """Alguien mueve uno entre pasadas."""
        self.move_by_hand(verb)

    @rule(command=COMMANDS, to_start=ARRIVALS, to_finish=ARRIVALS, at_once=st.integers(1, 3))
    def quiet_passes(self, command: str, to_start: int, to_finish: int, at_once: int) -> None:
        """Una o varias pasadas a la vez, sin averías: si la cuenta vale, 0 y nada por hacer."""
        self.time_goes_by(to_start, to_finish)
        self.server.rule = lambda _: None
        completed = self.run_pass(command, at_once=at_once)
        if self.account_works and command == "run-once":
            self.check_all_is_done(completed)

    @rule(
        command=COMMANDS,
        to_start=ARRIVALS,
        to_finish=ARRIVALS,
        plan=PLANS,
        third=st.integers(0, 2),
        by_hand=st.booleans(),
        at_once=st.integers(1, 2),
    )
    def faulty_passes(  # noqa: PLR0913  Cada argumento es algo que se baraja.
        self,
        command: str,
        to_start: int,
        to_finish: int,
        plan: dict[str, list[str | None]],
        third: int,
        *,
        by_hand: bool,
        at_once: int,
    ) -> None:
        """Una pasada, o dos a la vez, con averías y con alguien que se adelanta."""
        self.time_goes_by(to_start, to_finish)
        self.server.rule = self.spoil(plan, third, by_hand=by_hand)
        self.run_pass(command, at_once=at_once)

    @precondition(lambda self: self.due)
    @rule(data=st.data())
    def only_some(self, data: st.DataObject) -> None:
        """Una pasada por unos eventos sueltos no toca los demás."""
        self.server.rule = lambda _: None
        only = data.draw(st.lists(st.sampled_from(list(self.due)), min_size=1, max_size=2, unique=True))
        before = self.backend.states()
        self.run_pass("run-once", *(f"--event={event_id}" for event_id in only))
        after = self.backend.states()
        assert {event_id for event_id in after if before[event_id] != after[event_id]} <= set(only)

    @rule(arguments=st.sampled_from([["pending"], ["run-once", "--dry-run"], ["start", "--dry-run"]]))
    def look(self, arguments: list[str]) -> None:
        """Mirar no mueve nada."""
        self.server.rule = lambda _: None
        before = self.backend.states()
        self.run_pass(*arguments)
        assert self.backend.states() == before

    @rule(seconds=st.sampled_from([None, -60, 1]))
    def account_breaks(self, seconds: int | None) -> None:
        """La contraseña deja de ser la configurada, o los tokens que se dan nacen caducados o caducan enseguida."""
        if seconds is None:
            self.backend.set_password("otra contraseña")
        else:
            self.backend.configure(token_seconds=seconds)
        self.account_works = False

    @precondition(lambda self: not self.account_works)
    @rule()
    def account_is_mended(self) -> None:
        """Todo vuelve a su sitio."""
        self.everything_works()

    @rule()
    def cache_is_lost(self) -> None:
        """Se borra el token guardado."""
        self.cache.unlink(missing_ok=True)

    @invariant()
    def each_change_happened_once(self) -> None:
        """Ningún evento ha cambiado dos veces, ni hacia atrás, ni antes de su hora."""
        history = self.backend.history()
        counted = Counter((change.event_id, change.before, change.after) for change in history)
        moves = {("programado", "en_progreso"): START, ("en_progreso", "completado"): FINISH}
        assert set(counted.values()) <= {1}, counted
        assert all(self.due.get(event_id) is moves[before, after] for event_id, before, after in counted), counted
