"""Lo que se ve al leer una lista de pendientes."""

from collections.abc import Sequence
from dataclasses import dataclass

from estado_eventos.backend.clock import Sighting
from estado_eventos.backend.errors import BackendError
from estado_eventos.reconcile.tracker import TrackedEvent


@dataclass(frozen=True, slots=True)
class Look:
    """Lo que se vio al leer una lista: lo que queda por hacer y, si no se pudo leer o no entera, por qué."""

    todo: Sequence[TrackedEvent] = ()
    problem: BackendError | None = None
    was_read: bool = True
    sighting: Sighting | None = None
    asked_at: float = 0.0
    """Cuándo se pidió, en la hora del bucle: de lo que aún no había acabado entonces no dice nada."""

    @property
    def reason(self) -> str:
        """Por qué hay que esperar, en pocas palabras y sin las del backend."""
        if self.problem is None:
            return "eventos sin confirmar"
        return f"HTTP {self.problem.status}" if self.problem.status else self.problem.message

    @property
    def may_improve(self) -> bool:
        """Si otra mirada puede enseñar más que esta."""
        return self.problem is not None and self.problem.retryable

    @property
    def was_cut(self) -> bool:
        """Si nadie contestó; quien contesta que ahora no puede dice además cuánto esperar."""
        return self.problem is not None and self.may_improve and self.problem.status is None
