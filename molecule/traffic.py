"""Visitors who keep their connections while one release takes the place of another, and all that they were answered.

TRAFFIC is how many requests they send in a second; the site's limit is for each of their addresses.
Nothing is asked twice: a connection that ends without a word, an error and the maintenance page are faults, and so is an answer of
the release before where the same connection had met the next one.
"""

import http.client
import json
import os
import secrets
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Self

from moment import ROOT, addresses
from testimony import AWAY, WHOLE, mixed
from witness import ASSET, read_answer

RATE = float(os.environ.get("TRAFFIC", "40"))
CONNECTIONS = 50
ADDRESSES = 12
LOOK = 5  # requests of a visitor's turn
PATIENCE = 20.0  # seconds
LONG = 3  # seconds that the program of a patient visitor runs


@dataclass
class Visitor:
    """One connection, with what it was answered. ``looks`` are as testimony has them; ``met``: the releases, in order."""

    site: str
    context: ssl.SSLContext
    address: str
    requests: int = 0
    looks: list[dict[str, Any]] = field(default_factory=list)
    met: list[tuple[float, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        name, _, port = self.site.partition(":")
        source = (self.address, 0)
        self._connection = http.client.HTTPSConnection(
            name, int(port or 443), context=self.context, source_address=source, timeout=PATIENCE
        )

    def ask(self, path: str, body: Any = None) -> tuple[list[str], str]:
        """The answer, as ``read_answer`` has it."""
        self.requests += 1
        sent = time.time()
        method, data = ("GET", None) if body is None else ("POST", json.dumps(body))
        try:
            self._connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return self._noted([AWAY, "", f"{path}: {error!r}"], sent), ""
        seen, text = read_answer(path, answer.status, content)
        if seen[0] == WHOLE and path == "/version":
            self.met.append((sent, seen[1]))
        return self._noted(seen, sent), text

    def look(self) -> None:
        """The page with one of the assets that it names, each in its turn, between two questions for the version."""
        at, began = time.time(), time.monotonic()
        before, _ = self.ask("/version")
        page, text = self.ask("/")
        named = ASSET.findall(text)
        asset = self.ask(named[len(self.looks) % len(named)])[0] if named else None
        self.ask("/api/examples")
        after, _ = self.ask("/version")
        self.looks.append(
            {"at": at, "seconds": time.monotonic() - began, "before": before, "page": page, "asset": asset, "after": after}
        )

    def wait_for_a_program(self) -> tuple[float, float]:
        """A request that lasts; when it began and ended."""
        began, nonce = time.time(), secrets.token_hex(8)
        program = f"import time; time.sleep({LONG}); print('{nonce}')"
        answer, text = self.ask("/api/run", {"language": "python", "code": program})
        if answer[0] == WHOLE and nonce not in text:
            self.faults.append(f"{began:.2f}: the program's output is missing: {text[:80]!r}")
        return began, time.time()

    def _noted(self, answer: list[str], sent: float) -> list[str]:
        if answer[0] != WHOLE:
            self.faults.append(f"{sent:.2f}: {answer[0]}, {answer[2]}")
        return answer


class Traffic:
    """Fifty kept connections that ask ``rate`` times a second together, and some that wait for long answers, while its block lasts.

    ``addresses`` of this machine are those that the site sees: its limits are for each address.
    """

    def __init__(self, site: str, context: ssl.SSLContext, addresses: Sequence[str], rate: float, patient: int = 2) -> None:
        def visitors(count: int) -> list[Visitor]:
            return [Visitor(site, context, addresses[number % len(addresses)]) for number in range(count)]

        self.visitors, self.patient = visitors(CONNECTIONS), visitors(patient)
        self.long: list[tuple[float, float]] = []
        self._turn = CONNECTIONS * LOOK / rate
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(CONNECTIONS + len(self.patient))
        self._visits = [self._pool.submit(self._looks, place) for place in range(CONNECTIONS)]
        self._visits += [self._pool.submit(self._waits, place) for place in range(len(self.patient))]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()
        for visit in self._visits:
            visit.result()  # what failed of the traffic itself

    def _looks(self, place: int) -> None:
        due = time.monotonic() + self._turn * place / CONNECTIONS
        while not self._over.wait(max(0.0, due - time.monotonic())):
            self.visitors[place].look()
            due = max(due + self._turn, time.monotonic())

    def _waits(self, place: int) -> None:
        self._over.wait(LONG / 2 * place)
        while not self._over.is_set():
            self.long.append(self.patient[place].wait_for_a_program())
            self._over.wait(0.2)

    @property
    def requests(self) -> int:
        return sum(visitor.requests for visitor in self.visitors + self.patient)

    @property
    def failures(self) -> list[str]:
        """Every answer that was wrong."""
        return [fault for visitor in self.visitors + self.patient for fault in visitor.faults]

    @property
    def faults(self) -> list[str]:
        """Those, and where a connection met the releases in another order than once each, or met both in one look.

        Several hosts that switch one after the other answer in turn.
        """
        found = self.failures
        for visitor in self.visitors:
            order = [release for release, _ in groupby(release for _, release in visitor.met)]
            if len(set(order)) < len(order):
                found.append(f"one connection met {', then '.join(order)}")
        return found + mixed([look for visitor in self.visitors for look in visitor.looks])

    @property
    def releases(self) -> list[str]:
        """Those that were met, in the order in which they were first."""
        return list(dict.fromkeys(release for _, release in sorted(met for visitor in self.visitors for met in visitor.met)))

    @property
    def long_answers_over_the_switch(self) -> int:
        """Requests that began before anybody met the second release, and were answered after that."""
        last = self.releases[-1]
        first = min(at for visitor in self.visitors for at, release in visitor.met if release == last)
        return sum(began < first < ended for began, ended in self.long)


@contextmanager
def visited(site: str, first_address: int, test: str, figures: list[str]) -> Iterator[Traffic]:
    """A site that has visitors while the block lasts; an answer that failed fails. A line of ``figures`` says what ``test`` saw."""
    context = ssl.create_default_context(cafile=str(ROOT / ".tickbox/ca/ca.crt"))
    with addresses(site, ADDRESSES, first_address) as own, Traffic(site, context, own, RATE) as seen:
        yield seen
    figures.append(f"| {test} | {seen.requests} | {len(seen.failures)} | {seen.long_answers_over_the_switch} |")
    assert seen.failures == [], seen.failures[:5]
