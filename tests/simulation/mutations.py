"""Programas rotos a propósito: cada uno, un cambio pequeño que alguien podría hacer y la promesa que rompe."""

from typing import NamedTuple


class Mutation(NamedTuple):
    """Qué archivo de `src/estado_eventos`, qué se cambia en él y qué promesa deja de cumplirse."""

    path: str
    changes: tuple[tuple[str, str], ...]
    promise: str
    first: int = 0
    """Desde qué semilla se busca: la que lo ve está poco después, y así no se tarda."""


MUTATIONS = {
    "sin turno": Mutation(
        "reconcile/reconciler.py",
        (("names = [] if self._plan.dry_run else", "names: list[str] = [] if self is not None else"),),
        "each_change_is_made_once",
        first=230,
    ),
    "sin lista más nueva": Mutation(
        "reconcile/reconciler.py",
        (
            (
                "                return await self._look_again()\n            await self",
                "                return seen\n            await self",
            ),
        ),
        "nothing_is_repeated_blindly",
    ),
    "vale una lista pedida antes de que acabara el anterior": Mutation(
        "reconcile/reconciler.py",
        (("tracked.busy_until <= seen.asked_at", "tracked.busy_until <= asyncio.get_running_loop().time()"),),
        "nothing_is_repeated_blindly",
        first=20186,
    ),
    "el máximo, antes de esperar": Mutation(
        "reconcile/burst.py",
        (
            ("            status = await", "            asked = self.free_at\n            status = await"),
            (
                "            self._note(tracked, error)\n",
                (
                    "            self._note(tracked, error)\n"
                    "            now = asyncio.get_running_loop().time()\n"
                    "            self.free_at = max(asked, now + (error.retry_after or 0.0))\n"
                ),
            ),
        ),
        "retry_after_is_honoured",
        first=840,
    ),
    "adelanto sin releer": Mutation(
        "reconcile/tick.py",
        (("        if seen is None or not self._interval:\n", "        if seen is None or self._interval:\n"),),
        "everything_due_is_moved",
        first=20,
    ),
    "vale una lista que cambia mientras se lee": Mutation(
        "backend/pages.py",
        (("if len(self._totals) > 1:", "if not self._totals:"),),
        "everything_due_is_moved",
        first=60_000_300,
    ),
    "límite solo por petición": Mutation(
        "reconcile/deadline.py",
        (("asyncio.timeout_at(end)", "asyncio.timeout_at(None)"),),
        "the_deadline_holds",
        first=40,
    ),
    "se empieza hasta el final": Mutation(
        "reconcile/deadline.py",
        (("end - min(GRACE_SECONDS, self.seconds * _GRACE_SHARE)", "end - 0.0 * GRACE_SECONDS * _GRACE_SHARE"),),
        "the_deadline_holds",
    ),
    "ponerse al día inicia dos veces": Mutation(
        "reconcile/reconciler.py",
        (
            (
                "                await self._converge(workers, self._tick.hold)\n",
                (
                    "                await self._converge(workers, self._tick.hold)\n"
                    "                if self._before is None and self.moves.count:\n"
                    "                    await self._apply_all(Look([*self.tracker.all()], asked_at=1e9), workers)\n"
                ),
            ),
        ),
        "nothing_is_repeated_blindly",
    ),
    "un 503 en el tic se vuelve a pedir en el acto": Mutation(
        "reconcile/reconciler.py",
        (("and seen.was_cut", "and seen.may_improve"),),
        "retry_after_is_honoured",
        first=50,
    ),
    "un inicio de sesión rechazado se repite": Mutation(
        "backend/auth.py",
        (("= failure if isinstance(failure, Denied) else None", "= None"),),
        "renewals_are_few",
    ),
    "cada cual renueva por su cuenta": Mutation(
        "backend/auth.py",
        (
            ("async with self._lock:", "async with asyncio.Lock():"),
            ("hopeless = self._renewals.under_way or not", "hopeless = not"),
        ),
        "renewals_are_few",
    ),
    "no se apunta lo que se debe avisar": Mutation(
        "reconcile/follow_ups.py",
        (("finisher.expect = lambda tracked: notes.add(tracked.event.key)", "finisher.expect = lambda tracked: None"),),
        "follow_ups_are_told",
        first=80,
    ),
    "la de repuesto no espera": Mutation(
        "reconcile/plan.py",
        (("if self.standby_seconds and not", "if self.standby_seconds < 0 and not"),),
        "the_spare_stays_still",
        first=20,
    ),
    "sin última mirada": Mutation(
        "reconcile/reconciler.py",
        (
            (
                "if not seen.todo or self.deadline.closing.is_set():\n            return None\n        seen =",
                "if seen:\n            return None\n        seen =",
            ),
        ),
        "reports_tell_the_truth",
        first=60,
    ),
    "lo que falta no cuenta": Mutation(
        "reconcile/ending.py",
        (
            ("if Result.SKIPPED in self.results:", "if Result.PENDING in self.results:"),
            ("        if self.cut:", "        if self.cut and self.waits_for_list:"),
        ),
        "exit_codes_keep_the_contract",
        first=45,
    ),
    "tantos trabajadores como eventos": Mutation(
        "reconcile/workers.py",
        (("range(min(workers, len(items)))", "range(len(items))"),),
        "concurrency_is_bounded",
    ),
    "siempre se relee": Mutation(
        "reconcile/tick.py",
        (
            (
                "    reached = seen.sent_at + clock.low >= tick\n    likely = looks == 0 and",
                "    reached = looks > 0\n    likely = looks > 1 and",
            ),
        ),
        "quiet_passes_cost_two_requests",
        first=70,
    ),
}
