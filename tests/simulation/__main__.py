"""`make simulate`: vive mundos, o uno solo contado línea a línea."""

import argparse
import gc
import sys
import time
from collections.abc import Iterable

from tests.simulation.trace import tell
from tests.simulation.verdict import judge

_WORLDS_BETWEEN_COLLECTIONS = 20


def main() -> int:
    """0 si ninguno rompió ninguna promesa."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="solo ese mundo, con todo lo que pasa en él")
    parser.add_argument("--worlds", type=int, default=1000, help="cuántos mundos")
    parser.add_argument("--start", type=int, default=0, help="la primera semilla")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="cuánto tiempo, como mucho")
    parser.add_argument("--first", metavar="PROMESA", help="hasta el primero en que se rompa esa")
    options = parser.parse_args()
    if options.seed is not None:
        return _replay(options.seed)
    return _run(range(options.start, options.start + options.worlds), options.seconds, first=options.first)


def _replay(seed: int) -> int:
    verdict = judge(seed)
    sys.stdout.writelines(f"{line}\n" for line in tell(verdict.life))
    _complain(seed, verdict.broken)
    return bool(verdict.broken)


def _run(seeds: Iterable[int], seconds: float, *, first: str | None) -> int:
    began = time.monotonic()
    worlds = passes = failed = 0
    found = False
    # Cada mundo deja ciclos; recogerlos cada poco cuesta menos que mirar si los hay a cada paso.
    gc.disable()
    for seed in seeds:
        if time.monotonic() - began > seconds or found:
            break
        verdict = judge(seed)
        worlds, passes = worlds + 1, passes + verdict.passes
        if verdict.broken:
            failed += 1
            found = first in {promise for promise, _ in verdict.broken}
            _complain(seed, verdict.broken)
        del verdict
        if worlds % _WORLDS_BETWEEN_COLLECTIONS == 0:
            gc.collect()
    took = time.monotonic() - began
    sys.stdout.write(f"{worlds} mundos, {passes} pasadas en {took:.0f} s; con promesas rotas, {failed}\n")
    return bool(failed)


def _complain(seed: int, broken: Iterable[tuple[str, str]]) -> None:
    for promise, what in broken:
        sys.stdout.write(f"make simulate SEED={seed}  # {promise}: {what}\n")
    sys.stdout.flush()


sys.exit(main())
