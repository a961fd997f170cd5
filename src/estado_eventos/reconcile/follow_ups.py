"""Lo que sigue a un evento finalizado: avisar de él al backend, al menos una vez, aunque un corte caiga en medio."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from estado_eventos.backend.errors import BackendError, Refused
from estado_eventos.domain import wall_clock
from estado_eventos.domain.report import FollowUps, Result
from estado_eventos.domain.transitions import is_safe_id
from estado_eventos.output.logs import describe_bug
from estado_eventos.reconcile.backoff import Backoff
from estado_eventos.reconcile.lock import PassLock
from estado_eventos.reconcile.plan import Plan
from estado_eventos.reconcile.reconciler import Reconciler
from estado_eventos.reconcile.workers import share_out

_MAX_ROUNDS = 4
_MAX_AGE_SECONDS = 86400
_log = logging.getLogger(__name__)


class Notes:
    """De qué eventos se debe un aviso: un archivo vacío por cada uno, que sobrevive al proceso.

    Sin directorio, o si no se puede escribir en él, solo se sabe en esta pasada.
    """

    def __init__(self, directory: Path | None) -> None:
        """Apunta lo que dejaron otras pasadas."""
        self._directory = directory
        self._has_complained = False
        self.left: Mapping[str, float] = dict(self._read())
        """Lo que dejaron a deber las pasadas anteriores y desde cuándo, en segundos desde 1970."""

    def add(self, key: str) -> None:
        """Apunta un evento antes de finalizarlo."""
        if self._directory is None:
            return
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            with suppress(FileExistsError):
                os.close(os.open(self._directory / key, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, 0o600))
        except OSError as error:
            self._complain(error)

    def remove(self, key: str) -> None:
        """Borra lo que ya no se debe."""
        if self._directory is None:
            return
        try:
            (self._directory / key).unlink(missing_ok=True)
        except OSError as error:
            self._complain(error)

    def _read(self) -> Iterator[tuple[str, float]]:
        if self._directory is None:
            return
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    if is_safe_id(entry.name) and entry.is_file(follow_symlinks=False):
                        yield entry.name, entry.stat(follow_symlinks=False).st_mtime
        except FileNotFoundError:
            return
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._has_complained:
            self._has_complained = True
            _log.warning(
                "FOLLOW_UP_DIRECTORY: no se puede usar %s (%s): si la pasada se corta, lo que se deba avisar se pierde",
                self._directory,
                error.strerror,
            )


class FollowUpCalls:
    """Los avisos de una pasada."""

    def __init__(self, path: str, notes: Notes, plan: Plan, finisher: Reconciler) -> None:
        """`path` es la ruta del backend a la que se avisa de lo que finaliza `finisher`."""
        self._path = path
        self._notes = notes
        self._plan = plan
        self._finisher = finisher
        self._owed: dict[str, int | str] = {}
        self._told = self._given_up = 0
        self._last_error: BackendError | None = None
        finisher.expect = lambda tracked: notes.add(tracked.event.key)

    async def make(self, workers: int, lock: PassLock) -> None:
        """Avisa de todo lo que se debe, con hasta `workers` avisos a la vez, en lo que queda de pasada.

        No lanza nada: un fallo del programa queda en el registro y no se lleva el informe de lo que ya se hizo.
        """
        try:
            self._collect()
            name = f"{self._finisher.backend.url} {self._path}"
            async with lock.hold(name, self._finisher.deadline.closing) as has_turn:
                if has_turn:
                    await self._call_for_a_while(workers)
        except Exception as error:  # noqa: BLE001
            _log.error(describe_bug(error))
        self._close()

    async def _call_for_a_while(self, workers: int) -> None:
        backoff, closing = Backoff(self._finisher.deadline), self._finisher.deadline.closing
        for _ in range(_MAX_ROUNDS):
            await share_out(list(self._owed.items()), workers, self._call, lambda: not closing.is_set())
            if not self._owed or not await backoff.wait():
                return

    @property
    def report(self) -> FollowUps:
        """Cuántos se deben aún, se dieron y se dejaron por imposibles."""
        return FollowUps(len(self._owed), self._told, self._given_up)

    def _collect(self) -> None:
        """Lo que finalizó esta pasada y, si se sabe que ya no está pendiente, lo que dejaron a deber otras."""
        seen = set()
        for tracked in self._finisher.tracker.all():
            key = tracked.event.key
            seen.add(key)
            unclear = tracked.result is Result.ALREADY_DONE and (tracked.is_unclear or key in self._notes.left)
            if tracked.result is Result.DONE or unclear:
                self._owed[key] = tracked.event.id or key
            elif tracked.result is Result.ALREADY_DONE or (tracked.result and not tracked.is_unclear):
                # Lo finalizó otro, que ya avisará, o sigue pendiente y nada de lo que se pidió puede hacerse después.
                self._notes.remove(key)
        if self._finisher.list_is_known and not self._plan.only:
            self._owed |= {key: _id(key) for key in self._notes.left if key not in seen and self._plan.shard.owns(key)}

    async def _call(self, owed: tuple[str, int | str], worker: int) -> None:
        key, event_id = owed
        try:
            await self._finisher.backend.tell(self._path, event_id, worker)
        except Refused as error:
            _log.warning("El backend no tiene nada que hacer tras finalizar el evento %s: %s", key, error.message)
        except BackendError as error:
            self._last_error = error
            _log.info("No se pudo avisar de que el evento %s finalizó: %s", key, error)
            return
        else:
            _log.info("Se avisó al backend de que el evento %s finalizó", key)
        self._told += 1
        del self._owed[key]
        self._notes.remove(key)

    def _close(self) -> None:
        for key in [key for key in self._owed if self._is_old(key)]:
            _log.error(
                "Hace más de un día que no se puede avisar de que el evento %s finalizó, y no se intenta más: %s. "
                "Avise a mano con POST %s",
                key,
                self._last_error,
                self._path,
            )
            del self._owed[key]
            self._notes.remove(key)
            self._given_up += 1
        if self._owed:
            _log.warning(
                "Queda por avisar de %d evento(s) finalizado(s), y se hará en la pasada siguiente: %s",
                len(self._owed),
                self._last_error or "no dio tiempo",
            )

    def _is_old(self, key: str) -> bool:
        return key in self._notes.left and wall_clock.epoch() - self._notes.left[key] > _MAX_AGE_SECONDS


def _id(key: str) -> int | str:
    """El identificador como lo da el backend: un número o un texto."""
    return int(key) if key.isdecimal() and str(int(key)) == key else key
