# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts the web process of a release once more beside what runs, on a socket of its own, to see that it starts."""

from __future__ import annotations

import re
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from .answers import NO_ANSWER, Answer, ask_unix
from .assertion import CouldNotLook
from .trial import LONGEST_LIFE, environment_file

PAUSE = 0.05  # seconds between two questions
# What a unit says about itself beside its process: the trial is not restarted, and its words are not the application's.
OWN = {"ExecStart", "Restart", "RestartSec", "SyslogIdentifier", "Type", "TimeoutStopSec"}


@dataclass(frozen=True)
class Started:
    """What a trial showed. ``seconds``: until it was well, or until it was given up. ``said``: the end of what it wrote."""

    seconds: float
    health: Answer
    version: Answer
    said: str = ""


def read_service(text: str, instance: str) -> tuple[list[str], list[str]]:
    """Read a unit file: the words of its command, and its other settings of the service as ``name=value``.

    CouldNotLook for what a trial could not do in the same way: several commands, specifiers other than the instance.
    """
    section, command, settings = "", [], []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        entry = line.strip()
        if entry.startswith("["):
            section = entry
        if section != "[Service]" or "=" not in entry or entry.startswith(("#", ";")):
            continue
        name, value = (part.strip() for part in entry.split("=", 1))
        value = _specified(value, instance)
        if name == "ExecStart":
            command.append(value)
        elif name.startswith("Exec"):
            raise CouldNotLook(f"its unit has {name}, which is not tried")
        elif name not in OWN:
            settings.append(f"{name}={value}")
    if len(command) != 1:
        raise CouldNotLook(f"its unit has {len(command)} commands to start with")
    try:
        return shlex.split(command[0]), settings
    except ValueError as error:
        raise CouldNotLook(f"the command of its unit cannot be read: {error}") from None


@contextmanager
def spare(unit_file: Path, instance: str, socket: Path, environment: Mapping[str, Any] | None = None) -> Iterator[tuple[str, Path]]:
    """Start what ``unit_file`` starts with another socket in the place of ``socket``, and end it; its unit and that socket.

    environment: settings in the place of its own.
    """
    words, settings = read_service(unit_file.read_text(errors="surrogateescape"), instance)
    mark = secrets.token_hex(4)
    other = socket.with_name(f"trial-{mark}.sock")
    unit = f"tickbox-trial-{mark}.service"
    moved = [word.replace(str(socket), str(other)) for word in words]
    if moved == words:
        raise CouldNotLook(f"the command of {unit_file.name} does not name {socket}, so that it cannot be given another")
    own = Path(f"/run/{unit}.env")
    limits = ["TimeoutStopSec=10", f"RuntimeMaxSec={LONGEST_LIFE}", f"EnvironmentFile={own}"]
    properties = [f"--property={setting}" for setting in (*settings, *limits)]
    try:
        own.touch(mode=0o600)
        own.write_text(environment_file(environment or {}))
        _systemd("systemd-run", f"--unit={unit}", "--collect", "--quiet", *properties, "--", *moved)
        yield unit, other
    finally:
        subprocess.run(["systemctl", "stop", unit], capture_output=True, timeout=60, check=False)
        for file in (own, other):
            file.unlink(missing_ok=True)


def wait_until_well(socket: Path, health_path: str, timeout: float) -> Answer:
    """The last answer about its health: 200, or what it was when the time was up."""
    health, end = Answer(NO_ANSWER, {}, b"not asked"), time.monotonic() + timeout
    while health.status != HTTPStatus.OK and time.monotonic() < end:
        health = ask_unix(socket, health_path)
        if health.status != HTTPStatus.OK:
            time.sleep(PAUSE)
    return health


def unwell(unit: str, socket: Path, health_path: str, timeout: float) -> str:
    """Why a process is not well, once the time is up, with its last words; empty where it is."""
    health = wait_until_well(socket, health_path, timeout)
    if health.status == HTTPStatus.OK:
        return ""
    return f"it is not well after {timeout:g} s: {health.outcome}; {last_words(unit)}".rstrip("; ")


def start(unit_file: Path, instance: str, socket: Path, health_path: str, version_path: str, timeout: float) -> Started:
    """Start it so, ask it for its health and its version, and stop it again."""
    began = time.monotonic()
    with spare(unit_file, instance, socket) as (unit, other):
        health = wait_until_well(other, health_path, timeout)
        seconds = time.monotonic() - began
        version = ask_unix(other, version_path)
        return Started(seconds, health, version, "" if health.status == HTTPStatus.OK else last_words(unit))


def _specified(value: str, instance: str) -> str:
    """Put the instance of the unit in its place."""
    value = value.replace("%i", instance)
    if "%" in value.replace("%%", ""):
        raise CouldNotLook(f"its unit has a specifier that is not tried: {value[:60]}")
    return value


def last_words(unit: str) -> str:
    """The end of what a unit wrote to the journal."""
    command = ["journalctl", "--no-pager", "--quiet", "--lines=3", "--output=cat", f"--unit={unit}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return " | ".join(done.stdout.strip().splitlines())[:300]


def _systemd(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CouldNotLook(f"{command[0]} does not answer: {error}") from None
    if done.returncode != 0:
        raise CouldNotLook(f"{command[0]}: {' '.join(done.stderr.split())[:300]}")
