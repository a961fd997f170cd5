"""El tablero de Grafana, hecho con su propia biblioteca: `python -m tools.dashboard` lo vuelve a hacer."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueTextMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef

FILE = Path(__file__).parents[1] / "grafana/estado-eventos.json"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
# Lo que se elige arriba; sin elegir, todo.
CHOSEN = 'name=~"$name",shard=~"$shard"'
PER_JOB = "{{name}} {{shard}} {{instance}}"
Panel = stat.Panel | timeseries.Panel


def build() -> str:
    """El tablero, en el JSON que Grafana importa."""
    board = (
        dashboard.Dashboard("estado-eventos: exámenes a su hora")
        .uid("estado-eventos")
        .tags(["estado-eventos"])
        .refresh("1m")
        .time("now-24h", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Origen de datos").type("prometheus"))
        .with_variable(_choice("name", "Planificador", "label_values(estado_eventos_build_info, name)"))
        .with_variable(_choice("shard", "Parte", 'label_values(estado_eventos_build_info{name=~"$name"}, shard)'))
    )
    for panel in _panels():
        board.with_panel(panel)
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(SOURCE)
        .include_all(include_all=True)
        .all_value(".*")
        .multi(multi=True)
    )


def _panels() -> Iterator[Panel]:
    """Lo primero, lo que importa: si los exámenes empiezan y acaban a su hora."""
    bucket = "estado_eventos_lag_seconds_bucket"
    # node_exporter escribe el límite «1»; el archivo, y Prometheus desde su versión 3, «1.0».
    within, total = f'{bucket}{{le=~"1([.]0)?",{CHOSEN}}}', f'{bucket}{{le="+Inf",{CHOSEN}}}'
    yield _stat(
        "A su hora",
        "Qué parte de los eventos cambió de estado en su segundo, en el tiempo que se mira.",
        "percentunit",
        f"sum by (transition) (increase({within}[$__range])) / sum by (transition) (increase({total}[$__range]))",
    )
    yield _graph(
        "Retraso",
        "Cuánto después de su hora cambian de estado los eventos.",
        "s",
        *(
            (
                f"histogram_quantile({share}, sum by (le, transition) (rate({bucket}{{{CHOSEN}}}[$__rate_interval])))",
                f"p{share * 100:.0f} {{{{transition}}}}",
            )
            for share in (0.5, 0.99)
        ),
        (f"max by (transition) (estado_eventos_last_max_lag_seconds{{{CHOSEN}}})", "máximo {{transition}}"),
        width=16,
    )
    yield _graph(
        "Desde el último éxito",
        "Cuánto hace que salió bien una pasada de cada planificador y parte.",
        "s",
        (f"time() - estado_eventos_last_success_timestamp_seconds{{{CHOSEN}}}", PER_JOB),
    )
    yield _graph(
        "Códigos de salida",
        "Cuántas pasadas acabaron con cada código. 0 es bien y 1, que algún evento sigue pendiente.",
        "short",
        (_sum("passes_total", "exit_code"), "{{exit_code}}"),
        stacked=True,
    )
    yield _graph(
        "Eventos",
        "Cómo acabaron los eventos de cada pasada.",
        "short",
        (_sum("events_total", "transition, result"), "{{transition}} {{result}}"),
        stacked=True,
    )
    yield _graph(
        "Movidos por la de repuesto",
        "Lo que hizo la máquina de repuesto porque la principal no lo hizo. Sin máquina de repuesto, vacío.",
        "short",
        (_sum("standby_events_total", "transition"), "{{transition}}"),
        stacked=True,
    )
    yield _graph(
        "Avisos que se deben",
        "Eventos finalizados de los que falta avisar al backend, y los que se dieron. Sin FINISH_FOLLOW_UP, vacío.",
        "short",
        (f"estado_eventos_follow_ups_owed{{{CHOSEN}}}", f"debidos {PER_JOB}"),
        (_sum("follow_ups_total", "result"), "{{result}}"),
    )
    yield _graph(
        "Relojes",
        "Lo que el reloj del backend adelanta al de la máquina.",
        "s",
        (f"estado_eventos_clock_offset_seconds{{{CHOSEN}}}", PER_JOB),
    )
    expiry, run = "estado_eventos_token_expiry_timestamp_seconds", "estado_eventos_last_run_timestamp_seconds"
    yield _graph(
        "Vida del token",
        "Lo que le quedaba al acabar la última pasada.",
        "s",
        (f"{expiry}{{{CHOSEN}}} - {run}{{{CHOSEN}}}", PER_JOB),
    )
    yield _graph(
        "Duración de las pasadas",
        "Cuánto dura cada pasada.",
        "s",
        (f"estado_eventos_last_duration_seconds{{{CHOSEN}}}", PER_JOB),
    )
    yield _stat(
        "Versión",
        "Cuántos planificadores y partes llevan cada versión.",
        "short",
        f"count by (version) (estado_eventos_build_info{{{CHOSEN}}})",
        legend="{{version}}",
    )


def _sum(metric: str, by: str) -> str:
    """Lo que crece un contador entre punto y punto."""
    return f"sum by ({by}) (increase(estado_eventos_{metric}{{{CHOSEN}}}[$__rate_interval]))"


def _stat(title: str, meaning: str, unit: str, query: str, legend: str = "{{transition}}") -> stat.Panel:
    return (
        stat.Panel()
        .title(title)
        .description(meaning)
        .datasource(SOURCE)
        .unit(unit)
        .text_mode(BigValueTextMode.VALUE_AND_NAME)
        .height(8)
        .span(8)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_query("A", query, legend).instant())
    )


def _graph(
    title: str, meaning: str, unit: str, *queries: tuple[str, str], stacked: bool = False, width: int = 8
) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(title)
        .description(meaning)
        .datasource(SOURCE)
        .unit(unit)
        .height(8)
        .span(width)
        .legend(
            common.VizLegendOptions()
            .show_legend(show_legend=True)
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
        )
    )
    if stacked:
        panel.draw_style(GraphDrawStyle.BARS).fill_opacity(80)
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    for letter, (query, legend) in zip(ascii_uppercase, queries, strict=False):
        panel.with_target(_query(letter, query, legend))
    return panel


def _query(letter: str, expression: str, legend: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(letter).expr(expression).legend_format(legend).datasource(SOURCE)


def main() -> int:
    """Escribe el tablero."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(build(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
