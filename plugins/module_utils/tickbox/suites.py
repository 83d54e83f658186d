# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The application's own suites on the controller: run once for each commit, and what a result belongs to.

A result is a report and, beside it, a small JSON that says what was run on what. The JSON carries the report's digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .assertion import CouldNotLook
from .source import RELEASE_FILE, SourceError, export, run

GRACE = 10  # seconds that an interrupted suite has to stop the services it started
REPORT_LIMIT = 64 * 1024 * 1024  # bytes of a report; more is no report of a test suite
COULD_NOT_START, TOOK_TOO_LONG = 127, 124  # exit codes, as a shell has them
TAIL = 1500  # characters of a suite's output that are kept
# Variables of the operator by which a suite could be narrowed or pointed elsewhere.
FOREIGN = (
    "PYTEST_",
    "PYTHON",
    "ANSIBLE_",
    "GIT_",
    "BANDIT",
    "COVERAGE",
    "VIRTUAL_ENV",
    "UV_PROJECT",
    "NODE_OPTIONS",
    "DATABASE_",
    "REDIS_",
)


@dataclass(frozen=True)
class Subject:
    """What was tested: the commit, the digests of its lock files by path, and the digest of the built tree."""

    commit: str
    locks: Mapping[str, str]
    build: str

    def as_dict(self) -> dict[str, Any]:
        return {"commit": self.commit, "locks": dict(self.locks), "build": self.build}

    def differences(self, other: Any) -> list[str]:
        """Name in which way a result's subject is another one."""
        if not isinstance(other, Mapping):
            return ["does not say what was tested"]
        found = []
        if other.get("commit") != self.commit:
            found.append(f"of commit {str(other.get('commit'))[:12]}, not {self.commit[:12]}")
        locks = other.get("locks")
        given = locks if isinstance(locks, Mapping) else {}
        found += [f"made with another {name}" for name in sorted({*self.locks, *given}) if self.locks.get(name) != given.get(name)]
        if other.get("build") != self.build:
            found.append(f"of another build ({str(other.get('build'))[:12]}, not {self.build[:12]})")
        return found


@dataclass(frozen=True)
class Result:
    """What one suite left: the JSON beside the report, and the report's bytes."""

    about: Mapping[str, Any]
    report: bytes


def lock_digests(mirror: Path, commit: str, locks: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each lock file at the commit. Raises SourceError for one that the commit does not have."""
    return {
        name: hashlib.sha256(run(["git", f"--git-dir={mirror}", "show", f"{commit}:{name}"]).encode()).hexdigest() for name in locks
    }


def suite_key(subject: Subject, setup: Sequence[str], suite: Mapping[str, Any]) -> str:
    """Names a result by all that it is made from."""
    made_from = [subject.as_dict(), list(setup), list(suite["commands"]), suite.get("planted") or {}, suite.get("accept") or [0]]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def read_result(folder: Path, name: str) -> Result:
    """Read what the suite ``name`` left in ``folder``. Raises CouldNotLook where there is none, or not a whole one."""
    about_file, report_file = folder / f"{name}.json", folder / f"{name}.report"
    try:
        about = json.loads(about_file.read_text())
    except FileNotFoundError:
        raise CouldNotLook(f"the suite {name} has left no result in {folder}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CouldNotLook(f"{about_file} cannot be read: {error}") from None
    if not isinstance(about, dict):
        raise CouldNotLook(f"{about_file} is no result of a suite")
    if about.get("could_not_run"):
        raise CouldNotLook(f"the suite {name} could not be run: {str(about['could_not_run'])[:400]}")
    try:
        if report_file.stat().st_size > REPORT_LIMIT:
            raise CouldNotLook(f"{report_file} is too large for a report")
        report = report_file.read_bytes()
    except FileNotFoundError:
        report = b""
    return Result(about, report)


def result_problems(result: Result, subject: Subject, key: str) -> list[str]:
    """Name what keeps a result from being that of this suite on this subject, run to its good end."""
    about = result.about
    problems = [f"the report is {difference}" for difference in subject.differences(about.get("subject"))]
    if not problems and about.get("key") != key:
        problems.append("the report was made by other commands than those that are set")
    if about.get("report_sha256") != hashlib.sha256(result.report).hexdigest():
        problems.append("the report was changed after it was made")
    if not result.report:
        problems.append("no report was written")
    if about.get("exit_code") != 0:
        problems.append(f"its command ended with {about.get('exit_code')}")
    return problems


def in_order(result: Mapping[str, Any]) -> bool:
    """Whether a result need not be made again: the command ended well."""
    return result.get("exit_code") == 0 and not result.get("could_not_run")


def lay_out(mirror: Path, commit: str, archive: Path | None, work: Path) -> Path:
    """The commit's files in a folder below ``work``, with the built tree laid over them."""
    tree = work / "tree"
    tree.mkdir()
    export(mirror, commit, tree)
    if archive:
        try:
            with tarfile.open(archive) as built:
                built.extractall(tree, filter="data")
            # The tests are of the source, which does not know yet which version it will be.
            (tree / RELEASE_FILE).unlink(missing_ok=True)
        except (OSError, tarfile.TarError) as error:
            raise SourceError(f"{archive} cannot be unpacked: {error}") from error
    return tree


class Workshop:
    """A scratch folder in which suites run; the environment is made when the first of them needs it."""

    def __init__(self, mirror: Path, subject: Subject, archive: Path | None, setup: Sequence[str], place: Path) -> None:
        self.subject = subject
        self.setup = list(setup)
        self.place = place
        self._source = (mirror, subject.commit, archive)
        self._work: Path | None = None
        self._tree: Path | None = None
        self._broken = ""

    def __enter__(self) -> Workshop:
        self._work = Path(tempfile.mkdtemp(prefix="tickbox-suites-"))
        # Services that a suite starts under a user of their own read files in it.
        self._work.chmod(0o755)
        return self

    def __exit__(self, *_: object) -> None:
        if self._work:
            shutil.rmtree(self._work, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """The controller's environment without what could narrow a suite; programs of the suites' own environment first."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return {
            **kept,
            "PATH": f"{self._work}/venv/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, name: str, suite: Mapping[str, Any]) -> dict[str, Any]:
        """Run one suite and keep its result; return what is kept beside the report."""
        about: dict[str, Any] = {
            "suite": name,
            "subject": self.subject.as_dict(),
            "key": suite_key(self.subject, self.setup, suite),
            "commands": list(suite["commands"]),
            "started": _now(),
        }
        report = self.place / f"{name}.report"
        self.place.mkdir(parents=True, exist_ok=True)
        report.unlink(missing_ok=True)
        missing = [program for program in suite.get("needs") or [] if not shutil.which(program, path=self.environment["PATH"])]
        if missing:
            about["could_not_run"] = f"{', '.join(missing)}: not installed on the controller"
        elif problem := self._prepared():
            about["could_not_run"] = problem
        else:
            planted = self._plant(suite.get("planted") or {})
            about |= self._commands(suite, report)
            for path in planted:
                path.unlink(missing_ok=True)
            about["report_sha256"] = hashlib.sha256(report.read_bytes() if report.exists() else b"").hexdigest()
        about["ended"] = _now()
        draft = self.place / f"{name}.json.new"
        draft.write_text(json.dumps(about, indent=1) + "\n")
        draft.rename(self.place / f"{name}.json")
        return about

    def _prepared(self) -> str:
        """Make tree and environment once; return what stopped that, or nothing."""
        if self._tree is None and not self._broken and self._work:
            try:
                tree = lay_out(*self._source, self._work)
                for command in self.setup:
                    run(self._words(command, Path()), cwd=tree, env=self.environment)
                self._tree = tree
            except SourceError as error:
                self._broken = f"its environment cannot be made: {' '.join(str(error).split())[-400:]}"
        return self._broken

    def _plant(self, planted: Mapping[str, Mapping[str, Any]]) -> list[Path]:
        """Lay files into the tree that an analysis has to find fault with, or is set by."""
        paths = []
        for name, file in planted.items():
            path = Path(f"{self._tree}/{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(file.get("content") or ""))
            paths.append(path)
        return paths

    def _commands(self, suite: Mapping[str, Any], report: Path) -> dict[str, Any]:
        """Run the commands of a suite one after the other, until one ends badly."""
        good = suite.get("accept") or [0]
        code, said = 0, b""
        last = suite["commands"][-1]
        for command in suite["commands"]:
            code, output, said = self._command(self._words(command, report), float(suite.get("timeout") or 600))
            if command == last and "{report}" not in last:
                report.write_bytes(output)
            if code not in (good if command == last else [0]):
                break
        else:
            code = 0
        return {"exit_code": code, "output": said.decode("utf-8", "replace")[-TAIL:]}

    def _command(self, words: list[str], timeout: float) -> tuple[int, bytes, bytes]:
        """Exit code, standard output, and all that was said."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    words,
                    cwd=self._tree,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    start_new_session=True,
                )
            except OSError as error:
                return COULD_NOT_START, b"", f"{words[0]}: {error}".encode()
            code, note = 0, b""
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired:
                code, note = TOOK_TOO_LONG, f"\nended after {timeout:.0f} s".encode()
                _end(process, signal.SIGINT)
            finally:
                _end(process, signal.SIGKILL)  # whatever of it is left
            output.seek(0)
            errors.seek(0)
            written = output.read()
            return code, written, errors.read() + b"\n" + written[-TAIL:] + note

    def _words(self, command: str, report: Path) -> list[str]:
        places = {"{venv}": f"{self._work}/venv", "{report}": str(report)}
        words = shlex.split(command)
        for placeholder, value in places.items():
            words = [word.replace(placeholder, value) for word in words]
        return words


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
