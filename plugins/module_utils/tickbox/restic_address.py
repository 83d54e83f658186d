# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the settings of a restic repository, before anything is sent to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SCHEMES = ("local", "sftp", "s3", "rest", "b2", "azure", "gs", "swift", "rclone")
SFTP = (
    re.compile(r"sftp:(?!//)(?:(?P<user>[^@:/\s]+)@)?(?P<host>[^@:/\s]+):(?P<path>\S+)"),
    re.compile(r"sftp://(?:(?P<user>[^@:/\s]+)@)?(?P<host>[^@:/\s]+)(?::(?P<port>\d+))?/(?P<path>\S+)"),
)
S3 = re.compile(r"s3:(https?://)?[^/\s]+/[^/\s]+(/\S*)?")
S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OWN = ("RESTIC_REPOSITORY", "RESTIC_REPOSITORY_FILE", "RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD_COMMAND")


@dataclass(frozen=True)
class Server:
    """The SSH server of a repository."""

    host: str
    port: int = 22

    @property
    def known_as(self) -> str:
        """Its name in a file of known hosts."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"  # noqa: PLR2004 - the port of SSH


def sftp_server(address: str) -> Server | None:
    """The server of an ``sftp:`` address; None where it is none, or names no host and path."""
    for form in SFTP:
        if found := form.fullmatch(address):
            return Server(found["host"], int(found.groupdict().get("port") or 22))
    return None


def problems(address: str, environment: Mapping[str, object], ssh_key: str, known_hosts: str) -> list[str]:
    """Name each wrong setting by its variable, with what to do about it."""
    return [*_of_address(address), *_of_environment(address, environment), *_of_ssh(address, ssh_key, known_hosts)]


def _of_address(address: str) -> Iterator[str]:
    scheme, colon, rest = address.partition(":")
    if not colon or "/" in scheme:
        scheme, rest = "local", address
    if scheme not in SCHEMES:
        yield f"backup_repository: restic knows no storage '{scheme}:'; there are {', '.join(f'{name}:' for name in SCHEMES)}"
    elif scheme == "local" and not rest.startswith("/"):
        yield f"backup_repository: '{address}' is no absolute path"
    elif scheme == "sftp" and not sftp_server(address):
        yield f"backup_repository: '{address}' names no host and path: sftp:user@host:/path, or sftp://user@host:2222//path"
    elif scheme == "s3" and not S3.fullmatch(address):
        yield f"backup_repository: '{address}' names no bucket: s3:https://host/bucket/path"


def _of_environment(address: str, environment: Mapping[str, object]) -> Iterator[str]:
    for name, value in environment.items():
        text = "" if value is None else str(value)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield f"backup_environment: '{name}' is no name of a variable"
        elif name in OWN:
            yield f"backup_environment: {name} belongs in backup_repository or backup_password"
        elif not text:
            yield f"backup_environment: {name} is empty"
        elif re.search(r"['\n\r]", text):
            yield f"backup_environment: {name} holds a quote or a line break, which its file cannot keep"
    given = [name for name in S3_KEYS if name in environment]
    if address.startswith("s3:") and len(given) == 1:
        yield f"backup_environment: {given[0]} is given without {(set(S3_KEYS) - set(given)).pop()}"


def _of_ssh(address: str, key: str, known_hosts: str) -> Iterator[str]:
    if not address.startswith("sftp:"):
        if key or known_hosts:
            yield "backup_ssh_key and backup_ssh_known_hosts are for repositories at sftp:, which backup_repository is not"
        return
    server = sftp_server(address)
    name = server.known_as if server else "the server"
    if not key:
        yield f"backup_ssh_key is empty: the private key with which root logs in at {name}, best from the vault"
    elif not re.match(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n", key):
        yield "backup_ssh_key is no private key: it holds the key itself (-----BEGIN ...), not the name of a file"
    lines = [line.split() for line in known_hosts.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    # Hashed names cannot be read; ssh will say whether it knows the server.
    if server and not any(server.known_as in line[0].split(",") or line[0].startswith("|1|") for line in lines):
        yield f"backup_ssh_known_hosts has no key of {name}: ssh-keyscan shows it; compare it with what the server's operator says"
