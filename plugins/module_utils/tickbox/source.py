# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An application's repository on the controller: which commit a version is, and its tree, built once."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from ansible.module_utils.tickbox.tree import tree_digest

RELEASE_FILE = "release.json"  # in the root of the tree: what the process answers as its version
ERROR_LINES = 15  # of a failed command's output shown to the operator


class SourceError(Exception):
    """The source cannot be had or built; the message names the variable to look at."""


@contextlib.contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Let one run at a time fetch and build in ``cache``; another waits, and then finds what was built."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.with_name(f"{cache.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command: list[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Standard output of ``command``. Raises SourceError with the end of its output where it fails."""
    try:
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    except OSError as error:
        raise SourceError(f"{shlex.join(command)}: {error}") from error
    if done.returncode != 0:
        end = "\n".join((done.stdout + done.stderr).strip().splitlines()[-ERROR_LINES:])
        raise SourceError(f"{shlex.join(command)} ended with {done.returncode}: {end}")
    return done.stdout


def fetch(repository: str, mirror: Path) -> None:
    """Bring ``mirror``, a bare copy of ``repository``, up to date; clone it where there is none yet."""
    if not mirror.exists():
        mirror.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=mirror.parent))
        try:
            run(["git", "clone", "--quiet", "--mirror", repository, str(fresh)])
        except SourceError:
            shutil.rmtree(fresh)
            raise
        fresh.rename(mirror)
        return
    git = ["git", f"--git-dir={mirror}"]
    run([*git, "remote", "set-url", "origin", repository])
    run([*git, "fetch", "--quiet", "--prune", "--prune-tags", "--force", "origin"])


def commit_of(mirror: Path, version: str) -> str:
    """The full hash of the commit that ``version`` (tag, branch or hash) names. Raises SourceError for an unknown one."""
    git = ["git", f"--git-dir={mirror}"]
    try:
        return run([*git, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{version}^{{commit}}"]).strip()
    except SourceError:
        known = run([*git, "tag", "--list", "--sort=-version:refname"]).split()
        raise SourceError(
            f"app_version: the repository has no {version!r}; its versions are {', '.join(known[:10]) or 'none'}"
        ) from None


def build(mirror: Path, commit: str, version: str, commands: list[str], exclude: list[str], target: Path) -> None:
    """Write ``artefact.tar.gz`` and ``artefact.json`` to ``target``, by a rename once both are whole.

    The same commit and commands give the same bytes as far as the commands do: names sorted, owner root, the commit's time.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=target.parent, prefix="building-"))
    try:
        tree = work / "tree"
        tree.mkdir()
        export(mirror, commit, tree)
        # the controller's own environment brings node and npm for machines that have none
        env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        for command in commands:
            run(shlex.split(command), cwd=tree, env=env)
        for name in exclude:
            remove(tree / name)
        (tree / RELEASE_FILE).write_text(json.dumps({"version": version, "commit": commit}) + "\n")
        result = work / "result"
        result.mkdir()
        archive = result / "artefact.tar.gz"
        time = int(run(["git", f"--git-dir={mirror}", "show", "--no-patch", "--format=%ct", commit]))
        pack(tree, archive, time)
        described = {"tree_digest": tree_digest(tree), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest()}
        (result / "artefact.json").write_text(json.dumps(described) + "\n")
        result.rename(target)
    finally:
        shutil.rmtree(work)


def export(mirror: Path, commit: str, tree: Path) -> None:
    """The commit's files, without the history, in ``tree``."""
    archive = tree.parent / "source.tar"
    run(["git", f"--git-dir={mirror}", "archive", "--format=tar", f"--output={archive}", commit])
    with tarfile.open(archive) as source:
        source.extractall(tree, filter="data")


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def pack(tree: Path, archive: Path, time: int) -> None:
    """A tar of ``tree`` that depends on names, content and executable bits alone; ``time``: Unix time of all entries."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = time
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    with archive.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        content = io.BufferedWriter(packed)
        with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(tree.rglob("*")):
                tar.add(path, arcname=str(path.relative_to(tree)), recursive=False, filter=plain)
        content.flush()


def build_key(commit: str, version: str, commands: Collection[str], exclude: Collection[str]) -> str:
    """Names a build by all that it is made from."""
    made_from = json.dumps([commit, version, list(commands), list(exclude)])
    return f"{commit[:12]}-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}"
