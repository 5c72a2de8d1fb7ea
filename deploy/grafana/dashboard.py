"""The launch-day dashboard, generated: `python -m deploy.grafana.dashboard` writes antrean.json beside this file."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as grafana
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueTextMode, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef, VariableRefresh

from deploy.grafana.panels import FIGURES, ROWS, Shown

OUTPUT = Path(__file__).with_name("antrean.json")

_DATASOURCE = DataSourceRef(type_val="prometheus", uid="$datasource")
_COLUMNS = 24  # of Grafana's grid
_FIGURE_HEIGHT, _CURVE_HEIGHT, _CURVE_WIDTH = 4, 8, 8


def _queries(shown: Shown) -> list[prometheus.Dataquery]:
    return [
        prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + index))
        for index, (legend, expression) in enumerate(shown.expressions.items())
    ]


def _figure(shown: Shown) -> stat.Panel:
    panel = stat.Panel().title(shown.title).description(shown.meaning).unit(shown.unit).datasource(_DATASOURCE)
    panel.height(_FIGURE_HEIGHT).span(_COLUMNS // len(FIGURES))
    if "{{state}}" in shown.expressions:
        panel.text_mode(BigValueTextMode.NAME)
    return panel.targets(list(_queries(shown)))


def _curve(shown: Shown) -> timeseries.Panel:
    panel = timeseries.Panel().title(shown.title).description(shown.meaning).unit(shown.unit).datasource(_DATASOURCE)
    panel.height(_CURVE_HEIGHT).span(_CURVE_WIDTH).min(0)
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    return panel.targets(list(_queries(shown)))


def dashboard_json() -> str:
    """The dashboard as Grafana imports it."""
    event = grafana.QueryVariable("event").label("Event").datasource(_DATASOURCE)
    event.query("label_values(antrean_event_state, event)").refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    board = (
        grafana.Dashboard("Antrean: launch day")
        .uid("antrean-launch-day")
        .tags(["antrean"])
        .refresh("5s")
        .time("now-30m", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(grafana.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(event)
    )
    for figure in FIGURES:
        board.with_panel(_figure(figure))
    for title, panels in ROWS.items():
        board.with_row(grafana.Row(title))
        for shown in panels:
            board.with_panel(_curve(shown))
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"


if __name__ == "__main__":
    OUTPUT.write_text(dashboard_json(), encoding="utf-8")
