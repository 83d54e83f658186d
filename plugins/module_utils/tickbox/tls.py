# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges a site's certificate: the files on its host, and what is really served. The look from outside needs cryptography."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import stat
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    CRYPTOGRAPHY = True
except ImportError:  # hosts are looked at without it; reported by the look from outside, which needs it
    CRYPTOGRAPHY = False

from .assertion import CouldNotLook, Verdict, listed, verdict

TIMEOUT = 10.0  # seconds for one connection
# Where systems keep what they trust, after what Python's own paths name.
TRUST_STORES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
OLD_VERSIONS = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
# What OpenSSL says when this machine itself cannot speak the version that was to be tried.
CANNOT_TRY = {"NO_PROTOCOLS_AVAILABLE", "INTERNAL_ERROR", "NO_CIPHERS_AVAILABLE"}
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Certificate:
    """One certificate of a chain: whose, until when it is valid (UTC), and the SHA-256 of its DER form."""

    subject: str
    until: datetime
    sha256: str


@dataclass(frozen=True)
class Served:
    """What one address serves under one name.

    host: the web host behind the address; empty for an address of the site's name that is no host's own. refused: why the chain
    does not verify, empty where it does. path: the verified certificates from the site's to the trusted root. chain: SHA-256 of
    the certificates as sent. old: versions of TLS below 1.2 that are spoken.
    """

    host: str
    address: str
    name: str
    refused: str
    path: Sequence[Certificate]
    chain: Sequence[str]
    old: Sequence[str]


def read_chain(path: Path) -> list[str]:
    """The SHA-256 of each certificate in a PEM file, in order."""
    try:
        found = [
            hashlib.sha256(ssl.PEM_cert_to_DER_cert(block.decode("ascii"))).hexdigest() for block in PEM.findall(path.read_bytes())
        ]
    except ValueError as error:
        raise CouldNotLook(f"{path} holds a certificate that cannot be read: {error}") from None
    if not found:
        raise CouldNotLook(f"{path} holds no certificate")
    return found


def judge_files(certificate: Path, key: Path) -> Verdict:
    """pre.environment.tls on the web host: the key belongs to the certificate, and is not for everybody to read."""
    chain = read_chain(certificate)
    problems = []
    try:
        # Without a password to give, a key that wants one would ask the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        problems.append(
            f"{key} does not belong to {certificate}"
            if error.reason == "KEY_VALUES_MISMATCH"
            else f"{certificate} and {key} cannot be used together: {error.reason or error}"
        )
    facts = key.stat()
    mode = stat.S_IMODE(facts.st_mode)
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        problems.append(f"{key} has mode {mode:04o}: others may read it, or its group may write it")
    return verdict(
        problems,
        f"{key.name} belongs to {certificate.name} ({len(chain)} certificates)",
        expected={"others": "no access to the key"},
        observed={"chain": chain, "key_mode": f"{mode:04o}", "key_owner": facts.st_uid},
    )


def judge_served(served: Sequence[Served], on_disk: Mapping[str, Sequence[str]], min_days: int, now: datetime) -> Verdict:
    """pre.environment.tls from outside.

    Each chain verifies for its name with ``min_days`` to spare, is the one that lies on its host (``on_disk``: SHA-256 of the
    certificates by host), and only TLS 1.2 and newer is spoken.
    """
    problems = [] if served else ["no address was asked"]
    for entry in served:
        problems += [f"{entry.name} at {entry.address}: {problem}" for problem in _problems(entry, on_disk, min_days, now)]
    problems += [f"{host}: none of its addresses was asked" for host in on_disk if host not in {entry.host for entry in served}]
    ends = [certificate.until for entry in served for certificate in entry.path]
    until = f"{min(ends):%Y-%m-%d}, {(min(ends) - now).days} days" if ends else "-"
    places = sorted({entry.address for entry in served})
    return verdict(
        list(dict.fromkeys(problems)),
        f"{listed({entry.name for entry in served})} at {listed(places)}: chain verifies until {until}; TLS 1.2 or newer alone",
        expected={"min_days": min_days, "versions": ["TLSv1.2", "TLSv1.3"]},
        observed={
            f"{entry.name} at {entry.address}": {
                "chain": list(entry.chain),
                "path": [f"{one.subject} until {one.until:%Y-%m-%d}" for one in entry.path],
                "old_versions": list(entry.old),
            }
            for entry in served
        },
    )


def _problems(entry: Served, on_disk: Mapping[str, Sequence[str]], min_days: int, now: datetime) -> list[str]:
    problems = []
    if entry.refused:
        problems.append(entry.refused)
    for certificate in entry.path:
        if certificate.until - now < timedelta(days=min_days):
            days = (certificate.until - now) / timedelta(days=1)
            problems.append(
                f"the certificate of {certificate.subject} ends on {certificate.until:%Y-%m-%d}, in {days:.1f} days"
                f" (at least {min_days} are wanted)"
            )
    if entry.host:
        disk = list(on_disk.get(entry.host, []))
        if not disk:
            problems.append(f"what lies on {entry.host} is not known")
        elif entry.chain and list(entry.chain[:1]) != disk[:1]:
            problems.append(f"another certificate is served than lies on {entry.host}: was the web server reloaded?")
        elif entry.chain and list(entry.chain) != disk:
            problems.append(f"the served chain has {len(entry.chain)} certificates, other than the {len(disk)} on {entry.host}")
    if entry.old:
        problems.append(f"{' and '.join(entry.old)} is spoken")
    return problems


def place(url: str) -> tuple[str, int]:
    """Name and port of a site."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "https" and parts.hostname:
            return parts.hostname, parts.port or 443
    except ValueError:
        pass
    raise CouldNotLook(f"url: '{url}' is no address of a site with https")


def trusted_roots(ca_path: str | None) -> str:
    """The roots in PEM, of ``ca_path`` or of this machine.

    Roots alone: an intermediate that happens to be trusted here would hide that the server does not send it.
    """
    known = ssl.get_default_verify_paths().cafile
    places = [ca_path] if ca_path else [known, *TRUST_STORES] if known else TRUST_STORES
    path = next((Path(place) for place in places if place and Path(place).is_file()), None)
    if path is None:
        raise CouldNotLook(f"no file of trusted certificates: {listed(str(place) for place in places)}; name one as ca_path")
    roots = []
    for block in PEM.findall(path.read_bytes()):
        try:
            certificate = x509.load_pem_x509_certificate(block)
            if certificate.issuer == certificate.subject:
                roots.append(certificate.public_bytes(Encoding.PEM).decode())
        except ValueError:
            continue  # a certificate that is none is trusted by nobody
    if not roots:
        raise CouldNotLook(f"{path} holds no root certificate")
    return "".join(roots)


def look_at(host: str, address: str, port: int, name: str, roots: str) -> Served:
    """Ask ``address`` for its certificate as a client that trusts ``roots`` would, and which versions of TLS it speaks."""
    refused, path = "", []
    try:
        path = [_read(der) for der in _handshake(address, port, name, _strict(roots), verified=True)]
    except ssl.SSLCertVerificationError as error:
        refused = f"the certificate does not verify: {error.verify_message}"
    except (ssl.SSLError, ValueError) as error:
        refused = f"no TLS: {getattr(error, 'reason', None) or error}"
    except OSError as error:
        return Served(host, address, name, f"no connection: {error}", [], [], [])
    chain: list[str] = []
    try:
        chain = [hashlib.sha256(der).hexdigest() for der in _handshake(address, port, name, _any_certificate())]
    except (ssl.SSLError, OSError) as error:
        refused = refused or f"no TLS: {getattr(error, 'reason', None) or error}"
    old = [version.name for version in OLD_VERSIONS if _speaks(address, port, name, version)]
    return Served(host, address, name, refused, path, chain, old)


def _strict(roots: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=roots)
    context.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _any_certificate() -> ssl.SSLContext:
    """A client that only looks: a certificate that does not verify has to be read as well."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _speaks(address: str, port: int, name: str, version: ssl.TLSVersion) -> bool:
    context = _any_certificate()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    try:
        _handshake(address, port, name, context)
    except ssl.SSLError as error:
        if error.reason in CANNOT_TRY:
            raise CouldNotLook(f"this machine cannot speak {version.name}, so it cannot see whether {address} does") from None
        return False
    except (ConnectionResetError, BrokenPipeError):
        return False
    return True


def _handshake(address: str, port: int, name: str, context: ssl.SSLContext, verified: bool = False) -> list[bytes]:
    """The certificates in DER form: as the server sent them, or the path that was verified."""
    with (
        socket.create_connection((address, port), timeout=TIMEOUT) as connection,
        context.wrap_socket(connection, server_hostname=name) as secured,
    ):
        # Python 3.13 gives the chain to everybody; before, only the object beneath had it.
        method = "get_verified_chain" if verified else "get_unverified_chain"
        below: Any = secured if hasattr(secured, method) else getattr(secured, "_sslobj", None)
        certificates = getattr(below, method)() or []
        return [one if isinstance(one, bytes) else ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in certificates]


def _read(der: bytes) -> Certificate:
    certificate = x509.load_der_x509_certificate(der)
    until = certificate.not_valid_after_utc
    return Certificate(certificate.subject.rfc4514_string() or "nobody", until, hashlib.sha256(der).hexdigest())
