# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges whether configuration files are as they were rendered, closed to others, and read by the processes."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .assertion import Verdict, listed, verdict

# Variables that change which code a process loads: nobody sets them unless the environment file does.
LOADERS = ("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "NODE_OPTIONS")


@dataclass(frozen=True)
class File:
    """A file as it lies on the host. ``open_beside``: files in its folder that everybody may read."""

    kind: str
    sha256: str = ""
    owner: str = ""
    group: str = ""
    mode: str = ""
    access_list: bool = False
    open_beside: tuple[str, ...] = ()


def look(path: Path) -> File:
    """Read one file; what is there instead of a file is named by its kind."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return File("missing")
    if not stat.S_ISREG(status.st_mode):
        return File("a link" if stat.S_ISLNK(status.st_mode) else "no regular file")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return File(
        kind="file",
        sha256=digest,
        owner=_name(pwd.getpwuid, status.st_uid),
        group=_name(grp.getgrgid, status.st_gid),
        mode=f"{stat.S_IMODE(status.st_mode):04o}",
        access_list=_has_access_list(path),
        open_beside=tuple(entry.name for entry in path.parent.iterdir() if entry != path and _open_to_all(entry)),
    )


def judge_configuration(
    files: Sequence[Mapping[str, Any]],
    seen: Mapping[str, File],
    settings: Mapping[str, str],
    processes: Mapping[str, Mapping[str, str] | None],
    drop_ins: Mapping[str, str],
) -> Verdict:
    """deploy.release.configuration: the files are as expected, and each main process has the settings they give.

    files: what is expected of each; seen: what is there, by path. settings: what the environment file says. processes: the
    environment of each unit's main process, None where none runs. drop_ins: files that change a unit, by unit.
    No value is named: it may be a secret.
    """
    listed_paths = {str(expected["path"]) for expected in files}
    problems = [
        f"{expected['path']}: {problem}"
        for expected in files
        for problem in _file_problems(expected, seen[str(expected["path"])], listed_paths)
    ]
    for unit, environment in processes.items():
        problems += [f"{unit}: {problem}" for problem in _environment_problems(settings, environment)]
    for unit, paths in drop_ins.items():
        if extra := set(paths.split()) - listed_paths:
            problems.append(f"{unit}: changed by {listed(extra)}, which is none of the files")
    if not files:
        problems.append("no file was named")
    if processes and not settings:
        problems.append("the environment file gives no setting")
    return verdict(
        problems,
        f"{len(files)} files as rendered, {len(settings)} settings read by {len(processes)} processes",
        expected={"files": [dict(expected) for expected in files], "settings": sorted(settings)},
        observed={path: {"sha256": f.sha256, "owner": f.owner, "group": f.group, "mode": f.mode} for path, f in seen.items()},
    )


def read_environment_file(text: str) -> dict[str, str]:
    """Read what systemd reads from an EnvironmentFile: assignments, quoted or not, comments, escapes, continued lines."""
    settings: dict[str, str] = {}
    characters = iter(text.replace("\r", "\n"))
    for character in characters:
        if character.isspace():
            continue
        if character in "#;":
            _line(characters)
            continue
        name = character
        following = ""
        for following in characters:
            if following in "=\n":
                break
            name += following
        if following == "=":
            settings[name.strip()] = _value(characters)
    return settings


def _value(characters: Iterator[str]) -> str:
    value, kept, state = "", 0, "before"  # kept: how much of it is no space at the end. A quote is a state as well.
    for character in characters:
        if character == "\\" and state != "'":
            escaped = next(characters, "")
            if escaped != "\n":
                # Between double quotes a backslash escapes only what would have a meaning there.
                value += escaped if state != '"' or escaped in '"\\`$' else "\\" + escaped
            kept = len(value)
            state = "plain" if state == "before" else state
        elif state in {"'", '"'}:
            if character == state:
                state = "before"
            else:
                value += character
            kept = len(value)
        elif character == "\n":
            break
        elif state == "before" and character in "'\"":
            state = character
        elif state == "plain" or not character.isspace():
            state = "plain"
            value += character
            kept = kept if character.isspace() else len(value)
    return value[:kept]


def _line(characters: Iterator[str]) -> None:
    for character in characters:
        if character == "\n":
            return


def _file_problems(expected: Mapping[str, Any], seen: File, listed_paths: set[str]) -> list[str]:
    if seen.kind != "file":
        return [seen.kind]
    problems = []
    if expected.get("sha256") and seen.sha256 != expected["sha256"]:
        problems.append("its content is not what was rendered")
    for name in ("owner", "group", "mode"):
        wanted, found = expected.get(name), getattr(seen, name)
        if wanted and found != wanted:
            problems.append(f"{name} {found}, not {wanted}")
    if expected.get("secret"):
        if int(seen.mode, 8) & stat.S_IRWXO:
            problems.append(f"a secret that others may open ({seen.mode})")
        folder = Path(str(expected["path"])).parent
        beside = [name for name in seen.open_beside if str(folder / name) not in listed_paths]
        if beside:
            problems.append(f"files beside it are open to everybody: {listed(beside)}")
    if seen.access_list:
        problems.append("an access list opens it to further users")
    return problems


def _environment_problems(settings: Mapping[str, str], environment: Mapping[str, str] | None) -> list[str]:
    if environment is None:
        return ["no process runs, so none has read the settings"]
    problems = []
    absent = [name for name in settings if name not in environment]
    if absent:
        problems.append(f"its process has no {listed(absent)}")
    other = [name for name, value in settings.items() if name in environment and environment[name] != value]
    if other:
        problems.append(f"its process has another {listed(other)} than the file")
    loaders = [name for name in LOADERS if name in environment and name not in settings]
    if loaders:
        problems.append(f"its process was given {listed(loaders)}, which the file does not set")
    return problems


def _has_access_list(path: Path) -> bool:
    with suppress(OSError):  # a file system without access lists
        return bool(os.getxattr(path, "system.posix_acl_access"))
    return False


def _open_to_all(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and bool(status.st_mode & stat.S_IROTH)


def _name(lookup: Any, number: int) -> str:
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)
