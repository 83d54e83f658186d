# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Watches units of a host, idle and then under a load of its own."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from . import systemd, usage
from .answers import ask_unix
from .assertion import CouldNotLook
from .load import problem_of
from .resources import Leak, Load, Moment, Use, leaks, undecided

INTERVAL = 0.25  # seconds from one sample to the next
DATABASE_EVERY = 2.0  # seconds; each look starts a program
SENDERS = 6
# A process takes memory while its threads and caches are used for the first times: more requests at once bring that to its end.
WARM_RATE, WARM_SENDERS = 3, 16
PATIENCE = 5.0  # seconds for one answer of the local load
LIMITS = ("ControlGroup", "MemoryMax", "TasksMax", "CPUQuotaPerSecUSec")
NO_LIMIT = {"", "infinity", "[not set]"}
MICROSECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
CONNECTIONS = """
SELECT json_build_object(
  'connections', json_build_array(json_build_object('name', 'the server',
    'used', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    'limit', current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int)),
  'roles', (SELECT json_agg(json_build_object('name', 'role ' || rolname, 'limit', rolconnlimit,
    'used', (SELECT count(*) FROM pg_stat_activity a WHERE a.usename = r.rolname AND backend_type = 'client backend')))
    FROM pg_roles r WHERE rolcanlogin AND rolconnlimit >= 0),
  'databases', (SELECT json_agg(json_build_object('name', 'database ' || datname, 'limit', datconnlimit,
    'used', (SELECT count(*) FROM pg_stat_activity a WHERE a.datname = d.datname AND backend_type = 'client backend')))
    FROM pg_database d WHERE datallowconn AND datconnlimit >= 0))
"""


class Sender:
    """A load over the release's socket: each request when it is due, a few under way at once."""

    def __init__(self, socket: Path, requests: Sequence[Mapping[str, Any]], rate: float, senders: int) -> None:
        self.socket, self.requests, self.rate = socket, requests, rate
        self.answered = self.failed = 0
        self.wanted = 0
        self._numbers, self._lock, self._stop = count(), threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(senders)]
        self._began = 0.0

    def start(self) -> None:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send no more. Requests under way come to their end."""
        if not self._stop.is_set():
            self.wanted = int((time.monotonic() - self._began) * self.rate) if self._began else 0
            self._stop.set()

    def total(self) -> Load:
        """What came of the load, once it has ended."""
        self.stop()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(PATIENCE + 1)
        return Load(self.wanted, self.answered, self.failed)

    def _send(self) -> None:
        while True:
            with self._lock:
                number = next(self._numbers)
            if self._stop.wait(max(0.0, self._began + number / self.rate - time.monotonic())):
                return
            request = self.requests[number % len(self.requests)]
            problem = problem_of(request, ask_unix(self.socket, str(request["path"]), PATIENCE))
            with self._lock:
                self.failed += problem is not None
                self.answered += problem is None


class Watch:
    """Samples of the units over the whole watch, and the highest use of each resource under load.

    params: the arguments of the module check_resources.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.units: list[str] = params["units"]
        self.moments: list[Moment] = []
        self.settled: list[Moment] = []
        self.uses: dict[str, Use] = {}
        self.others: dict[str, tuple[float, float]] = {}
        self.load = Load(0, 0, 0)
        self.requests = [request for request in params["requests"] if str(request.get("method") or "GET").upper() == "GET"]
        self._last: tuple[float, dict[int, usage.Process]] | None = None
        self._long: dict[int, tuple[float, float]] = {}

    @property
    def rounds(self) -> float:
        done = [moment.done for moment in self.settled]
        return (done[-1] - done[0]) / len(self.requests) if done and self.requests else 0.0

    def leaks(self) -> list[Leak]:
        params = self.params
        bounds = params["leak_bytes_per_round"], params["leak_bytes_per_second"]
        return leaks(self.settled, params["web_unit"], max(1, len(self.requests)), *bounds)

    def run(self) -> None:
        """Watch; CouldNotLook where there is nothing to watch."""
        params = self.params
        if self.units and not self.requests:
            raise CouldNotLook("requests: none of them is a GET")
        shown = systemd.show(self.units, LIMITS)
        folders = {unit: usage.unit_folder(properties.get("ControlGroup", "")) for unit, properties in shown.items()}
        socket = Path(params["socket"] or "/")
        warming = Sender(socket, self.requests, params["rate"] * WARM_RATE, WARM_SENDERS)
        sender = Sender(socket, self.requests, params["rate"], SENDERS)
        began = time.monotonic()
        asked = 0.0
        loaded = warm = decided = False
        while True:
            at = time.monotonic() - began
            if not loaded and at >= params["idle"]:
                loaded = True
                if self.units:
                    warming.start()
            if not warm and at >= params["idle"] + params["warmup"]:
                warm = True
                if self.units:
                    warming.stop()
                    sender.start()
            moment = Moment(
                at, {unit: usage.sample_unit(folder, thoroughly=True) for unit, folder in folders.items()}, sender.answered, loaded
            )
            self.moments.append(moment)
            self.settled += [moment] if warm else []
            self._watch_others(at, {pid for sample in moment.units.values() for pid in sample.processes})
            if loaded:
                self._use_of_units(moment, shown, folders)
                self._use_of_host()
                if params["database"] and at >= asked:
                    self._use_of_database(params["database"])
                    asked = at + DATABASE_EVERY
            loaded_for = at - params["idle"] - params["warmup"]
            if loaded_for >= params["seconds"]:
                decided = not self.units or not undecided(self.leaks(), len(self.units))
                if decided or loaded_for >= params["max_seconds"]:
                    break
            time.sleep(max(0.0, INTERVAL - (time.monotonic() - began - at)))
        if self.units:
            self.load = sender.total()
            before = warming.total()
            self.load = Load(
                before.wanted + self.load.wanted, before.answered + self.load.answered, before.failed + self.load.failed
            )
            self._average_of_cpu(shown)

    def _use(self, what: str, used: float, limit: float) -> None:
        """Remember the use that comes closest to its limit."""
        new = Use(what, used, limit)
        if what not in self.uses or new.part > self.uses[what].part:
            self.uses[what] = new

    def _use_of_units(self, moment: Moment, shown: Mapping[str, Mapping[str, str]], folders: Mapping[str, Path]) -> None:
        for unit, sample in moment.units.items():
            for what, name, used in (("memory", "MemoryMax", sample.memory), ("tasks", "TasksMax", sample.tasks)):
                if (most := shown[unit].get(name, "")) not in NO_LIMIT and most.isdigit():
                    self._use(f"{what} of {unit}", used, int(most))
            for process in sample.processes.values():
                if process.files_limit:
                    self._use(f"open files of {process.name} in {unit}", process.files, process.files_limit)
            for what, group, used, limit in usage.limits(folders[unit]):
                self._use(f"{what} of group {group}", used, limit)

    def _use_of_host(self) -> None:
        available, total = usage.memory_of_host()
        self._use("memory of the host", total - available, total)
        for path in self.params["disk_paths"]:
            with suppress(FileNotFoundError):  # a folder that this host does not have needs no room
                room = os.statvfs(path)
                self._use(
                    f"disk of {path} (MB)",
                    (room.f_blocks - room.f_bavail) * room.f_frsize // 2**20,
                    room.f_blocks * room.f_frsize // 2**20,
                )
                if room.f_files:
                    self._use(f"inodes of {path}", room.f_files - room.f_favail, room.f_files)
        files, _, most = Path("/proc/sys/fs/file-nr").read_text().split()
        self._use("open files of the host", int(files), int(most))

    def _use_of_database(self, database: str) -> None:
        command = ["runuser", "-u", "postgres", "--", "psql", "--no-psqlrc", "--tuples-only", "--no-align", f"--dbname={database}"]
        try:
            done = subprocess.run(
                [*command, "--command", CONNECTIONS], capture_output=True, text=True, timeout=20, check=False, cwd="/"
            )
            if done.returncode != 0:
                raise CouldNotLook(f"the connections to {database} cannot be counted: {' '.join(done.stderr.split())[:200]}")
            counted = json.loads(done.stdout)
            for entry in [*counted["connections"], *(counted["roles"] or []), *(counted["databases"] or [])]:
                self._use(f"connections to {entry['name']}", int(entry["used"]), int(entry["limit"]))
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CouldNotLook(f"the connections to {database} cannot be counted: {error}") from None
        except (ValueError, KeyError, TypeError):
            raise CouldNotLook(f"the connections to {database} cannot be counted: psql returned something else") from None

    def _average_of_cpu(self, shown: Mapping[str, Mapping[str, str]]) -> None:
        loaded = [moment for moment in self.moments if moment.loaded]
        for unit in self.units:
            cpus = float(len(os.sched_getaffinity(0)))
            quota = seconds(shown[unit].get("CPUQuotaPerSecUSec", ""))
            used = (loaded[-1].units[unit].cpu - loaded[0].units[unit].cpu) / (loaded[-1].at - loaded[0].at)
            self._use(f"CPUs of {unit}", round(used, 3), min(cpus, quota) if quota is not None else cpus)

    def _watch_others(self, at: float, own: set[int]) -> None:
        """Remember for how long without a pause a process of no watched unit used much of a CPU."""
        if self._last and at - self._last[0] < 2 * INTERVAL:
            return
        now = usage.everybody()
        bound = float(self.params["cpu"].get("others", 1))
        if self._last:
            before_at, before = self._last
            for pid, process in now.items():
                if pid not in before or before[pid].started != process.started or pid in own or pid == os.getpid():
                    continue
                cpus = (process.own_seconds - before[pid].own_seconds) / (at - before_at)
                seconds_long, most = self._long.pop(pid, (0.0, 0.0))
                if cpus < bound:
                    continue
                self._long[pid] = seconds_long + at - before_at, max(most, cpus)
                unit = usage.unit_of(pid)
                if not unit.startswith(usage.SESSIONS):
                    name = f"{process.name} ({unit or f'process {pid}'})"
                    self.others[name] = max(self.others.get(name, (0.0, 0.0)), self._long[pid])
        self._last = at, now


def seconds(text: str) -> float | None:
    """Read a time as systemctl shows it, such as ``1s`` or ``500ms``; None where it is no limit."""
    total, found = 0.0, False
    for word in text.split():
        number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
        unit = word[len(number) :]
        if unit not in MICROSECONDS:
            return None
        try:
            total, found = total + float(number) * MICROSECONDS[unit], True
        except ValueError:
            return None
    return total if found else None
