# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SSH signatures (``ssh-keygen -Y``) against an allowed_signers file, as git and attestations use them."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .assertion import CouldNotLook

PATIENCE = 60  # seconds for one call of ssh-keygen, on a busy machine too
ARMOUR = re.compile(rb"-----BEGIN SSH SIGNATURE-----\s(.*?)-----END SSH SIGNATURE-----", re.DOTALL)
# A line of allowed_signers: principals, options, type of the key, the key itself (ssh-keygen(1), ALLOWED SIGNERS).
LINE = re.compile(r'^(?:"([^"]+)"|(\S+))\s+(.*?)((?:sk-)?(?:ssh|ecdsa)-[\w@.-]+)\s+([A-Za-z0-9+/]+=*)(?:\s|$)')


class BadSignature(Exception):
    """The signature does not count; the message says why, in one line."""


@dataclass(frozen=True)
class AllowedKey:
    """One line of an allowed_signers file: who (patterns of principals), and the public key in base64."""

    principals: tuple[str, ...]
    key: str

    def is_of(self, who: str) -> bool:
        """Whether one of its patterns stands for the principal ``who``; names of mailboxes are compared without case."""
        return any(fnmatch.fnmatchcase(who.lower(), pattern.lower()) for pattern in self.principals)


def allowed_keys(path: Path, repository: str = "") -> list[AllowedKey]:
    """Read an allowed_signers file that only its owner may write and that the deployed ``repository`` does not hold."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
        lines = content.decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CouldNotLook(f"the allowed signers cannot be read: {error}") from None
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CouldNotLook(f"{path} may be written by others than its owner, so it says nothing about who may sign")
    if repository and path.resolve().is_relative_to(Path(repository).resolve()):
        raise CouldNotLook(f"{path} lies in the deployed repository, whose authors could add themselves")
    if repository and _tracked(content, repository):
        raise CouldNotLook(f"{path} is a file of the deployed repository, whose authors could add themselves")
    keys = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = LINE.match(line.strip())
        if not found:
            raise CouldNotLook(f"{path}, line {number} is no line of allowed signers")
        quoted, plain, options, _, key = found.groups()
        if "cert-authority" in options.lower():
            raise CouldNotLook(f"{path}, line {number}: certificates are not supported, name each key")
        keys.append(AllowedKey(tuple((quoted or plain).split(",")), key))
    if not keys:
        raise CouldNotLook(f"{path} names no signer")
    return keys


def signing_key(signature: bytes) -> str:
    """The public key, in base64, that an armoured signature says it was made with (PROTOCOL.sshsig)."""
    found = ARMOUR.search(signature)
    try:
        blob = base64.b64decode(b"".join(found.group(1).split()), validate=True) if found else b""
    except binascii.Error:
        blob = b""
    length = int.from_bytes(blob[10:14], "big")
    if blob[:6] != b"SSHSIG" or not length or len(blob) < 14 + length:
        raise BadSignature("there is no SSH signature, or it is cut short")
    return base64.b64encode(blob[14 : 14 + length]).decode()


def fingerprint(key: str) -> str:
    """The name of a public key as ssh-keygen shows it, from its base64."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(key)).digest()).decode().rstrip("=")


def signer(who: str, key: str) -> str:
    """Who signed, for people. A name below ``.test`` belongs to nobody (RFC 2606): so are the signers of a demo called."""
    demo = "demo signer " if who.lower().endswith(".test") else ""
    return f"{demo}{who} ({fingerprint(key)})"


def verify(content: bytes, signature: bytes, namespace: str, who: Sequence[str], allowed: Path) -> tuple[str, str]:
    """Return the one of ``who`` that signed ``content``, and the key's base64. Raises BadSignature where none did.

    ssh-keygen itself looks at the namespace, at the time (valid-after, valid-before) and at every byte.
    """
    key = signing_key(signature)
    reason = "nobody may sign it"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "signature"
        file.write_bytes(signature)
        for name in who:
            command = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", name, "-n", namespace, "-s", str(file)]
            try:
                done = subprocess.run(command, input=content, capture_output=True, timeout=PATIENCE, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise CouldNotLook(f"ssh-keygen cannot be asked: {error}") from None
            said = " ".join((done.stdout + done.stderr).decode("utf-8", "replace").split())
            if done.returncode == 0 and said.startswith(f'Good "{namespace}" signature for {name} with '):
                return name, key
            reason = said or f"ssh-keygen ended with {done.returncode}"
    raise BadSignature(f"no valid signature of {' or '.join(who) or 'anybody'} (key {fingerprint(key)}: {reason[:200]})")


def also_known_as(key: str, people: Iterable[str], keys: Iterable[AllowedKey]) -> list[str]:
    """Which of ``people`` the same key stands for as well."""
    lines = [entry for entry in keys if entry.key == key]
    return sorted({name for name in people if any(entry.is_of(name) for entry in lines)})


def _tracked(content: bytes, repository: str) -> bool:
    """Whether any commit of a repository ever had a file of this content."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = ["git", f"--git-dir={repository}", *arguments]
        return subprocess.run(command, env=environment, input=content, capture_output=True, timeout=PATIENCE, check=False)

    try:
        found = git("cat-file", "-e", git("hash-object", "--stdin").stdout.decode().strip())
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CouldNotLook(f"git cannot be asked: {error}") from None
    if found.returncode not in (0, 1):
        said = " ".join(found.stderr.decode("utf-8", "replace").split())
        raise CouldNotLook(f"{repository} cannot be searched for the allowed signers: {said[:200]}")
    return found.returncode == 0
