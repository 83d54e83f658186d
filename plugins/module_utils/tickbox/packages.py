# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges whether a virtual environment holds what its lock file names, each file as it was installed."""

from __future__ import annotations

import base64
import csv
import email
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .assertion import CouldNotLook, Verdict, listed, verdict

try:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    PACKAGING = True
except ImportError:
    PACKAGING = False

# What a marker of a lock file may ask of the interpreter (PEP 508), asked without running any installed code.
MARKERS = """
import json, os, platform, sys
i = sys.implementation.version
v = f"{i.major}.{i.minor}.{i.micro}" + ("" if i.releaselevel == "final" else i.releaselevel[0] + str(i.serial))
print(json.dumps({
    "implementation_name": sys.implementation.name, "implementation_version": v, "os_name": os.name,
    "platform_machine": platform.machine(), "platform_release": platform.release(), "platform_system": platform.system(),
    "platform_version": platform.version(), "python_full_version": platform.python_version(), "sys_platform": sys.platform,
    "platform_python_implementation": platform.python_implementation(), "extra": "",
    "python_version": ".".join(platform.python_version_tuple()[:2])}))
"""
# Made by the tools that make virtual environments; none of it is imported or started with the application.
TOOLS = re.compile(r"(python[0-9.]*|activate(\..*|_this\.py)?|deactivate(\..*)?|pydoc\.bat|Activate\.ps1)")


@dataclass
class Installed:
    """What a virtual environment holds: version of each package, how many files agree with their records, what is wrong."""

    packages: dict[str, str] = field(default_factory=dict)
    files: int = 0
    problems: dict[str, list[str]] = field(default_factory=dict)

    def problem(self, kind: str, name: str) -> None:
        self.problems.setdefault(kind, []).append(name)


def read_lock(text: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return name and version of each package that the lock file wants in this ``environment`` of markers.

    CouldNotLook where a line is anything but a version with its hashes: it would not say what has to be installed.
    """
    if not PACKAGING:
        raise CouldNotLook("python3-packaging is not installed on this host, so the lock file cannot be read")
    wanted = {}
    for line in re.sub(r"\\\n", " ", text).splitlines():
        entry = re.sub(r"(^|\s)#.*", "", line).strip()
        if not entry or entry.startswith(("--index-url", "--extra-index-url", "--only-binary", "--no-binary")):
            continue
        stated, *hashes = entry.split("--hash=")
        try:
            requirement = Requirement(stated.strip())
            pins = list(requirement.specifier)
            pinned = len(pins) == 1 and pins[0].operator in {"==", "==="} and not pins[0].version.endswith(".*")
        except InvalidRequirement:
            pinned = False
        if not pinned or not hashes:
            raise CouldNotLook(f"the lock file does not pin one version with hashes: '{entry[:80]}'")
        if requirement.marker is None or requirement.marker.evaluate(dict(environment)):
            wanted[str(canonicalize_name(requirement.name))] = pins[0].version
    return wanted


def markers(venv: Path) -> dict[str, str]:
    """Ask the environment's interpreter what markers may ask of it."""
    try:
        done = subprocess.run(
            [str(venv / "bin" / "python"), "-I", "-S", "-c", MARKERS], capture_output=True, text=True, timeout=30, check=True
        )
        return {str(name): str(value) for name, value in json.loads(done.stdout).items()}
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise CouldNotLook(f"the interpreter of {venv} does not run: {error}") from None


def look(venv: Path) -> Installed:
    """Read every package and hold every file against its record."""
    found = Installed()
    venv = Path(os.path.realpath(venv))
    _look_at_interpreter(venv, found)
    folders = {Path(os.path.realpath(path)) for path in venv.glob("lib*/python*/site-packages")}
    if not folders:
        raise CouldNotLook(f"{venv} is no virtual environment: it has no site-packages")
    owned: set[str] = set()
    for folder in sorted(folders):
        for record in sorted(folder.glob("*.dist-info")):
            owned |= _look_at_package(record, venv, found)
    for path in _files(*folders, venv / "bin"):
        tool = path.parent == venv / "bin" and TOOLS.fullmatch(path.name)
        cache = path.parent.name == "__pycache__" and path.suffix == ".pyc"
        if str(path) not in owned and not tool and not cache:
            found.problem("of no package", str(path.relative_to(venv)))
    return found


def judge_dependencies(wanted: Mapping[str, str], found: Installed) -> Verdict:
    """deploy.release.dependencies: exactly the packages of the lock file, and no file edited, missing or added."""
    problems = [
        f"{len(names)} {kind}: {listed(names)}"
        for kind, names in {
            "packages missing": sorted(wanted.keys() - found.packages.keys()),
            "packages not in the lock file": sorted(found.packages.keys() - wanted.keys()),
            "packages of another version": [
                f"{name} {found.packages[name]}, not {version}"
                for name, version in sorted(wanted.items())
                if name in found.packages and not _equal(found.packages[name], version)
            ],
        }.items()
        if names
    ]
    problems += [f"{len(names)} files {kind}: {listed(names)}" for kind, names in found.problems.items()]
    return verdict(
        problems,
        f"{len(wanted)} packages as the lock file names them, {found.files} files as recorded",
        expected={"packages": len(wanted)},
        observed={"packages": len(found.packages), "files": found.files},
        evidence={"installed": found.packages, "problems": {kind: names[:50] for kind, names in found.problems.items()}},
    )


def _look_at_interpreter(venv: Path, found: Installed) -> None:
    lines = (venv / "pyvenv.cfg").read_text().splitlines()
    settings = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    if settings.get("include-system-site-packages") != "false":
        found.problem("that let in the system's packages", "pyvenv.cfg")
    program = venv / "bin" / "python"
    if Path(os.path.realpath(program)).parent != Path(os.path.realpath(settings.get("home", ""))):
        found.problem("that should be a link to the interpreter", "bin/python")


def _look_at_package(info: Path, venv: Path, found: Installed) -> set[str]:
    """Hold the files of one package against its record; return their paths."""
    try:
        metadata = email.message_from_string((info / "METADATA").read_text(encoding="utf-8", errors="replace"))
        with (info / "RECORD").open(newline="", encoding="utf-8") as record:
            entries = [(*row, "")[:2] for row in csv.reader(record) if row]
    except (FileNotFoundError, UnicodeDecodeError, csv.Error):
        found.problem("(METADATA or RECORD) that say what a package is, missing or unreadable", info.name)
        return set()
    package = re.sub(r"[-_.]+", "-", str(metadata["Name"])).lower()
    if package in found.packages:
        found.problem("that say of a package that it is installed twice", info.name)
    found.packages[package] = str(metadata["Version"])
    owned = set()
    for name, recorded in entries:
        path = Path(os.path.normpath(info.parent / name))
        short = os.path.relpath(path, venv)
        owned.add(str(path))
        if path == info / "RECORD" or path.suffix == ".pyc":
            continue
        if not path.is_file():
            found.problem("missing", short)
        elif not recorded:
            found.problem("without a recorded hash", short)
        elif _digest(path, recorded) != recorded:
            found.problem("edited", short)
        else:
            found.files += 1
    return owned


def _digest(path: Path, recorded: str) -> str:
    algorithm = recorded.split("=", 1)[0]
    if algorithm not in {"sha256", "sha384", "sha512"}:
        return ""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, algorithm).digest()
    return f"{algorithm}={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _files(*folders: Path) -> Iterator[Path]:
    for top in folders:
        for folder, folders_in_it, names in os.walk(top):
            links = [name for name in folders_in_it if (Path(folder) / name).is_symlink()]
            yield from (Path(folder) / name for name in [*names, *links])


def _equal(one: str, other: str) -> bool:
    if one == other or not PACKAGING:
        return one == other
    try:
        return bool(Version(one) == Version(other))
    except InvalidVersion:
        return False
