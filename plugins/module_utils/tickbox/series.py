# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks Prometheus, with nothing but Python's own library, and counts what counters counted."""

from __future__ import annotations

import base64
import http.client
import json
import math
import ssl
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from .assertion import CouldNotLook

TIMEOUT = 10.0  # seconds
HTTP_OK = 200
MATRIX_ENTRY = 2  # a sample is [time, value]
# Where an application's figures are.
FIGURES_SPEC: dict[str, Any] = {
    "prometheus_url": {"type": "str", "default": "https://127.0.0.1:9090"},
    "prometheus_user": {"type": "str"},
    "prometheus_password": {"type": "str", "no_log": True},
    "job": {"type": "str", "default": "app"},
    "requests_metric": {"type": "str", "default": "http_requests_total"},
    "duration_metric": {"type": "str", "default": "http_request_duration_seconds"},
    "timeout": {"type": "float", "default": 40},
}
PAUSE = 0.5  # seconds between two questions


@dataclass(frozen=True)
class Series:
    """One series of a counter: its labels, and its samples as (Unix time, value) in order."""

    labels: Mapping[str, str]
    samples: Sequence[tuple[float, float]]


class Prometheus:
    """A server's API. ``url`` as it is reached from where this runs; its certificate is not verified over the loopback."""

    def __init__(self, url: str, user: str | None = None, password: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise CouldNotLook(f"'{url}' is no address of Prometheus")
        self.name, self.path = f"{parts.hostname}:{parts.port or ''}", parts.path.rstrip("/")
        self.connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            if parts.hostname in {"127.0.0.1", "::1", "localhost"}:  # a public certificate has no such name
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT, context=context)
        else:
            self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)
        login = base64.b64encode(f"{user}:{password or ''}".encode()).decode() if user else ""
        self.headers = {"Authorization": f"Basic {login}"} if login else {}

    def get(self, what: str, **asked: str) -> Any:
        """The data of an answer of the API; CouldNotLook where it is none or an error."""
        target = f"{self.path}/api/v1/{what}?{urlencode(asked)}"
        try:
            self.connection.request("GET", target, headers=self.headers)
            response = self.connection.getresponse()
            status, body = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise CouldNotLook(f"Prometheus at {self.name} does not answer: {error or type(error).__name__}") from None
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, Mapping) or content.get("status") != "success" or "data" not in content:
            words = str(content.get("error", "")) if isinstance(content, Mapping) else ""
            raise CouldNotLook(f"Prometheus at {self.name} answers {what} with {words or f'status {status}'}")
        return content["data"]

    def samples(self, selector: str, seconds: float, now: float) -> list[Series]:
        """The samples of the last ``seconds`` before ``now`` (Unix time), as they were scraped."""
        data = self.get("query", query=f"{selector}[{max(1, math.ceil(seconds))}s]", time=f"{now:.3f}")
        return read_matrix(data)


def last_read(found: Sequence[Series], instances: Collection[str]) -> dict[str, float]:
    """When each instance was last read (Unix time), of those that were found and of ``instances``: 0 where it was not."""
    last = {series.labels.get("instance", ""): 0.0 for series in found} | dict.fromkeys(instances, 0.0)
    for series in found:
        instance = series.labels.get("instance", "")
        last[instance] = max([last[instance], *(taken for taken, _ in series.samples)])
    return last


def samples_past(
    prometheus: Prometheus, selector: str, *, began: float, ended: float, instances: Collection[str], timeout: float
) -> tuple[list[Series], float]:
    """The samples since ``began``, once each instance was read at ``ended`` or later, or ``timeout`` seconds have passed.

    Also until when they are (Unix time), so that others are asked for the same time.
    """
    end = time.monotonic() + timeout
    while True:
        now = time.time()
        found = prometheus.samples(selector, now - began, now)
        last = last_read(found, instances)
        if (last and min(last.values()) >= ended) or time.monotonic() > end:
            return found, now
        time.sleep(PAUSE)


def read_matrix(data: Any) -> list[Series]:
    """Read an answer of the type matrix; CouldNotLook where it is none."""
    try:
        if data["resultType"] != "matrix":
            raise CouldNotLook(f"Prometheus returned {data['resultType']} instead of a matrix")
        found = []
        for entry in data["result"]:
            samples = [(float(sample[0]), float(sample[1])) for sample in entry["values"] if len(sample) == MATRIX_ENTRY]
            found.append(Series({str(name): str(value) for name, value in entry["metric"].items()}, samples))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CouldNotLook(f"Prometheus' answer cannot be read: {type(error).__name__}") from None
    return found


def increase(series: Series, first_scrape: float) -> float:
    """How much a counter counted over its samples.

    first_scrape: the earliest sample of its kind. A series that begins later was not there before, and counted from zero; one
    that falls was begun anew.
    """
    if not series.samples:
        return 0.0
    counted = 0.0 if series.samples[0][0] <= first_scrape else series.samples[0][1]
    for (_, before), (_, value) in zip(series.samples, series.samples[1:], strict=False):
        counted += value - before if value >= before else value
    return counted


def increases(found: Sequence[Series]) -> list[tuple[Mapping[str, str], float]]:
    """The increase of each series. Those of one instance were first scraped together."""
    first: dict[str, float] = {}
    for series in found:
        if series.samples:
            instance = series.labels.get("instance", "")
            first[instance] = min(first.get(instance, math.inf), series.samples[0][0])
    return [(series.labels, increase(series, first.get(series.labels.get("instance", ""), 0.0))) for series in found]


def quantile(buckets: Mapping[float, float], part: float) -> float | None:
    """The quantile of a histogram by its cumulative buckets (upper bound to count), linear within a bucket.

    None where it is empty or has no last bucket. Where it falls into the last bucket, that is beyond every bound, infinity.
    """
    total = buckets.get(math.inf, 0.0)
    if total <= 0:
        return None
    rank, lower, before = part * total, 0.0, 0.0
    for bound in sorted(buckets):
        count = buckets[bound]
        if count >= rank:
            if math.isinf(bound):
                return math.inf
            return lower + (bound - lower) * ((rank - before) / (count - before) if count > before else 1.0)
        lower, before = bound, count
    return math.inf


def histogram(found: Sequence[Series]) -> dict[float, float]:
    """Add up the buckets of all series by their bound ``le``."""
    buckets: dict[float, float] = {}
    for labels, counted in increases(found):
        try:
            bound = float(labels.get("le", "nan").replace("+Inf", "inf"))
        except ValueError:
            continue
        if not math.isnan(bound):
            buckets[bound] = buckets.get(bound, 0.0) + counted
    return buckets
