# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges whether a release's code is the artefact's, is the current one, and is what answers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .answers import HTTP_OK, Answer, json_differences
from .assertion import Verdict, verdict
from .tree import EXCLUDED, tree_digest


@dataclass(frozen=True)
class Code:
    """A release's code as it lies on the host. ``latest``: the files that changed last, for who looks into a difference."""

    digest: str
    latest: Mapping[str, str]
    current: str


def look(code: Path, current: Path) -> Code:
    """Read the tree and where the link to the current release leads (empty where it is no link)."""
    changed = sorted(((path.lstat().st_ctime, path) for path in _files(code)), reverse=True)[:5]
    return Code(
        digest=tree_digest(code),
        latest={str(path.relative_to(code)): datetime.fromtimestamp(when, UTC).isoformat() for when, path in changed},
        current=os.path.realpath(current) if current.is_symlink() else "",
    )


def judge_code(
    seen: Code, answers: Sequence[Answer], *, digest: str, release: Path, version: str, commit: str, current: Path
) -> Verdict:
    """deploy.release.code: the tree is the artefact's, ``current`` leads to it, each answer is of this release."""
    problems = []
    if seen.digest != digest:
        newest = next(iter(seen.latest.items()), None)
        problems.append(
            f"the code's digest is {seen.digest[:12]}, not the artefact's {digest[:12]}"
            + (f" (changed last: {newest[0]}, {newest[1]})" if newest else "")
        )
    if seen.current != str(release):
        problems.append(f"{current} leads to {seen.current}, not {release}" if seen.current else f"{current} is no link")
    wanted = {"version": version, "commit": commit, "release": release.name}
    for answer in answers:
        if found := _answer_problems(answer, wanted):
            problems += [f"the process that answers: {problem}" for problem in found]
            break
    if not answers:
        problems.append("no process was asked")
    return verdict(
        problems,
        f"{version} ({commit[:12]}) is on disk, current, and answers",
        expected={"digest": digest, "current": str(release), **wanted},
        observed={"digest": seen.digest, "current": seen.current, "answers": [answer.outcome for answer in answers]},
        evidence={"answer": answers[-1].text if answers else None, "changed_last": dict(seen.latest)},
    )


def _answer_problems(answer: Answer, wanted: Mapping[str, str]) -> list[str]:
    if answer.status != HTTP_OK:
        return [answer.outcome]
    return json_differences(wanted, answer.json(), "it")


def _files(code: Path) -> list[Path]:
    return [
        Path(folder) / name
        for folder, _, names in os.walk(code)
        if not EXCLUDED & set(Path(folder).relative_to(code).parts)
        for name in names
    ]
