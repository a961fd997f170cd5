"""Vivir un mundo y decir qué promesa se rompió, si alguna."""

import logging
from dataclasses import dataclass

from tests.simulation import codes, limits, promises, recovery
from tests.simulation.life import Life
from tests.simulation.world import draw_world

PROMISES: tuple[promises.Promise, ...] = (
    promises.each_change_is_made_once,
    promises.nothing_is_repeated_blindly,
    promises.reports_tell_the_truth,
    limits.the_deadline_holds,
    limits.renewals_are_few,
    limits.concurrency_is_bounded,
    limits.retry_after_is_honoured,
    codes.exit_codes_keep_the_contract,
    recovery.everything_due_is_moved,
    recovery.follow_ups_are_told,
    recovery.the_spare_stays_still,
    recovery.quiet_passes_cost_two_requests,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Lo que se vio en un mundo: cuántas pasadas, qué promesas se rompieron y, para contarlo, la vida entera."""

    life: Life
    broken: tuple[tuple[str, str], ...]
    """El nombre de la promesa y qué pasó."""

    @property
    def passes(self) -> int:
        """Cuántas pasadas hubo."""
        return len(self.life.processes)


def judge(seed: int) -> Verdict:
    """Vive el mundo de esa semilla y lo juzga."""
    logging.getLogger("estado_eventos").setLevel(logging.CRITICAL)
    life = Life(draw_world(seed))
    life.run()
    found = [(promise.__name__, what) for promise in PROMISES for what in promise(life)]
    return Verdict(life, tuple(found))
