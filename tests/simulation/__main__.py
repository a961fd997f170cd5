"""`make simulate`: vive mundos, o uno solo contado línea a línea."""

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.simulation.trace import tell
from tests.simulation.verdict import judge

_WORLDS_AT_ONCE = 20


class Lived(NamedTuple):
    """Unos cuantos mundos: cuántas pasadas hubo en ellos y, de los que rompieron algo, qué."""

    worlds: int
    passes: int
    broken: dict[int, tuple[tuple[str, str], ...]]


def main() -> int:
    """0 si ninguno rompió ninguna promesa."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="solo ese mundo, con todo lo que pasa en él")
    parser.add_argument("--worlds", type=int, default=1000, help="cuántos mundos")
    parser.add_argument("--start", type=int, default=0, help="la primera semilla")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="cuánto tiempo, como mucho")
    parser.add_argument("--first", metavar="PROMESA", help="hasta el primero en que se rompa esa")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cuántos procesos; de fábrica, uno por núcleo")
    options = parser.parse_args()
    if options.seed is not None:
        return _replay(options.seed)
    seeds = range(options.start, options.start + options.worlds)
    parts = [seeds[first : first + _WORLDS_AT_ONCE] for first in range(0, options.worlds, _WORLDS_AT_ONCE)]
    with multiprocessing.Pool(options.jobs) as pool:
        return _run(pool.imap(_live, parts), options.seconds, first=options.first)


def _replay(seed: int) -> int:
    verdict = judge(seed)
    sys.stdout.writelines(f"{line}\n" for line in tell(verdict.life))
    _complain(seed, verdict.broken)
    return bool(verdict.broken)


def _live(seeds: Sequence[int]) -> Lived:
    # Cada mundo deja ciclos; recogerlos al acabar cuesta menos que mirar si los hay a cada paso.
    gc.disable()
    passes, broken = 0, {}
    for seed in seeds:
        verdict = judge(seed)
        passes += verdict.passes
        if verdict.broken:
            broken[seed] = verdict.broken
    gc.collect()
    return Lived(len(seeds), passes, broken)


def _run(lived: Iterable[Lived], seconds: float, *, first: str | None) -> int:
    began = time.monotonic()
    worlds = passes = failed = 0
    for part in lived:
        worlds, passes, failed = worlds + part.worlds, passes + part.passes, failed + len(part.broken)
        for seed, broken in part.broken.items():
            _complain(seed, broken)
        found = first in {promise for broken in part.broken.values() for promise, _ in broken}
        if time.monotonic() - began > seconds or found:
            break
    took = time.monotonic() - began
    sys.stdout.write(f"{worlds} mundos, {passes} pasadas en {took:.0f} s; con promesas rotas, {failed}\n")
    return bool(failed)


def _complain(seed: int, broken: Iterable[tuple[str, str]]) -> None:
    for promise, what in broken:
        sys.stdout.write(f"make simulate SEED={seed}  # {promise}: {what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
