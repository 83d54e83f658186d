"""What rules and dashboard read is among the figures that have to be fresh."""

import re
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.tickbox.pages import metrics_of
from jinja2 import Environment

ROLE = Path(__file__).parents[2] / "roles" / "monitoring"
DEFAULTS: dict[str, Any] = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
VARS: dict[str, Any] = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
# It is there once a deployment has raised the test alert.
OF_A_DEPLOYMENT = {"tickbox_test_alert_timestamp_seconds"}


def filled(text: str) -> str:
    return Environment(autoescape=True).from_string(text).render(DEFAULTS)


def queries() -> list[str]:
    rules = Environment(variable_start_string="<<", variable_end_string=">>", autoescape=True)
    has = {"__monitoring_redis": True, "__monitoring_worker": True, "groups": {"app": ["a"], "database": ["b"]}}
    given = {**DEFAULTS, "monitoring_runbook_base": "/docs", **has}
    text = rules.from_string((ROLE / "templates" / "rules.yml.j2").read_text()).render(given)
    of_rules = [rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    return of_rules + [filled(panel["query"]) for panel in VARS["__monitoring_all_panels"]]


def read_by(query: str) -> set[str]:
    patterns = re.findall(r'__name__=~"([^"]+)"', query)
    return {*metrics_of(query), *(name for pattern in patterns for name in pattern.split("|"))}


def test_each_metric_that_is_read_is_among_the_figures() -> None:
    figures = {filled(figure["name"]) for figure in VARS["__monitoring_all_figures"]}
    read = {name for query in queries() for name in read_by(query)}
    assert {"probe_success", "pg_up", "node_filesystem_files", "redis_memory_max_bytes"} <= read
    assert read - figures - OF_A_DEPLOYMENT == set()
