# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A bare git repository, read as it is: tags, commits, files."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from .assertion import CouldNotLook
from .signatures import BadSignature, signing_key

SIGNATURE_BEGINS = b"-----BEGIN SSH SIGNATURE-----"
PARTS = 2  # separators between file, number and text
HEADER = re.compile(r"^(object|type|tag|tagger) (.*)$", re.MULTILINE)
MAILBOX = re.compile(r"<([^<>]*)>")
GPGSIG = re.compile(rb"^gpgsig (-----BEGIN SSH SIGNATURE-----\n(?: .*\n)+)", re.MULTILINE)
CO_AUTHOR = re.compile(r"^co-authored-by:.*?<([^<>]+)>", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Commit:
    """A commit: its hash, the mailboxes of all who wrote it, what was signed, and the armoured signature (empty without one)."""

    hash: str
    people: frozenset[str]
    content: bytes = b""
    signature: bytes = b""

    @property
    def key(self) -> str:
        """The public key (base64) that the signature says it was made with."""
        try:
            return signing_key(self.signature)
        except BadSignature:
            return ""


@dataclass(frozen=True)
class Tag:
    """A tag object: its header, what was signed, and the armoured signature (empty where there is none)."""

    header: dict[str, str]
    content: bytes
    signature: bytes


class History:
    """A bare repository, read as it is: neither replacements nor the operator's configuration change what is seen."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *arguments: str, accept: Collection[int] = (0,)) -> bytes:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment |= {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        command = ["git", f"--git-dir={self.path}", *arguments]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, check=False)
        except OSError as error:
            raise CouldNotLook(f"git cannot be run: {error}") from None
        if done.returncode not in accept:
            said = " ".join(done.stderr.decode("utf-8", "replace").split()) or f"git {arguments[0]} ended with {done.returncode}"
            raise CouldNotLook(f"{self.path}: {said[:200]}")
        return done.stdout

    def has(self, name: str) -> bool:
        try:
            self.git("cat-file", "-e", name)
        except CouldNotLook:
            return False
        return True

    def tag(self, name: str) -> Tag | None:
        """The tag object that refs/tags/``name`` names; None where there is no tag, or one that is only a name."""
        if not self.has(f"refs/tags/{name}") or self.git("cat-file", "-t", f"refs/tags/{name}").strip() != b"tag":
            return None
        return read_tag(self.git("cat-file", "tag", f"refs/tags/{name}"))

    def commits(self, commit: str, since: str) -> list[Commit]:
        """The commit and all before it that ``since`` does not have. Without ``since``, the commit alone."""
        more = ["--max-count=1", commit] if not since else [commit, f"^{since}"]
        hashes = self.git("rev-list", *more).decode().split()
        return [read_commit(name, self.git("cat-file", "commit", name)) for name in hashes or [commit]]

    def contains(self, commit: str, part: str) -> bool:
        """Whether ``part`` is the commit or one before it."""
        return not self.git("rev-list", "--max-count=1", part, f"^{commit}").strip()

    def files(self, commit: str) -> list[str]:
        """The paths of all files of a commit."""
        listing = self.git("ls-tree", "-r", "-z", "--name-only", commit).decode("utf-8", "replace")
        return [name for name in listing.split("\0") if name]

    def text(self, commit: str, name: str) -> str:
        return self.git("show", f"{commit}:{name}").decode("utf-8", "replace")

    def lines(self, commit: str, words: Iterable[str]) -> list[tuple[str, int, str]]:
        """Lines of a commit's files (file, number, text) that hold one of ``words`` in whatever case."""
        patterns = [part for word in words for part in ("-e", word)]
        found = self.git("grep", "-n", "-z", "-i", "-I", "-F", *patterns, commit, accept=(0, 1)).decode("utf-8", "replace")
        rows = [line.split("\0", 2) for line in found.splitlines() if line.count("\0") >= PARTS]
        return [(name.partition(":")[2], int(number), text) for name, number, text in rows]

    def tree(self, commit: str) -> str:
        return self.git("rev-parse", "--verify", f"{commit}^{{tree}}").decode().strip()


def read_tag(raw: bytes) -> Tag:
    content, mark, rest = raw.partition(SIGNATURE_BEGINS)
    header, _, _ = content.partition(b"\n\n")
    return Tag(dict(HEADER.findall(header.decode("utf-8", "replace"))), content, mark + rest)


def read_commit(name: str, raw: bytes) -> Commit:
    header, _, message = raw.partition(b"\n\n")
    lines = header.decode("utf-8", "replace")
    people = {
        box.lower() for line in re.findall(r"^(?:author|committer) (.*)$", lines, re.MULTILINE) for box in MAILBOX.findall(line)
    }
    people |= {box.lower() for box in CO_AUTHOR.findall(message.decode("utf-8", "replace"))}
    armour = GPGSIG.search(header + b"\n")
    signature = armour.group(1).replace(b"\n ", b"\n") if armour else b""
    content = GPGSIG.sub(b"", header + b"\n", count=1) + b"\n" + message
    return Commit(name, frozenset(people - {""}), content, signature)
