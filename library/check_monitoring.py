#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: monitoring, from what is asked to who is told."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_monitoring
short_description: Whether Prometheus and Alertmanager watch what they should, with figures that move and alerts that arrive
description:
  - Runs on the monitoring host, as root. Changes nothing; probe requests are answered by the site.
  - C(pre.environment.monitoring) is ticked when the targets are exactly O(targets), each is up, asked of late and answers now,
    O(rules) are loaded and worked out, Prometheus sends its alerts to O(alertmanager_url), which answers, both run with their
    present configuration, and O(units) run and come back after a boot.
  - C(deploy.verification.monitoring) is ticked when O(probes) requests moved O(requests_metric) as the application shows it,
    Prometheus has read that since, and O(test_alert) has reached its receivers.
  - C(post.monitoring.performance) is ticked when each of O(figures) is fresh, and those that should have been moved by the probes.
  - C(post.monitoring.error_logging) is ticked when M(cause_error) on each host of the application found its error in the log as an
    error, and O(error_metric) moved there and in Prometheus.
  - C(post.monitoring.alerts) is ticked when O(rules) are loaded, O(files) are what the inventory says, O(rules_tests) pass,
    O(test_alert) has reached every receiver, Prometheus relabels no alert, and silences hold back less than half of the alerts,
    and of the critical ones.
  - A receiver that cannot be read here has been reached when Alertmanager's own counters say so.
extends_documentation_fragment: [look]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices:
      - pre.environment.monitoring
      - deploy.verification.monitoring
      - post.monitoring.performance
      - post.monitoring.error_logging
      - post.monitoring.alerts
    required: true
  prometheus_url:
    description: Address of Prometheus on this host.
    type: str
    default: https://127.0.0.1:9090
  alertmanager_url:
    description: Address of Alertmanager on this host.
    type: str
    default: http://127.0.0.1:9093
  user:
    description: Name that logs in to both; none where they are open.
    type: str
  password_file:
    description: File with its password.
    type: path
    default: /etc/prometheus/dashboard.password
  interval:
    description: How often Prometheus reads figures, as it writes times.
    type: str
    default: 15s
  targets:
    description: For each job the targets, with C(instance) and C(address).
    type: dict
    required: true
  app_job:
    description: Job that reads the application's own figures.
    type: str
    default: app
  idle_jobs:
    description: Jobs whose targets cannot be up yet, because no release serves.
    type: list
    elements: str
    default: []
  units:
    description: Services of this host that have to run and to come back after a boot.
    type: list
    elements: str
    default: []
  rules:
    description: Groups of rules that must be loaded, as in a file of rules.
    type: list
    elements: dict
    default: []
  files:
    description: Files with C(path) and C(sha256), as the inventory makes them.
    type: list
    elements: dict
    default: []
  rules_tests:
    description: The rules' unit tests, for promtool.
    type: path
  alertmanager_file:
    description: Configuration of Alertmanager.
    type: path
    default: /etc/prometheus/alertmanager.yml
  receivers:
    description: Who is told, with C(name), C(integrations) (how many of each kind, such as C(webhook)) and C(read) (whether
      O(receiver_unit) writes down what it gets).
    type: list
    elements: dict
    default: []
  receiver_unit:
    description: Service that writes notifications to the journal, one line of JSON each.
    type: str
  test_alert:
    description: What M(send_test_alert) returned as RV(send_test_alert#module:test_alert).
    type: dict
  probe_url:
    description: Address of the site that probes ask; each answer is counted by the application.
    type: str
  probes:
    description: How many requests are sent.
    type: int
    default: 10
  bypass_header:
    description: Header in which the token is sent.
    type: str
    default: X-Maintenance-Bypass
  bypass_token:
    description: The token that passes maintenance mode.
    type: str
  requests_metric:
    description: The application's counter of requests.
    type: str
    default: http_requests_total
  figures:
    description: Figures that have to be there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the figure.
        type: str
        required: true
      job:
        description: Job each of whose instances must have it; none for a recorded rule.
        type: str
      moves:
        description: Whether each probe moves it.
        type: bool
        default: false
  errors:
    description: What M(cause_error) returned, by instance.
    type: dict
    default: {}
  error_metric:
    description: The application's counter of errors.
    type: str
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Monitoring system is configured
  check_monitoring:
    items: [pre.environment.monitoring]
    user: operator
    targets:
      app: [{instance: web-1, address: "127.0.0.1:8080"}]
    rules: "{{ (lookup('file', 'rules.yml') | from_yaml).groups }}"
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended.
  returned: always
  type: list
  elements: dict
"""

from functools import cache, partial

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.watching import Watch

LOOKS = {
    "pre.environment.monitoring": Watch.configured,
    "deploy.verification.monitoring": Watch.verified,
    "post.monitoring.performance": Watch.performance,
    "post.monitoring.error_logging": Watch.errors,
    "post.monitoring.alerts": Watch.alerts,
}
NEEDS = {
    "deploy.verification.monitoring": ("probe_url",),
    "post.monitoring.performance": ("probe_url", "figures"),
    "post.monitoring.alerts": ("rules", "rules_tests", "files"),
    "pre.environment.monitoring": ("rules",),
}


def main() -> None:
    figure_spec = {
        "name": {"type": "str", "required": True},
        "job": {"type": "str"},
        "moves": {"type": "bool", "default": False},
    }
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": list(LOOKS), "required": True},
            "prometheus_url": {"type": "str", "default": "https://127.0.0.1:9090"},
            "alertmanager_url": {"type": "str", "default": "http://127.0.0.1:9093"},
            "user": {"type": "str"},
            "password_file": {"type": "path", "default": "/etc/prometheus/dashboard.password", "no_log": False},
            "interval": {"type": "str", "default": "15s"},
            "targets": {"type": "dict", "required": True},
            "app_job": {"type": "str", "default": "app"},
            "idle_jobs": {"type": "list", "elements": "str", "default": []},
            "units": {"type": "list", "elements": "str", "default": []},
            "rules": {"type": "list", "elements": "dict", "default": []},
            "files": {"type": "list", "elements": "dict", "default": []},
            "rules_tests": {"type": "path"},
            "alertmanager_file": {"type": "path", "default": "/etc/prometheus/alertmanager.yml"},
            "receivers": {"type": "list", "elements": "dict", "default": []},
            "receiver_unit": {"type": "str"},
            "test_alert": {"type": "dict"},
            "probe_url": {"type": "str"},
            "probes": {"type": "int", "default": 10},
            "bypass_header": {"type": "str", "default": "X-Maintenance-Bypass"},
            "bypass_token": {"type": "str", "no_log": True},
            "requests_metric": {"type": "str", "default": "http_requests_total"},
            "figures": {"type": "list", "elements": "dict", "default": [], "options": figure_spec},
            "errors": {"type": "dict", "default": {}},
            "error_metric": {"type": "str"},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    for item in params["items"]:
        for needed in NEEDS.get(item, ()):
            if not params[needed]:
                module.fail_json(msg=f"{item} needs {needed}")

    @cache
    def watch() -> Watch:
        try:
            return Watch(params)
        except (KeyError, TypeError, AttributeError) as error:
            raise CouldNotLook(f"targets cannot be read: {error}") from None

    def look(item: str) -> Verdict:
        return LOOKS[item](watch())

    exit_with(module, [examine(item, partial(look, item)) for item in dict.fromkeys(params["items"])])


if __name__ == "__main__":
    main()
