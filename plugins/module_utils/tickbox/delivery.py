# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hands a notice to receivers by Apprise, all at once, and says what each one's server answered. Needs apprise and httpx.

Apprise says only whether it worked. Why it did not is in its log, and the status of HTTP is in that of urllib3: both are read here
while they are written, so that they are shown nowhere else, as an address holds tokens and passwords.
"""

from __future__ import annotations

import http.client
import logging
import os
import re
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

try:
    import apprise
    import httpx

    APPRISE = True
except ImportError:  # reported by the module that needs it
    APPRISE = False

from .assertion import CouldNotLook

LOGS = ("apprise", "urllib3")
SHORTEST = 4  # characters of a part of an address that is looked for: a shorter one would be found in any word
MOST = 200  # characters of what a server said
MOVED = 300  # the first status that is no success
PAUSE = 0.3  # seconds between two looks at a receiver
HTTP = re.compile(r'HTTP/[\d.?]+" (\d{3}) ')
SMTP = re.compile(r"(?:\(|refused: )(\d{3}),? b(['\"])(.*?)\2")
CAUSES = (
    re.compile(r"(?P<cause>certificate verify failed: [\w ,-]+)"),
    re.compile(r"\[Errno -?\d+\] (?P<cause>[\w ,-]+)"),
    re.compile(r"(?P<cause>timed out|(?:Remote end|Connection) (?:unexpectedly )?closed)"),
)

Receiver = Mapping[str, Any]


@dataclass
class Said:
    """What was heard of one receiver: the statuses of HTTP, and what Apprise complains of."""

    statuses: list[int] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def refusal(self) -> int | None:
        """A status that is no acceptance, whatever Apprise says: who was sent on, or refused in the end, has accepted nothing."""
        moved = [status for status in self.statuses if MOVED <= status < http.client.BAD_REQUEST]
        return next((status for status in moved + self.statuses[-1:] if status >= MOVED), None)


class Listener(logging.Handler):
    """Hears what is logged, apart for each thread. Nobody else does: without a handler, warnings would go to standard error."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._said: dict[int, Said] = {}
        for name in LOGS:
            log = logging.getLogger(name)
            log.setLevel(logging.DEBUG)
            log.propagate, log.handlers = False, [self]

    def emit(self, record: logging.LogRecord) -> None:
        text, said = record.getMessage(), self._said.setdefault(record.thread or 0, Said())
        if status := HTTP.search(text):
            said.statuses.append(int(status[1]))
        # Of the details only what tells a cause; others hold the whole request.
        elif record.levelno >= logging.WARNING or "Socket Exception" in text:
            said.lines.append(text)

    def begin(self) -> Said:
        """What is heard of this thread from now on; one before it, which has ended, may have had the same number."""
        said = self._said[threading.get_ident()] = Said()
        return said


def scheme(url: str) -> str:
    """The kind of receiver: all that is ever said of an address."""
    return url.partition("://")[0] if re.match(r"[a-z0-9+.-]+://", url, re.IGNORECASE) else "no scheme"


def unreadable(receivers: Sequence[Receiver]) -> list[str]:
    """A sentence for each receiver whose address Apprise cannot use."""
    Listener()
    return [
        f"{one['name']}: Apprise cannot use the address ({scheme(one['url'])})" for one in receivers if _service(one["url"]) is None
    ]


def deliver(receivers: Sequence[Receiver], title: str, body: str, kind: str, seconds: float) -> list[dict[str, Any]]:
    """Tell all receivers at once; each has ``seconds`` to accept. ``kind``: info, success, warning or failure."""
    told: dict[int, dict[str, Any]] = {}
    listener = Listener()

    def tell(number: int, url: str) -> None:
        began, said = time.monotonic(), listener.begin()
        service = _service(url)
        try:
            accepted = bool(service and service.notify(body=body, title=title, notify_type=kind, body_format="text"))
        except Exception as error:  # a service of Apprise may raise anything, and what it says may hold the address
            said.lines.append(type(error).__name__)
            accepted = False
        accepted = accepted and said.refusal is None
        taken = round(time.monotonic() - began, 2)
        told[number] = {"accepted": accepted, "answer": answer(said, url, accepted), "seconds": taken, "at": time.time()}

    # One that hangs must not hold up the run: its thread is left behind.
    threads = [threading.Thread(target=tell, args=(number, one["url"]), daemon=True) for number, one in enumerate(receivers)]
    ends = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    late = {"accepted": False, "answer": f"no answer within {seconds:g} s", "seconds": seconds, "at": time.time()}
    return [{"name": one["name"], "scheme": scheme(one["url"]), **told.get(number, late)} for number, one in enumerate(receivers)]


def answer(said: Said, url: str, accepted: bool) -> str:
    """What the server answered, for a person, without any part of the address."""
    if said.refusal:
        return f"HTTP {said.refusal}"
    if accepted:
        return f"HTTP {said.statuses[-1]}" if said.statuses else "accepted"
    replies = [match for match in map(SMTP.search, said.lines) if match]
    if replies:
        return f"SMTP {replies[-1][1]} {without(replies[-1][3], url)}"
    causes = [match["cause"] for pattern in CAUSES for match in map(pattern.search, said.lines) if match]
    return causes[0] if causes else without(said.lines[-1] if said.lines else "refused, without a reason", url)


def without(text: str, url: str) -> str:
    """The text without any part of the address, and cut to a line."""
    rest = url.partition("://")[2]
    parts = {part for whole in (rest, unquote(rest)) for part in re.split(r"[/:@?&=,;#\s]+", whole) if len(part) >= SHORTEST}
    for part in sorted(parts | {unquote(part) for part in parts}, key=len, reverse=True):
        text = re.sub(re.escape(part), "...", text, flags=re.IGNORECASE)
    return " ".join(text.split())[:MOST]


def is_there(url: str, wanted: str, seconds: float) -> bool:
    """Whether a receiver shows ``wanted`` in that time."""
    ends = time.monotonic() + seconds
    while True:
        try:
            seen = httpx.get(url, timeout=max(1.0, ends - time.monotonic()), verify=ssl.create_default_context())
            unseen = "" if seen.is_success else f"HTTP {seen.status_code}"
            if not unseen and wanted in seen.text:
                return True
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            unseen = type(error).__name__
        if time.monotonic() + PAUSE > ends:
            break
        time.sleep(PAUSE)
    if unseen:
        raise CouldNotLook(unseen)
    return False


def trust(ca_path: str | None) -> None:
    """From here on, this process checks certificates against these CAs; without any, against those of the machine."""
    if ca_path:
        os.environ.update(dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), ca_path))
    machine = ssl.get_default_verify_paths()
    if own := machine.cafile or machine.capath:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", own)


def _service(url: str) -> Any:
    # A page that we would be led on to answers 200 as well.
    asset = apprise.AppriseAsset(http_redirects=False, storage_mode=apprise.PersistentStoreMode.MEMORY)
    return apprise.Apprise.instantiate(url, asset=asset)
