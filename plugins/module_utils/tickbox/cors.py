# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges cross-origin requests: pages of which other sites may read the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from .assertion import CouldNotLook, Verdict, listed, verdict
from .visitor import Seen

ALLOW = "access-control-allow-origin"
CREDENTIALS = "access-control-allow-credentials"
METHODS = "access-control-allow-methods"
ABSENT_HOST = "tickbox.invalid"
FOREIGN = f"https://{ABSENT_HOST}"


@dataclass(frozen=True)
class Tried:
    """A request with an origin and its answer. ``preflight``: it asked whether ``method`` may be sent."""

    origin: str
    preflight: bool
    method: str
    seen: Seen

    @property
    def name(self) -> str:
        """The request for a person."""
        asked = f"preflight of {self.method} {self.seen.request.path}" if self.preflight else self.seen.request.name
        return f"{asked} from {self.origin}"


def strangers(allowed: Sequence[str]) -> list[str]:
    """Origins that must not be allowed: foreign ones, null, and those that look like an allowed one to a careless comparison."""
    found = {FOREIGN: None, "null": None, "http://localhost": None, "file://": None}
    for origin in allowed:
        try:
            parts = urlsplit(origin)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host = ""
        if not host or origin != f"{parts.scheme}://{parts.netloc}":
            raise CouldNotLook(f"origins: '{origin}' is no origin")
        at = f":{port}" if port else ""
        other = "http" if parts.scheme == "https" else "https"
        for stranger in (
            f"{origin}.{ABSENT_HOST}",
            f"{parts.scheme}://tickbox-{host}{at}",
            f"{parts.scheme}://tickbox.{host}{at}",
            f"{parts.scheme}://{host.replace('.', 'x', 1)}{at}",
            f"{parts.scheme}://{ABSENT_HOST}/{host}",
            f"{parts.scheme}://{host}_.{ABSENT_HOST}",
            f"{parts.scheme}://{host}:{(port or 8442) + 1}",
            f"{other}://{host}{at}",
        ):
            found[stranger] = None
    return [origin for origin in found if origin not in allowed]


def answer_problems(tried: Tried, allowed: Sequence[str]) -> list[str]:
    """Name what an answer lets other sites do that they may not, or keeps from the origin that may."""
    headers = tried.seen.answer.headers
    granted = headers.get(ALLOW)
    if tried.origin in allowed:
        return _allowed_problems(tried, headers, granted)
    # Browsers compare the header with the origin, case included; "*" is for every site.
    if granted is not None and granted.strip() in {tried.origin, "*"}:
        credentials = " with credentials" if headers.get(CREDENTIALS, "").strip().lower() == "true" else ""
        return [f"{'every origin' if granted.strip() == '*' else 'this origin'} is allowed{credentials}"]
    if granted is not None and granted.strip() not in allowed:
        return [f"{ALLOW} is '{granted}', which the inventory does not name"]
    return []


def judge_cors(tried: Sequence[Tried], allowed: Sequence[str]) -> Verdict:
    """pre.security.cors: the allowed origins, and no others, may read answers and send what needs a preflight."""
    grouped: dict[str, list[str]] = {}
    # What strangers may do that they must not is said first.
    for one in sorted(tried, key=lambda one: one.origin in allowed):
        for problem in answer_problems(one, allowed):
            grouped.setdefault(problem, []).append(one.name)
    problems = [f"{problem}: {listed(dict.fromkeys(names), 3)}" for problem, names in grouped.items()]
    kept_out = {one.origin for one in tried} - set(allowed)
    for what, lacking in (
        ("allowed origin", set(allowed) - {one.origin for one in tried}),
        ("stranger's origin", set() if kept_out else {"any"}),
        ("preflight", set() if any(one.preflight for one in tried) else {"any"}),
    ):
        problems += [f"no {what} was tried: {listed(lacking)}"] if lacking else []
    return verdict(
        problems,
        f"{len(tried)} requests: {len(allowed)} origins are allowed, {len(kept_out)} others kept out",
        expected={"allowed": list(allowed)},
        observed={"requests": len(tried), "kept out": sorted(kept_out)},
        evidence=sorted({f"{one.origin}: {one.seen.answer.headers.get(ALLOW)}" for one in tried}),
    )


def _allowed_problems(tried: Tried, headers: Mapping[str, str], granted: str | None) -> list[str]:
    if granted != tried.origin:
        return [f"this allowed origin is answered with {ALLOW} '{granted}'" if granted else "this allowed origin is kept out"]
    if tried.preflight:
        methods = {name.strip().upper() for name in headers.get(METHODS, "").split(",")}
        return [] if tried.method in methods else [f"{tried.method} is not among the allowed methods '{headers.get(METHODS, '')}'"]
    vary = {name.strip().lower() for name in headers.get("vary", "").split(",")}
    return [] if vary & {"origin", "*"} else ["no Vary: Origin, so that a cache may give one origin's answer to another"]
