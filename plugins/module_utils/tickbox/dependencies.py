# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges the packages of a release by the kind of its lock file: npm's, or one of Python with hashes."""

from __future__ import annotations

from pathlib import Path

from . import node_packages, packages
from .assertion import Verdict, all_of, verdict
from .tree import tree_digest


def judge(release: Path, lock: str, digest: str | None) -> Verdict:
    """deploy.release.dependencies: exactly the packages of the lock file, and no file edited, missing or added.

    lock: path below the release's code. digest: of the code as it was built, which stands for the files of npm's packages: of these
    no hash is recorded, and they lie in the code.
    """
    path = release / "code" / lock
    if path.name != "package-lock.json":
        venv = release / "venv"
        return packages.judge_dependencies(packages.read_lock(path.read_text(), packages.markers(venv)), packages.look(venv))
    wanted = node_packages.read_lock(path.read_text())
    found = node_packages.look(path.parent, wanted)
    return all_of(packages.judge_dependencies(node_packages.required(wanted, found), found), _as_built(release / "code", digest))


def _as_built(code: Path, digest: str | None) -> Verdict:
    seen = tree_digest(code)
    problems = [] if seen == digest else [f"files were edited, added or removed since the build: the digest of {code} is another"]
    return verdict(problems, "each as it was built", expected={"digest": digest}, observed={"digest": seen})
