"""Un mundo contado para una persona: cómo era y qué pasó, por orden."""

from collections.abc import Iterator

from tests.simulation.life import Life
from tests.simulation.promises import name
from tests.simulation.wire import Exchange


def tell(life: Life) -> Iterator[str]:
    """Cómo era el mundo y, línea a línea, lo que pasó en él."""
    world = life.world
    yield (
        f"Semilla {world.seed}: {world.ticks} tics de {world.interval} s, latencia {world.latency:.3f} s, "
        f"guardado {world.gap:g} s, reloj del backend {world.clock}"
    )
    for site in world.sites:
        yield f"  máquina {site.name}: {site.clock}, adelanto {site.has_lead}, muere {site.dies_at}, {site.variables}"
    for spell in world.weather.spells:
        yield f"  racha {spell}"
    lines = [(act.at, f"* {act.name} {act.target} {act.amount:g}") for act in world.acts]
    for process in life.processes:
        lines.append((process.started_at, f"> {name(process)}"))
        if process.was_killed:
            lines.append((process.started_at, f"  {name(process)} murió"))
        elif process.report:
            code, error = process.report.exit_code, process.report.error
            parts = {
                part.transition.name: {outcome.event.key: outcome.result.value for outcome in part.outcomes}
                for part in process.report.transitions
            }
            lines.append((process.ended_at or 0.0, f"< {name(process)}: {int(code)} {error or ''} {parts}"))
    lines += [(exchange.sent_at, _line(exchange)) for exchange in life.wire.exchanges]
    lines += [
        (moved.at, f"= evento {moved.key}: {moved.verb} desde {moved.before}, por {_author(moved.exchange)}")
        for moved in life.wire.history
    ]
    for at, line in sorted(lines, key=lambda pair: pair[0]):
        yield f"{at:10.3f} {line}"


def _line(exchange: Exchange) -> str:
    got = exchange.got
    answer = "nada" if got is None else f"{got.status} {got.shown if got.shown is not None else ''}"
    wait = dict(got.headers).get("Retry-After") if got else None
    fault = f" [{exchange.fault.kind} {exchange.fault.amount:g}]" if exchange.fault else ""
    until = f"{exchange.settled_at:.3f}" if exchange.settled_at else "?"
    return (
        f"  {exchange.process.number} {exchange.kind} {exchange.verb} {exchange.key}{fault} → {until} {answer}"
        f"{f' Retry-After {wait}' if wait else ''}{' (abandonada)' if exchange.abandoned else ''}"
    )


def _author(exchange: Exchange | None) -> str:
    return "una persona" if exchange is None else name(exchange.process)
