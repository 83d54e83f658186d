# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at monitoring from its own host: what the items of check_monitoring need to see, each thing once."""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from . import monitoring, prometheus, systemd
from .answers import HTTP_OK, NO_ANSWER, Answer
from .assertion import PASSED, CouldNotLook, Verdict, all_of
from .prometheus import Figures, Service

PARALLEL = 8
PAUSE = 0.3  # seconds from one look to the next while something is to appear
MISSED = 6  # intervals in which a busy Prometheus, which misses turns and catches up, has looked at each rule
NOTIFICATION_SECONDS = 15.0  # what a notification may take beyond the scrapes: Alertmanager waits for more alerts of its group
UNIT_PROPERTIES = ("LoadState", "ActiveState", "SubState", "UnitFileState")


class Watch:
    """Prometheus and Alertmanager of this host, as ``params`` of check_monitoring name them."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.interval = prometheus.seconds(params["interval"])
        self.targets: Mapping[str, Any] = params["targets"]
        login = (params["user"], Path(params["password_file"]).read_text().strip()) if params["user"] else ("", "")
        self.prometheus = Service("Prometheus", params["prometheus_url"], *login)
        self.alertmanager = Service("Alertmanager", params["alertmanager_url"], *login)
        self.login = login
        self.apps = [entry["instance"] for entry in self.targets.get(params["app_job"], [])]

    def until(self, look: Callable[[], Verdict], seconds: float) -> Verdict:
        """Look until it is well or ``seconds`` are over."""
        end = time.monotonic() + seconds
        while (seen := look()).status != PASSED and time.monotonic() < end:
            time.sleep(PAUSE)
        return seen

    def configured(self) -> Verdict:
        idle, url = self.params["idle_jobs"], self.params["alertmanager_url"]
        return self.until(
            lambda: monitoring.judge_configured(
                self._configuration(), self.targets, self.rules, url, self.interval, time.time(), idle
            ),
            2 * self.interval + 2,
        )

    def verified(self) -> Verdict:
        requests = monitoring.Wanted(self.params["requests_metric"], self.params["app_job"], True, self.apps)
        figures = self._moved([requests])
        return all_of(figures, self.alerted())

    def performance(self) -> Verdict:
        wanted = []
        for entry in self.params["figures"]:
            instances = [target["instance"] for target in self.targets.get(entry["job"] or "", [])]
            wanted.append(monitoring.Wanted(entry["name"], entry["job"] or "", bool(entry["moves"]), instances))
        if not any(figure.moves for figure in wanted):
            raise CouldNotLook("figures: none is named that the probes should move")
        return self._moved(wanted)

    def errors(self) -> Verdict:
        metric = self.params["error_metric"]
        if not metric:
            raise CouldNotLook("error_metric: the counter of the application's errors is not named")

        def look() -> Verdict:
            return monitoring.judge_errors(self.params["errors"], self.apps, self._stored([metric]), metric)

        # What is wrong on the application's own host stays wrong.
        settled = all(seen and seen.get("logged") for seen in self.params["errors"].values())
        return self.until(look, 2 * self.interval + 2 if settled else 0)

    def alerts(self) -> Verdict:
        changed = [
            entry["path"]
            for entry in self.params["files"]
            if hashlib.sha256(Path(entry["path"]).read_bytes()).hexdigest() != entry["sha256"]
        ]
        silences = self.alertmanager.get("/api/v2/silences")
        if not isinstance(silences, list):
            raise CouldNotLook("Alertmanager lists its silences in a form that cannot be read")
        running = self.prometheus.get("/api/v1/status/config")
        if not isinstance(running, dict) or not isinstance(running.get("yaml"), str):
            raise CouldNotLook("Prometheus shows its configuration in a form that cannot be read")
        seen = monitoring.judge_alerts(
            self._rules_in_time(),
            self.rules,
            self._rules_tests(),
            changed,
            silences,
            self.targets,
            time.time(),
            running["yaml"],
        )
        return all_of(seen, self.alerted(patient=seen.status == PASSED))

    def alerted(self, patient: bool = True) -> Verdict:
        sent = self.params["test_alert"] or {}
        receivers = [monitoring.Receiver(one["name"], one["integrations"], one["read"]) for one in self.params["receivers"]]
        nonce = str(sent.get("nonce", ""))

        def look() -> Verdict:
            figures = self.alertmanager.figures(f"{self.alertmanager.base}/metrics")
            running = set(figures.get("alertmanager_config_hash", {}).values())
            on_disk = prometheus.configuration_hash(Path(self.params["alertmanager_file"]).read_bytes())
            alert = monitoring.Sent(
                nonce, self._written_down(nonce, sent), sent.get("before", {}), delivered(figures), running == {on_disk}
            )
            return monitoring.judge_test_alert(alert, receivers)

        age = time.time() - float(sent.get("sent", 0))
        return self.until(look, max(0.0, 3 * self.interval + NOTIFICATION_SECONDS - age) if patient else 0)

    @cached_property
    def rules(self) -> list[dict[str, Any]]:
        """The rules that are wanted, with expressions in Prometheus' own form and times in seconds."""
        return [
            {
                **rule,
                "expr": self._formatted(" ".join(str(rule.get("expr", "")).split())),
                "for": prometheus.seconds(rule["for"]) if rule.get("for") else 0.0,
                "interval": prometheus.seconds(group["interval"]) if group.get("interval") else self.interval,
            }
            for group in self.params["rules"]
            for rule in group["rules"]
        ]

    @cached_property
    def probed(self) -> tuple[int, list[str], dict[str, Figures], dict[str, Figures], float]:
        """Send the probes: how many were answered, what the others got, figures before and after, and when they were done."""
        before = self._shown()
        site = Service("the site", self.params["probe_url"])
        token = self.params["bypass_token"]
        headers = {self.params["bypass_header"]: token} if token else {}
        answers = [site.request(site.path, headers) for _ in range(self.params["probes"])]
        since = time.time()
        good = sum(answer.status == HTTP_OK for answer in answers)
        return good, [answer.outcome for answer in answers if answer.status != HTTP_OK], before, self._shown(), since

    def _moved(self, wanted: list[monitoring.Wanted]) -> Verdict:
        answered, refused, before, after, since = self.probed

        def look() -> Verdict:
            stored = self._stored([figure.name for figure in wanted])
            moved = monitoring.Moved(answered, refused, before, after, stored, since)
            return monitoring.judge_moved(moved, wanted, self.params["probes"], self.interval, time.time())

        return self.until(look, 2 * self.interval + 5 if answered else 0)

    def _stored(self, names: list[str]) -> list[prometheus.Series]:
        window = self.interval * monitoring.INTERVALS + monitoring.MOMENT + 1
        return self.prometheus.newest(f'{{__name__=~"{"|".join(names)}"}}', window)

    def _shown(self) -> dict[str, Figures]:
        entries = self.targets.get(self.params["app_job"], [])
        if not entries:
            raise CouldNotLook(f"targets: there is none of job {self.params['app_job']}")
        return {
            entry["instance"]: Service(
                f"{self.params['app_job']} on {entry['instance']}", f"http://{entry['address']}/metrics"
            ).figures()
            for entry in entries
        }

    def _configuration(self) -> monitoring.Configured:
        targets = self.prometheus.listed("/api/v1/targets", "activeTargets", state="active")
        urls = [str(entry.get("scrapeUrl")) for entry in targets]
        with ThreadPoolExecutor(PARALLEL) as pool:
            answers = list(pool.map(self._ask, urls))
        services = (("Prometheus", self.prometheus, "prometheus"), ("Alertmanager", self.alertmanager, "alertmanager"))
        reloaded, silent = {}, []
        for name, service, prefix in services:
            answer = service.request(f"{service.base}/metrics")
            if answer.status != HTTP_OK:
                silent.append(f"{name}: {answer.outcome}")
                continue
            values = prometheus.read_figures(answer.text).get(f"{prefix}_config_last_reload_successful", {}).values()
            reloaded[name] = next(iter(values), 0.0)
        return monitoring.Configured(
            targets,
            {url: (answer, prometheus.read_figures(answer.text)) for url, answer in zip(urls, answers, strict=True)},
            self._stored(["up"]),
            self._loaded_rules(),
            [str(one.get("url")) for one in self.prometheus.listed("/api/v1/alertmanagers", "activeAlertmanagers")],
            reloaded,
            silent,
            systemd.show(self.params["units"], UNIT_PROPERTIES),
        )

    def _ask(self, url: str) -> Answer:
        try:
            # Those two ask who is there.
            own = any(url.startswith(self.params[name].rstrip("/") + "/") for name in ("prometheus_url", "alertmanager_url"))
            asked = Service(url, url, *(self.login if own else ("", "")))
            return asked.request(asked.path)
        except CouldNotLook as reason:
            return Answer(NO_ANSWER, {}, str(reason).encode())

    def _rules_in_time(self) -> list[dict[str, Any]]:
        """The loaded rules, once none is late, or as they are when all of them have had time to be looked at again."""
        patience = MISSED * max((rule["interval"] for rule in self.rules), default=self.interval)
        end = time.monotonic() + patience
        loaded = self._loaded_rules()
        while any(monitoring.late(rule, time.time()) for rule in loaded) and time.monotonic() < end:
            time.sleep(PAUSE)
            loaded = self._loaded_rules()
        return loaded

    def _loaded_rules(self) -> list[dict[str, Any]]:
        wanted = {rule.get("alert") or rule.get("record") for rule in self.rules}
        try:
            groups = self.prometheus.listed("/api/v1/rules", "groups")
            loaded = [{**rule, "interval": group["interval"]} for group in groups for rule in group["rules"]]
            return [{**rule, "query": self._formatted(rule["query"])} if rule["name"] in wanted else rule for rule in loaded]
        except (KeyError, TypeError):
            raise CouldNotLook("Prometheus lists its rules in a form that cannot be read") from None

    def _formatted(self, expression: str) -> str:
        if expression not in self._forms:
            self._forms[expression] = prometheus.text_of(self.prometheus.get("/api/v1/format_query", query=expression))
        return self._forms[expression]

    @cached_property
    def _forms(self) -> dict[str, str]:
        return {}

    def _rules_tests(self) -> tuple[int, str]:
        command = ["promtool", "test", "rules", self.params["rules_tests"]]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except subprocess.TimeoutExpired:
            raise CouldNotLook("promtool did not end within 60 s") from None
        return done.returncode, done.stdout + done.stderr

    def _written_down(self, nonce: str, sent: Mapping[str, Any]) -> list[dict[str, Any]]:
        unit = self.params["receiver_unit"]
        if not unit or not nonce:
            return []
        since = f"--since=@{int(float(sent.get('sent', 0)))}"
        command = ["journalctl", "--quiet", "--no-pager", "--output=cat", since, f"--unit={unit}"]
        subprocess.run(["journalctl", "--sync"], capture_output=True, timeout=30, check=False)
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode != 0:
            raise CouldNotLook(f"the journal of {unit} cannot be read: {done.stderr.strip()}")
        return monitoring.notifications(done.stdout.splitlines(), nonce)


def delivered(figures: Figures) -> dict[str, list[float]]:
    """How often Alertmanager has tried to send, and how often that failed, by kind of integration.

    Each try counts when it is over; alertmanager_notifications_failed_total counts once all have failed, a minute later.
    """
    counts: dict[str, list[float]] = {}
    for place, name in enumerate(("alertmanager_notification_requests_total", "alertmanager_notification_requests_failed_total")):
        for labels, value in figures.get(name, {}).items():
            counts.setdefault(dict(labels).get("integration", ""), [0.0, 0.0])[place] += value
    return counts
