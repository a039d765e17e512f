"""Dashboard and alert rules: they ask for figures that exist, and each alert has its line on what to do."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from frontdesk import metrics
from frontdesk.settings import PROJECT
from tests.test_metrics import ALLOWED

FOLDER = PROJECT / "deploy" / "observability"
FIGURE = re.compile(r"\b(?:ketalink|process)_[a-z_]+")
COMPARED = re.compile(r'([a-z_]+)(=~|!~|!=|=)"([^"]*)"')
# What Prometheus or its settings add, not the front desk.
ADDED = {"job": {"ketalink"}}
SUFFIXES = ("_bucket", "_count", "_sum", "_created")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return board


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


def exposed() -> set[str]:
    """Return the names that `/metrics` has, also of figures that nothing has been counted in yet."""
    names = set()
    for family in metrics.REGISTRY.collect():
        if family.type == "counter":
            names.add(f"{family.name}_total")
        elif family.type == "histogram":
            names |= {family.name + suffix for suffix in SUFFIXES}
        else:
            names.add(family.name)
    return names


@pytest.mark.parametrize("query", sorted(set(queries())))
def test_a_query_asks_for_figures_and_words_that_exist(query: str) -> None:
    assert set(FIGURE.findall(query)) <= exposed()
    for label, _, value in COMPARED.findall(query):
        assert set(value.split("|")) <= (ALLOWED | ADDED)[label]
    assert query.count("(") == query.count(")")


def test_every_figure_is_on_the_dashboard() -> None:
    asked = {name for panel in panels() for target in panel["targets"] for name in FIGURE.findall(target["expr"])}
    shown = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in asked}
    own = {family.name for family in metrics.REGISTRY.collect() if family.name.startswith("ketalink_")}
    assert own == {name for name in shown if name.startswith("ketalink_")}


def test_an_alert_says_how_grave_it_is_and_what_to_do() -> None:
    operations = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = operations.partition("## What to do when")[2].partition("\n## ")[0]
    headings = {line.removeprefix("### ") for line in section.splitlines() if line.startswith("### ")}
    assert headings == {rule["alert"] for rule in rules()}
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_panels_lie_beside_each_other_and_have_their_own_numbers() -> None:
    all_panels = dashboard()["panels"]
    assert len({panel["id"] for panel in all_panels}) == len(all_panels)
    covered: set[tuple[int, int]] = set()
    for panel in all_panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & covered
        assert place["x"] + place["w"] <= 24
        covered |= cells
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels())


def test_prometheus_reads_the_rules_and_watches_the_front_desk() -> None:
    settings = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    assert [FOLDER / name for name in settings["rule_files"]] == [FOLDER / "alerts.yml"]
    (job,) = settings["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("ketalink", "/metrics")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_promtool_finds_no_mistake() -> None:
    done = subprocess.run(
        ["promtool", "check", "config", str(FOLDER / "prometheus.yml")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
