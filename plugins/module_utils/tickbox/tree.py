# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The digest of a folder: the same bytes under the same names give the same digest, on whichever host they lie."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection
from pathlib import Path

# The interpreter writes its caches beside the code; they are no part of what was shipped.
EXCLUDED = frozenset({"__pycache__"})


def tree_digest(path: Path, exclude: Collection[str] = EXCLUDED) -> str:
    """Return the SHA-256 (hex) over all entries below ``path``; see tree_entries for what counts."""
    return entries_digest(tree_entries(path, exclude))


def entries_digest(entries: dict[str, str]) -> str:
    """Return the SHA-256 (hex) over the entries in the order of their names' bytes."""
    digest = hashlib.sha256()
    for name in sorted(entries, key=os.fsencode):
        # A name holds no NUL and a description no line break, so that no two trees are written alike.
        digest.update(os.fsencode(name) + b"\0" + os.fsencode(entries[name]) + b"\n")
    return digest.hexdigest()


def tree_entries(path: Path, exclude: Collection[str] = EXCLUDED) -> dict[str, str]:
    """Describe each entry below ``path`` by its path relative to it.

    A file counts with its content and whether its owner may execute it, a symlink with its target, a folder by being
    there. Owners, other modes and times do not count. ``exclude``: names left out wherever they occur, with what is
    in them. Whatever cannot be read raises OSError: a digest over part of a tree would be worth nothing.
    """
    entries: dict[str, str] = {}
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(path / folder) as found:
            for entry in found:
                if entry.name in exclude:
                    continue
                name = f"{folder}/{entry.name}" if folder else entry.name
                entries[name] = _describe(path / name)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(name)
    return entries


def _describe(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"link {hashlib.sha256(os.fsencode(path.readlink())).hexdigest()}"
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        return f"{'program' if mode & stat.S_IXUSR else 'file'} {content}"
    return f"special {stat.S_IFMT(mode):o}"  # a socket, pipe or device is never opened
