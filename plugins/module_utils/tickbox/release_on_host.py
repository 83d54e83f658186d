# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at the release that a host has: its files, its packages, its settings, its units and who answers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from . import code, configuration, dependencies, processes, systemd
from .answers import Answer, ask_unix
from .assertion import Verdict, all_of, moment
from .units import SocketFacts, judge_restart, judge_running

ASKED = 5  # times that the version is asked: a web process has several workers


class Look:
    """What each item needs to see; what several need is seen once. ``params``: the arguments of the module check_release."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.release = Path(os.path.realpath(params["release_path"]))
        self.services = [unit for unit in params["units"] if not unit.endswith(".timer")]
        self.timers = [unit for unit in params["units"] if unit.endswith(".timer")]

    def code(self) -> Verdict:
        """deploy.release.code."""
        current = Path(self.params["current_path"])
        socket = Path(self.params["current_socket"])
        return code.judge_code(
            code.look(self.release / "code", current),
            [ask_unix(socket, self.params["version_path"]) for _ in range(ASKED)],
            digest=self.params["digest"],
            release=self.release,
            version=self.params["version"],
            commit=self.params["commit"],
            current=current,
        )

    def dependencies(self) -> Verdict:
        """deploy.release.dependencies."""
        return dependencies.judge(self.release, self.params["lock"], self.params["digest"])

    def configuration(self) -> Verdict:
        """deploy.release.configuration."""
        settings = Path(self.params["environment_file"]).read_text(errors="surrogateescape")
        begun_by_timers = [timer.removesuffix("timer") + "service" for timer in self.timers]
        shown = systemd.show([*self.params["units"], *begun_by_timers], systemd.SERVICE)
        return configuration.judge_configuration(
            self.params["files"],
            {entry["path"]: configuration.look(Path(entry["path"])) for entry in self.params["files"]},
            configuration.read_environment_file(settings),
            {unit: processes.environment(pid) if (pid := _main_pid(shown[unit])) else None for unit in self.services},
            {unit: shown[unit].get("DropInPaths", "") for unit in shown},
        )

    def restart(self) -> Verdict:
        """deploy.release.restart."""
        started_after = self.params["started_after"]
        samples, _, _ = self._window
        looked = {unit: processes.look(pid) for unit in self.services if (pid := _main_pid(samples[-1][unit]))}
        since = moment("started_after", started_after) if started_after else None
        return judge_restart(samples, looked, self.release, since, datetime.now(UTC))

    def running(self) -> Verdict:
        """deploy.verification.running."""
        samples, answers, listeners = self._window
        web_unit = self.params["web_unit"]
        group = samples[-1].get(web_unit, {}).get("ControlGroup", "")
        # Who listens by the kernel's word, and who else holds the listening socket.
        holders = set().union(*listeners[-1].values()) | {answer.peer for answer in answers if answer.peer}
        sockets = SocketFacts(
            expected=self.params["socket"],
            resolved=os.path.realpath(self.params["current_socket"]),
            listeners=listeners[-1],
            outsiders={pid for pid in holders if not processes.in_control_group(pid, group)},
            kept=not listeners[0] or bool(set().union(*listeners[0].values()) & set().union(*listeners[-1].values())),
        )
        timers = systemd.show(self.timers, systemd.TIMER)
        return judge_running(samples, timers, web_unit, sockets, answers, self.params["health_json"], datetime.now(UTC))

    def earlier_code(self) -> Verdict:
        """rollback.initiate.code."""
        return all_of(self.code(), self.restart())

    @cached_property
    def _window(self) -> tuple[list[dict[str, dict[str, str]]], list[Answer], list[dict[str, set[int]]]]:
        """The units' samples, and the health answers and listeners at its beginning and end."""
        answers, listeners = [], []

        def ask() -> None:
            if self.params["socket"]:
                answers.append(ask_unix(Path(self.params["current_socket"]), self.params["health_path"]))
                listeners.append(processes.listeners(self.params["socket"], os.getpid()))

        ask()
        samples = systemd.watch(self.services, self.params["window"])
        ask()
        return samples, answers, listeners


def _main_pid(properties: Mapping[str, str]) -> int:
    return int(properties.get("MainPID") or 0)
