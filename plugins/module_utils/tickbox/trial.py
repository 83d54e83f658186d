# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release's web process on trial: started beside all others on a socket of its own, asked, and stopped."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .answers import HTTP_OK, NO_ANSWER, Answer, ask_unix
from .exchange import Exchange, fill
from .lock import RUN_VARIABLE

ANSWER_SECONDS = 20.0
PARALLEL = 6
LONGEST_LIFE = 600  # seconds, after which systemd ends a trial that nobody stopped
SHORT_PAUSE = 0.1


class TrialError(Exception):
    """The process does not start; the message is one line."""


@dataclass(frozen=True)
class Process:
    """How a process on trial is started.

    unit: its name for systemd. settings: the file of the release's settings. environment: those that are others on trial.
    """

    unit: str
    command: str
    user: str
    directory: str
    settings: str
    environment: Mapping[str, str]
    socket: Path


class UnixClient:
    """Sends requests to a socket file over a connection of its own, which it keeps as long as the other side does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection: http.client.HTTPConnection | None = None

    def send(self, method: str, target: str, headers: Mapping[str, str], body: Any) -> Answer:
        """Send one request as it is. ``body``: a string, bytes, or what is sent as JSON."""
        if body is not None and not isinstance(body, (str, bytes)):
            headers, body = {"Content-Type": "application/json", **headers}, json.dumps(body)
        content = body.encode() if isinstance(body, str) else body
        fresh = self.connection is None
        answer = self._send(method, target, headers, content)
        # The other side may have closed the connection after the last answer; it has not seen this request then.
        return self._send(method, target, headers, content) if answer.status == NO_ANSWER and not fresh else answer

    def _send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("localhost", timeout=ANSWER_SECONDS)
                self.connection.sock = socket.socket(socket.AF_UNIX)
                self.connection.sock.settimeout(ANSWER_SECONDS)
                self.connection.sock.connect(str(self.path))
            with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
                self.connection.request(method, target, body, dict(headers))
            response = self.connection.getresponse()
            names = {name.lower(): ", ".join(response.headers.get_all(name, [])) for name in response.headers}
            answer = Answer(response.status, names, response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return Answer(NO_ANSWER, {}, f"{self.path}: {error or type(error).__name__}".encode())
        if response.will_close:
            self.close()
        return answer

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


@contextmanager
def running(process: Process, health_path: str, seconds: float) -> Iterator[None]:
    """Start a process under systemd, wait until it is well, and stop it whatever happens. Raises TrialError."""
    own = Path(f"/run/{process.unit}.env")
    stop = ["systemctl", "stop", process.unit]
    subprocess.run(stop, capture_output=True, check=False)
    own.touch(mode=0o600)
    try:
        own.write_text(environment_file(process.environment))
        properties = {
            "User": process.user,
            "Group": process.user,
            "WorkingDirectory": process.directory,
            "NoNewPrivileges": "yes",
            "PrivateTmp": "yes",
            "ProtectHome": "yes",
            "ProtectSystem": "strict",
            "ReadWritePaths": str(process.socket.parent),
            "RuntimeMaxSec": str(LONGEST_LIFE),
            "TimeoutStopSec": "5",
        }
        files = [("EnvironmentFile", process.settings), ("EnvironmentFile", str(own))]
        given = [f"--property={name}={value}" for name, value in (*properties.items(), *files)]
        start = ["systemd-run", "--quiet", "--collect", f"--unit={process.unit}", *given, *shlex.split(process.command)]
        done = subprocess.run(start, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise TrialError(f"{process.unit} cannot be started: {' '.join(done.stderr.split())}")
        _wait(process, health_path, seconds)
        yield
    finally:
        subprocess.run(stop, capture_output=True, check=False)
        own.unlink(missing_ok=True)
        process.socket.unlink(missing_ok=True)


def _wait(process: Process, health_path: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (answer := ask_unix(process.socket, health_path)).status != HTTP_OK:
        active = subprocess.run(["systemctl", "is-active", "--quiet", process.unit], check=False).returncode == 0
        if not active or time.monotonic() > end:
            how = answer.outcome if active else "it has ended"
            raise TrialError(f"{process.unit} is not well after {seconds:.0f} s: {how}; see journalctl -u {process.unit}")
        time.sleep(SHORT_PAUSE)


def environment_file(settings: Mapping[str, Any]) -> str:
    """Settings as a file that systemd reads, with the run that the process belongs to: should it be cut off, the next ends it."""
    of_run = {RUN_VARIABLE: os.environ[RUN_VARIABLE]} if RUN_VARIABLE in os.environ else {}
    return "".join(f"{name}={_quoted(value)}\n" for name, value in {**settings, **of_run}.items())


def _quoted(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def show(
    path: Path, requests: Sequence[Mapping[str, Any]], secrets: Mapping[str, str]
) -> tuple[Exchange, list[tuple[Answer, float]]]:
    """Send the requests in their order; return what was kept, and each answer with its seconds."""
    client = UnixClient(path)
    exchange, answers = Exchange(client.send, secrets), []
    for request in requests:
        began = time.monotonic()
        answers.append((exchange.ask(request), time.monotonic() - began))
    client.close()
    return exchange, answers


def try_cases(
    path: Path,
    cases: Sequence[Mapping[str, Any]],
    logins: Sequence[Mapping[str, Any]],
    known: Exchange,
    seconds: float,
) -> list[tuple[int, float]]:
    """Send each case, those of one operation in a session of their own; return status and seconds for each, in order.

    logins: the requests that open a session. known: the exchange that has kept what the cases name. Ends after ``seconds``, with
    the cases before the first that was not sent.
    """
    end = time.monotonic() + seconds
    outcomes: list[tuple[int, float] | None] = [None] * len(cases)
    groups: dict[str, list[int]] = {}
    for number, case in enumerate(cases):
        groups.setdefault(case["operation"], []).append(number)

    def attempt(numbers: list[int]) -> None:
        client = UnixClient(path)
        exchange = Exchange(client.send, known.secrets, kept=dict(known.kept))
        for request in logins:
            exchange.ask(request)
        for number in numbers:
            if time.monotonic() > end:
                break
            case = cases[number]
            target = fill(case["path"], {**known.kept, **case["values"]}) if "{" in case["path"] else case["path"]
            began = time.monotonic()
            answer = exchange.raw(case["method"], target + case["query"], case["headers"], _body(case))
            outcomes[number] = (answer.status, round(time.monotonic() - began, 3))
        client.close()

    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(attempt, groups.values()))
    sent = outcomes.index(None) if None in outcomes else len(outcomes)
    return [outcome for outcome in outcomes[:sent] if outcome is not None]


def _body(case: Mapping[str, Any]) -> bytes | None:
    if times := case.get("times"):
        return f"{times['before']}{times['text'] * times['count']}{times['after']}".encode()
    return base64.b64decode(case["body"]) if "body" in case else None
