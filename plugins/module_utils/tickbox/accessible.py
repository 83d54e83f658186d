# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges whether people reach the site: name, certificate, redirect from port 80 and the page, at each address."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .answers import HTTP_OK, Answer
from .assertion import Verdict, verdict

REDIRECTS = {301, 302, 307, 308}


@dataclass(frozen=True)
class Reached:
    """What one address answered. ``certificate``: as verified, or the reason why it was not."""

    address: str
    certificate: Mapping[str, Any] | str
    page: Answer
    plain: Answer


def judge_accessible(reached: Sequence[Reached], host: str, contains: str) -> Verdict:
    """deploy.go_live.accessible: each address serves the page under the name, over TLS, and leads there from port 80."""
    problems = [f"{entry.address}: {problem}" for entry in reached for problem in _problems(entry, host, contains)]
    if not reached:
        problems.append(f"{host} has no address")
    if not contains.strip():
        problems.append("no text is named that the page must hold, so any page would do")
    until = [str(entry.certificate.get("notAfter")) for entry in reached if not isinstance(entry.certificate, str)]
    return verdict(
        problems,
        f"{host} serves the page at {', '.join(entry.address for entry in reached)}, certificate until {(until or ['-'])[0]}",
        expected={"host": host, "status": HTTP_OK, "contains": contains},
        observed={
            entry.address: {"page": entry.page.status, "plain": entry.plain.status, "to": entry.plain.headers.get("location")}
            for entry in reached
        },
        evidence={entry.address: {"certificate": entry.certificate, "page": entry.page.text[:500]} for entry in reached},
    )


def own_address(address: str) -> bool:
    """Whether ``address`` is one of this machine's: then nothing is seen from outside."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if parsed.is_loopback:
        return True
    family = socket.AF_INET6 if isinstance(parsed, ipaddress.IPv6Address) else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:  # sends nothing: the kernel only chooses where it would send from
        try:
            probe.connect((address, 9))
        except OSError:
            return False
        return bool(probe.getsockname()[0] == address)


def _problems(entry: Reached, host: str, contains: str) -> list[str]:
    problems = []
    if isinstance(entry.certificate, str):
        problems.append(f"certificate: {entry.certificate}")
    if entry.page.status != HTTP_OK:
        problems.append(f"the page: {entry.page.outcome}")
    elif contains not in entry.page.text:
        problems.append(f"the page does not hold '{contains}'")
    target = urlsplit(entry.plain.headers.get("location", ""))
    if entry.plain.status not in REDIRECTS:
        problems.append(f"port 80: {entry.plain.outcome}, not a redirect")
    elif (target.scheme, target.hostname) != ("https", host):
        problems.append(f"port 80 leads to '{entry.plain.headers.get('location')}', not to https://{host}")
    return problems
