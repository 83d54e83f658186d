#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: how a release performs, by a load and by the monitoring."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_performance
short_description: Whether a release answers fast enough and rightly, without alerts and restarts
description:
  - Judges what M(send_load) measured, together with what Prometheus saw meanwhile.
  - C(deploy.verification.performance) is ticked when p95 and failures of each route of the load are within O(budget) and not worse
    than those of the release before, as O(comparison) has it, and the application's own counters agree.
  - C(deploy.go_live.monitor) is ticked when over O(load) failures, p95, restarts of O(units) and alerts stayed within bounds.
  - C(post.performance.api_response) is ticked when p95 and p99 and failures of each route of the load are within O(budget).
  - Too few requests, a sender that was late, and a monitoring that saw too little make an item unverifiable.
  - Runs on the host of Prometheus; for C(post.performance.api_response) anywhere.
extends_documentation_fragment: [look, figures]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices: [deploy.verification.performance, deploy.go_live.monitor, post.performance.api_response]
    required: true
  load:
    description: What M(send_load) returned.
    type: dict
    required: true
  comparison:
    description: What M(compare_releases) returned of this release and the one before. Empty where none served before.
    type: dict
    default: {}
  schema_changed:
    description: The release before was made for another schema, so that it may be unable to answer. The budget alone holds then.
    type: bool
    default: false
  budget:
    description:
      - What a release may take. C(p95) and C(p99) in seconds, C(error_ratio) a part of 1, C(min_requests) a number. C(slower) and
        C(noise) are M(compare_releases)' own. C(routes) has C(p95) and C(p99) of routes that may take longer, by their names in
        the load.
    type: dict
    required: true
  since:
    description: When the run began (ISO 8601 with its zone, or Unix time). Alerts that began earlier are none of its.
    type: str
  units:
    description: Services whose restarts count.
    type: list
    elements: str
    default: []
  instances:
    description: Names under which Prometheus reads the application's hosts. Each must have been read.
    type: list
    elements: str
    default: []
  tolerated:
    description: Names of alerts that may be on.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: The release is as fast as it should be
  check_performance:
    items: [deploy.verification.performance, deploy.go_live.monitor]
    load: "{{ load.load }}"
    budget: {p95: 0.5, p99: 1, error_ratio: 0.01, min_requests: 100}
    since: "2026-01-02T03:04:05+00:00"
    prometheus_user: operator
    prometheus_password: "{{ vault_dashboard_password }}"
    units: [shop-web@v2.service]
    instances: [app1]
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended.
  returned: always
  type: list
  elements: dict
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with, moment
from ansible.module_utils.tickbox.performance import Budget, Seen, judge_performance, judge_response, judge_watch
from ansible.module_utils.tickbox.series import (
    FIGURES_SPEC,
    Prometheus,
    Series,
    histogram,
    increases,
    last_read,
    quantile,
    samples_past,
)

PERFORMANCE = "deploy.verification.performance"
WATCH = "deploy.go_live.monitor"
RESPONSE = "post.performance.api_response"


class Look:
    """What the items need, asked for once."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.load: Mapping[str, Any] = params["load"]

    @cached_property
    def budget(self) -> Budget:
        try:
            given = dict(self.params["budget"])
            routes = {
                route: {part: float(own[part]) for part in own if part in {"p95", "p99"}}
                for route, own in given.pop("routes", {}).items()
            }
            least = int(given.pop("min_requests"))
            return Budget(**{name: float(value) for name, value in given.items()}, min_requests=least, routes=routes)
        except (AttributeError, TypeError, ValueError, KeyError) as error:
            raise CouldNotLook(f"budget: {error}") from None

    @cached_property
    def seen(self) -> Seen:
        """What Prometheus has of the time since the load began, once it has read what the load did."""
        try:
            began, ended = float(self.load["began"]), float(self.load["ended"])
        except (KeyError, TypeError, ValueError):
            raise CouldNotLook("load: it does not say when it began and ended") from None
        params = self.params
        prometheus = Prometheus(params["prometheus_url"], params["prometheus_user"], params["prometheus_password"])
        counter = f'{params["requests_metric"]}{{job="{params["job"]}"}}'
        instances = params["instances"]
        found, now = samples_past(prometheus, counter, began=began, ended=ended, instances=instances, timeout=params["timeout"])
        times = prometheus.samples(f'{params["duration_metric"]}_bucket{{job="{params["job"]}"}}', now - began, now)
        counted = increases(found)
        return Seen(
            requests=sum(count for _, count in counted),
            errors=sum(count for labels, count in counted if labels.get("status", "").startswith("5")),
            p95=quantile(histogram(times), 0.95),
            restarts=self._restarts(prometheus, now, began),
            alerts=[alert for alert in self._alerts(prometheus) if alert[0] not in params["tolerated"]],
            rules=self._rules(prometheus),
            scrapes={instance: _scrapes(found, instance) for instance in last_read(found, instances)},
        )

    def _restarts(self, prometheus: Prometheus, now: float, began: float) -> dict[str, float | None]:
        found = prometheus.samples('node_systemd_service_restart_total{job="node"}', now - began, now)
        counted: dict[str, float | None] = {
            f"{unit} on {instance}": None for unit in self.params["units"] for instance in self.params["instances"]
        }
        for labels, count in increases(found):
            name = f"{labels.get('name', '')} on {labels.get('instance', '')}"
            if name in counted:
                counted[name] = (counted[name] or 0.0) + count
        return counted

    @staticmethod
    def _alerts(prometheus: Prometheus) -> list[tuple[str, datetime, str]]:
        try:
            return [
                (str(alert["labels"]["alertname"]), _time(alert["activeAt"]), str(alert["state"]))
                for alert in prometheus.get("alerts")["alerts"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise CouldNotLook(f"Prometheus' alerts cannot be read: {type(error).__name__}") from None

    @staticmethod
    def _rules(prometheus: Prometheus) -> int:
        try:
            return sum(len(group["rules"]) for group in prometheus.get("rules", type="alert")["groups"])
        except (KeyError, TypeError) as error:
            raise CouldNotLook(f"Prometheus' rules cannot be read: {type(error).__name__}") from None

    def performance(self) -> Verdict:
        comparison, schema_changed = self.params["comparison"], self.params["schema_changed"]
        try:
            return judge_performance(self.load, comparison, self.seen, self.budget, schema_changed)
        except (AttributeError, KeyError, TypeError, ZeroDivisionError) as error:
            raise CouldNotLook(f"load or comparison: {type(error).__name__} {error}") from None

    def watch(self) -> Verdict:
        return judge_watch(self.load, self.seen, self.budget, moment("since", self.params["since"] or ""))

    def response(self) -> Verdict:
        return judge_response(self.load, self.budget)


def _scrapes(found: list[Series], instance: str) -> int:
    return max((len(series.samples) for series in found if series.labels.get("instance", "") == instance), default=0)


def _time(text: str) -> datetime:
    """A time as Prometheus writes it: with up to nine digits of a second, of which Python reads six."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{(rest + '000000')[:6]}").replace(tzinfo=UTC)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": [PERFORMANCE, WATCH, RESPONSE], "required": True},
            "load": {"type": "dict", "required": True},
            "comparison": {"type": "dict", "default": {}},
            "schema_changed": {"type": "bool", "default": False},
            "budget": {"type": "dict", "required": True},
            "since": {"type": "str"},
            **FIGURES_SPEC,
            "units": {"type": "list", "elements": "str", "default": []},
            "instances": {"type": "list", "elements": "str", "default": []},
            "tolerated": {"type": "list", "elements": "str", "default": []},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    look = Look(module.params)
    judges = {PERFORMANCE: look.performance, WATCH: look.watch, RESPONSE: look.response}
    exit_with(module, [examine(item, judges[item]) for item in dict.fromkeys(module.params["items"])])


if __name__ == "__main__":
    main()
