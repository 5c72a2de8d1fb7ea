"""docs/metrics.md, the rules and the dashboard name the metrics that the code declares, and no others."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import NamedTuple

import pytest
import yaml
from prometheus_client import CollectorRegistry

from admission.worker.metrics import WorkerMetrics
from deploy.grafana.dashboard import OUTPUT, dashboard_json
from deploy.grafana.panels import FIGURES, ROWS
from gateway.metrics import GatewayMetrics
from tests.unit.repository import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
METRIC = re.compile(r"\b(?:antrean|process)_[a-z_]+[a-z](?![\w*])")
SERIES_SUFFIXES = ("_bucket", "_sum", "_count")
UNIT_SUFFIXES = {
    "seconds": ("_seconds", "_seconds_total"),
    "seconds since 1970": ("_timestamp_seconds", "_start_time_seconds"),
    "bytes": ("_bytes",),
    "per second": ("_per_second",),
}


class Row(NamedTuple):
    """What the code knows of a metric, as a row of the page shows it."""

    kind: str
    labels: str
    meaning: str


def _declared(registry: CollectorRegistry) -> dict[str, Row]:
    rows = {}
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        # Label names of a metric that nobody has counted yet are in none of its public answers.
        declaration = family if hasattr(family, "_labelnames") else registry._names_to_collectors.get(family.name)
        labels = ", ".join(f"`{label}`" for label in getattr(declaration, "_labelnames", ()))
        rows[name] = Row(family.type, labels or "–", family.documentation)
    return rows


def _cells(section: str) -> list[list[str]]:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    part = page.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in part.splitlines() if line[:3] == "| `"]


def _page(*sections: str) -> dict[str, Row]:
    rows = [cells for section in sections for cells in _cells(section)]
    names = [cells[0].strip("` ") for cells in rows]
    assert len(set(names)) == len(names)
    return {name: Row(cells[1], cells[2], cells[4]) for name, cells in zip(names, rows, strict=True)}


@pytest.mark.parametrize(
    ("section", "registry"),
    [("Gateway", GatewayMetrics().registry), ("Worker", WorkerMetrics().registry)],
    ids=["gateway", "worker"],
)
def test_the_catalogue_is_what_the_code_declares(section: str, registry: CollectorRegistry) -> None:
    assert _page(section, "Both") == _declared(registry)


def test_every_metric_has_a_unit_that_its_name_tells_and_an_advice() -> None:
    for section in ("Gateway", "Worker", "Both"):
        for name, _, _, unit, _, advice in _cells(section):
            plain = name.strip("` ")
            assert plain.endswith(UNIT_SUFFIXES.get(unit, ("",))), f"{plain} is told to be in {unit}"
            assert unit
            assert advice.rstrip("| "), plain


def test_names_follow_the_conventions() -> None:
    for rows in (_declared(GatewayMetrics().registry), _declared(WorkerMetrics().registry)):
        for name, row in rows.items():
            assert name.startswith(("antrean_", "process_"))
            assert name.endswith("_total") == (row.kind == "counter")


def _used(text: str) -> set[str]:
    """The metrics that a text names, whichever of their series it means."""
    known = {**_declared(GatewayMetrics().registry), **_declared(WorkerMetrics().registry)}
    used = set()
    for word in METRIC.findall(text):
        stems = {word.removesuffix(suffix) for suffix in SERIES_SUFFIXES if word.endswith(suffix)}
        used |= {stem for stem in stems if stem in known} or {word}
    return used


def _expressions() -> str:
    dashboard = (shown.expressions.values() for part in (FIGURES, *ROWS.values()) for shown in part)
    rules = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())
    ruled = (rule["expr"] for group in rules["groups"] for rule in group["rules"])
    recorded = re.compile(r"\b\w+:\w+:\w+")
    return recorded.sub("", "\n".join([*(each for panel in dashboard for each in panel), *ruled]))


def test_dashboard_rules_and_page_name_metrics_that_exist() -> None:
    known = {*_declared(GatewayMetrics().registry), *_declared(WorkerMetrics().registry)}
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert _used(_expressions()) - known == set()
    assert _used(page) - known == set()


def test_what_our_metrics_tell_is_on_the_dashboard_or_in_the_rules() -> None:
    ours = {
        name
        for name in {**_declared(GatewayMetrics().registry), **_declared(WorkerMetrics().registry)}
        if name.startswith("antrean_")
    }
    assert ours - _used(_expressions()) == set()


def test_the_committed_dashboard_is_what_the_generator_gives() -> None:
    assert OUTPUT.read_text(encoding="utf-8") == dashboard_json(), "run: python -m deploy.grafana.dashboard"


def test_every_alert_is_explained_where_it_says() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rules = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())
    alerts = {
        rule["alert"]: rule["annotations"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule
    }
    assert set(re.findall(r"^### (Antrean\w+)$", page, re.M)) == set(alerts)
    for name, notes in alerts.items():
        assert notes.keys() == {"summary", "description", "runbook"}
        assert notes["runbook"] == f"docs/metrics.md#{name.lower()}"


@pytest.mark.parametrize(
    "command",
    [("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")],
    ids=" ".join,
)
def test_promtool_accepts_the_configuration_and_the_alerts_fire(command: tuple[str, ...]) -> None:
    assert shutil.which("promtool"), "promtool is in Debian's package prometheus"
    done = subprocess.run(["promtool", *command], cwd=PROMETHEUS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
