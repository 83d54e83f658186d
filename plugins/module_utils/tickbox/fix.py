# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges whether a test shows a fix: it fails without it and passes with it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .assertion import CouldNotLook, Verdict, listed, verdict
from .suites import Subject, Workshop
from .test_reports import BadReport, Cases, read_junit


@dataclass(frozen=True)
class Tried:
    """How the test went at a commit: the exit code of its command, its report, and the last that it said."""

    code: int
    cases: Cases | None
    said: str


def test_file(test: str) -> str:
    """The file of a test that is named as file::name. CouldNotLook for a place outside the source."""
    path = PurePosixPath(test.partition("::")[0])
    if path.is_absolute() or ".." in path.parts or str(path).startswith("-") or str(path) == ".":
        raise CouldNotLook(f"'{test}' is no test of the source (file::name)")
    return str(path)


def try_at(mirror: Path, commit: str, setup: Sequence[str], suite: Mapping[str, Any], place: Path) -> Tried:
    """Run the test at a commit, in a scratch folder. What it reports is kept in ``place``."""
    with Workshop(mirror, Subject(commit, {}, ""), None, setup, place.absolute()) as workshop:
        about = workshop.run(commit[:12], suite)
    if about.get("could_not_run"):
        raise CouldNotLook(f"the test could not be run at {commit[:12]}: {about['could_not_run']}")
    try:
        cases = read_junit((place / f"{commit[:12]}.report").read_bytes())
    except (OSError, BadReport):
        cases = None
    lines = [line.strip() for line in str(about.get("output") or "").splitlines() if line.strip()]
    return Tried(int(about["exit_code"]), cases, lines[-1][:200] if lines else "it said nothing")


def commands(command: str, test: str) -> list[str]:
    return [command.replace("{test}", shlex.quote(test))]


def judge_fix(test: str, failed_at: str, fixed_at: str, before: Tried, after: Tried) -> Verdict:
    """rollback.close.fix: what the test asks fails at the failed commit, and all of it passes at the fix's."""
    problems = []
    if failed_at == fixed_at:
        problems.append("the fix is said to be the commit that was taken back")
    if before.cases is None:
        problems.append(f"at the failed commit {failed_at[:12]} it leaves no report: {before.said}")
    elif before.cases.broken:
        problems.append(f"at the failed commit {failed_at[:12]} it does not run: {listed(before.cases.broken, 3)}")
    elif not before.cases.failed or before.code == 0:
        problems.append(f"it does not fail at the failed commit {failed_at[:12]}, so it shows no fix")
    if after.cases is None:
        problems.append(f"at the fix {fixed_at[:12]} it leaves no report: {after.said}")
    elif after.cases.total == 0:
        problems.append(f"at the fix {fixed_at[:12]} no test of that name was found")
    elif after.cases.failed or after.cases.skipped or after.code != 0:
        bad = after.cases.failed + after.cases.skipped
        problems.append(f"it does not pass at the fix {fixed_at[:12]}: {listed(bad, 3) or after.said}")
    if not problems and before.cases and after.cases:
        lost = set(before.cases.failed) - set(after.cases.passed)
        if lost:
            problems.append(f"what failed does not pass now, it is gone: {listed(lost, 3)}")
    return verdict(
        problems,
        f"{test} fails at {failed_at[:12]} and passes at {fixed_at[:12]}",
        expected={"fails_at": failed_at, "passes_at": fixed_at},
        observed={"before": _shown(before), "after": _shown(after)},
        evidence={"before": before.said, "after": after.said},
    )


def _shown(tried: Tried) -> dict[str, Any]:
    cases = tried.cases
    return {"exit_code": tried.code, "passed": cases.passed if cases else None, "failed": cases.failed if cases else None}
