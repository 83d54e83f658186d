# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges whether the database has the schema of the code."""

from __future__ import annotations

import os
import shlex
import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from .assertion import CouldNotLook, Verdict, listed, verdict

TIMEOUT = 120  # seconds for one command


@dataclass(frozen=True)
class Done:
    """A command that has ended. ``last``: its last words, for a person."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line that it wrote, errors first."""
        lines = [line.strip() for text in (self.out, self.err) for line in text.splitlines() if line.strip()]
        return textwrap.shorten(lines[-1], 300, placeholder=" ...") if lines else "it said nothing"


def run(command: str, folder: str, environment: Mapping[str, str]) -> Done:
    """Run a command of the application in its code; CouldNotLook where it does not start or end."""
    # The release belongs to root and is not to be changed by looking at it.
    settings = {**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        words = shlex.split(command)
        done = subprocess.run(words, cwd=folder, env=settings, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise CouldNotLook(f"'{command}' did not end within {TIMEOUT} s") from None
    except (OSError, ValueError, IndexError) as error:
        raise CouldNotLook(f"'{command}' does not run: {error}") from None
    return Done(done.returncode, done.stdout, done.stderr)


def revisions(command: str, done: Done) -> set[str]:
    """Return the revisions that a command names, one at the beginning of each line."""
    if done.code != 0:
        raise CouldNotLook(f"'{command}' ended with {done.code}: {done.last}")
    return {line.split()[0] for line in done.out.splitlines() if line.strip()}


def judge_migrations(heads: set[str], current: set[str], check: Done) -> Verdict:
    """deploy.release.migrations: the database stands at the code's heads, and its schema is what the models say."""
    problems = []
    if not heads:
        problems.append("the code names no migration")
    if not current:
        problems.append("the database names no migration")
    elif current != heads:
        problems.append(f"the database is at {listed(current)}, the code at {listed(heads) or 'none'}")
    if check.code != 0:
        problems.append(f"the schema is not that of the models: {check.last}")
    return verdict(
        problems,
        f"the database is at {listed(heads)} as the code is, and has the models' schema",
        expected={"heads": sorted(heads), "check": 0},
        observed={"current": sorted(current), "check": check.code},
        evidence={"check": f"{check.out}{check.err}"},
    )
