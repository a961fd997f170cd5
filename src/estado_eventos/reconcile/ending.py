"""Cómo acaba una transición: qué fue mal, con su código y su frase."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from estado_eventos.backend.errors import BackendError
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Result
from estado_eventos.domain.transitions import Transition
from estado_eventos.reconcile.deadline import Interruption


@dataclass(frozen=True, slots=True)
class Ending:
    """Lo que hay que saber de una transición para decir cómo acabó."""

    transition: Transition
    results: Collection[Result]
    cut: Interruption | None
    """Por qué se cortó, si le faltaba algo por mirar."""
    has_lock: bool
    waits_for_list: bool
    """Si empezó y no llegó ninguna lista."""
    unread: BackendError | None
    """Por qué no se leyó la última lista, o no entera."""
    denial: str | None
    bug: str | None

    def problems(self) -> Iterator[tuple[ExitCode, str | None]]:
        """Todo lo que fue mal."""
        if Result.FAILED in self.results:
            yield ExitCode.FAILED, None
        if Result.SKIPPED in self.results:
            yield ExitCode.TEMPFAIL, "quedaron eventos sin confirmar"
        if self.denial:
            yield ExitCode.NOPERM, self.denial
        where = f"lista de pendientes de {self.transition.noun}"
        if self.cut:
            yield ExitCode.TEMPFAIL, self.cut.reason if self.has_lock else f"otra pasada no acaba; {self.cut.reason}"
            if self.cut.by_deadline and self.waits_for_list:
                yield ExitCode.UNAVAILABLE, f"{where}: no llegó; {self.cut.reason}"
        if self.unread:
            yield self.unread.code, f"{where}: {self.unread}"
        if self.bug:
            yield ExitCode.SOFTWARE, self.bug
