# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The packages of a Node.js application: those that package-lock.json wants in production, and those that lie in node_modules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .assertion import CouldNotLook
from .packages import Installed

OF_NPM = {".bin", ".package-lock.json"}  # beside the packages in node_modules
LOCK_VERSIONS = {2, 3}


def read_lock(text: str) -> dict[str, dict[str, Any]]:
    """Return what the lock file says of each package that production needs, by its path below the lock file's folder.

    CouldNotLook where an entry does not pin a version with the hash of its archive: it would not say what has to be installed.
    """
    try:
        lock = json.loads(text)
        version, entries = lock["lockfileVersion"], lock["packages"]
    except (ValueError, TypeError, KeyError):
        raise CouldNotLook("the lock file is none of npm's: it has no lockfileVersion or packages") from None
    if version not in LOCK_VERSIONS:
        raise CouldNotLook(f"the lock file has version {version}; {sorted(LOCK_VERSIONS)} are known")
    wanted = {path: entry for path, entry in entries.items() if path and not entry.get("dev")}
    for path, entry in wanted.items():
        if not entry.get("version") or not entry.get("integrity"):
            raise CouldNotLook(f"the lock file does not pin one version with its hash: '{path[:80]}'")
    return wanted


def look(folder: Path, wanted: dict[str, dict[str, Any]]) -> Installed:
    """Read the packages below ``folder``. What npm unpacked must have had the hashes of the lock file."""
    found = Installed()
    modules = folder / "node_modules"
    unpacked = _unpacked(modules)
    for package in _packages(modules, found, folder):
        path = str(package.relative_to(folder))
        try:
            found.packages[path] = str(json.loads((package / "package.json").read_text())["version"])
        except (OSError, ValueError, TypeError, KeyError):
            found.problem("(package.json) that say what a package is, missing or unreadable", path)
        if path in wanted and unpacked.get(path, {}).get("integrity") != wanted[path]["integrity"]:
            found.problem("(archives) that were unpacked with another hash than the lock file's", path)
    found.files = sum(1 for path in modules.rglob("*") if path.is_file())
    return found


def required(wanted: dict[str, dict[str, Any]], found: Installed) -> dict[str, str]:
    """Version of each package by its path. One that is optional, as for other systems, may be absent."""
    return {path: str(entry["version"]) for path, entry in wanted.items() if not entry.get("optional") or path in found.packages}


def _unpacked(modules: Path) -> dict[str, dict[str, Any]]:
    """What npm noted of the archives that it unpacked, once each had the hash that it should."""
    try:
        noted: dict[str, dict[str, Any]] = json.loads((modules / ".package-lock.json").read_text())["packages"]
    except (OSError, ValueError, KeyError):
        raise CouldNotLook(f"{modules} was not made by npm ci: it has no .package-lock.json") from None
    return noted


def _packages(modules: Path, found: Installed, top: Path) -> Iterator[Path]:
    """The folders of packages in node_modules, and in the node_modules of each of them."""
    for entry in sorted(modules.iterdir()):
        if entry.name in OF_NPM:
            continue
        if entry.is_symlink() or not entry.is_dir():
            found.problem("of no package", str(entry.relative_to(top)))
            continue
        for package in sorted(entry.iterdir()) if entry.name.startswith("@") else [entry]:
            yield package
            if (package / "node_modules").is_dir():
                yield from _packages(package / "node_modules", found, top)
