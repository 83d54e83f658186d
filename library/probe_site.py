#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what visitors get over a time."""

from __future__ import annotations

DOCUMENTATION = r"""
module: probe_site
short_description: Ask a site at a steady pace and say what visitors got
description:
  - Sends a request every O(interval) seconds over connections that it keeps, as a browser does, and keeps the runs of equal
    answers, that is which status, from when to when, how often. A request without an answer counts as status 0.
  - Once the window is over, that is after a 503 and two seconds with nothing but 200, it asks each second, until another answer
    comes. The looks that follow come from the same address, which the site lets send only so much.
  - Ends after O(seconds), or once O(until) exists.
  - Changes nothing and judges nothing.
options:
  url:
    description: Address to ask.
    type: str
    required: true
  ca_path:
    description: Certificates to trust instead of the machine's own.
    type: path
  interval:
    description: Seconds from one request to the next.
    type: float
    default: 0.05
  seconds:
    description: How long to go on.
    type: float
    required: true
  until:
    description: File that ends the probing once it exists.
    type: path
requirements: [httpx on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Watch the site
  probe_site:
    url: https://shop.example.com/healthz
    interval: 0.5
    seconds: 30
  delegate_to: localhost
"""

RETURN = r"""
answers:
  description: Runs of equal answers in order, with the times of the first and the last request (Unix time, seconds).
  returned: always
  type: list
  elements: dict
  sample: [{status: 200, first: 1767323045.1, last: 1767323047.9, count: 56}]
requests:
  description: How many requests were sent.
  returned: always
  type: int
samples:
  description:
    - The answers by spans of time of equal length, at most 240 of them, those without a request left out.
    - C(at) is when a span began (Unix time), C(answers) how many came with each status, C(median) and C(slowest) the seconds to the
      whole answer, null where none came.
  returned: always
  type: list
  elements: dict
  sample: [{at: 1767323045.1, answers: {"200": 12}, median: 0.0041, slowest: 0.0092}]
failures:
  description: How many had no answer, or one of 500 and above.
  returned: always
  type: int
p95_seconds:
  description: 95th percentile of the time to the whole answer, by the nearest rank, over the requests that were answered.
  returned: always
  type: float
window_seconds:
  description: From the first 503 to the first 200 after it; 0 where no 503 was seen, and without end to the last request.
  returned: always
  type: float
"""

import math
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.site import client_context

try:
    import httpx

    HTTPX = True
except ImportError:
    HTTPX = False

TIMEOUT = 5.0  # seconds; a visitor would have reloaded the page
PARALLEL = 32  # requests under way at once, so that a slow answer does not delay the next request
SETTLED = 2.0  # seconds without a 503 after which the window is over
AFTERWARDS = 1.0  # seconds from one request to the next then
SPANS, LEAST_SPAN = 240, 0.25  # of time, in which answers are counted together: how many at most, and their least seconds


def ask(client: Any, url: str) -> tuple[float, int, float]:
    """When the request was sent (Unix time), the status (0: no answer), and how long it took."""
    sent = time.time()
    began = time.perf_counter()
    try:
        status = client.get(url).status_code
    except httpx.HTTPError:
        status = 0
    return sent, status, time.perf_counter() - began


class Window:
    """Whether the site was closed, and since when it is open again (monotonic time, seconds)."""

    def __init__(self) -> None:
        self.closed = False
        self.open_since: float | None = None

    def met(self, status: int) -> None:
        """Take notice of an answer."""
        self.closed = self.closed or status == HTTPStatus.SERVICE_UNAVAILABLE
        if status != HTTPStatus.OK:
            self.open_since = None
        elif self.open_since is None:
            self.open_since = time.monotonic()

    @property
    def over(self) -> bool:
        return self.closed and self.open_since is not None and time.monotonic() - self.open_since > SETTLED


def probe(given: dict[str, Any]) -> list[tuple[float, int, float]]:
    until = Path(given["until"]) if given["until"] else None
    window = Window()

    def asked(client: Any) -> tuple[float, int, float]:
        answer = ask(client, given["url"])
        window.met(answer[1])
        return answer

    context = client_context(given["ca_path"])
    with httpx.Client(verify=context, timeout=TIMEOUT, trust_env=False) as client, ThreadPoolExecutor(PARALLEL) as pool:
        waiting = []
        due = began = time.monotonic()
        while time.monotonic() - began < given["seconds"] and not (until and until.exists()):
            waiting.append(pool.submit(asked, client))
            due += max(given["interval"], AFTERWARDS) if window.over else given["interval"]
            time.sleep(max(0.0, due - time.monotonic()))
        return sorted(answer.result() for answer in waiting)


def summarise(answers: list[tuple[float, int, float]]) -> dict[str, Any]:
    runs: list[dict[str, Any]] = []
    for sent, status, _took in answers:
        if runs and runs[-1]["status"] == status:
            runs[-1].update(last=sent, count=runs[-1]["count"] + 1)
        else:
            runs.append({"status": status, "first": sent, "last": sent, "count": 1})
    times = sorted(took for _sent, status, took in answers if status)
    return {
        "answers": runs,
        "requests": len(answers),
        "samples": sampled(answers),
        "failures": sum(run["count"] for run in runs if run["status"] == 0 or run["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR),
        "p95_seconds": round(times[math.ceil(0.95 * len(times)) - 1], 4) if times else 0.0,
        "window_seconds": window_seconds(runs),
    }


def sampled(answers: list[tuple[float, int, float]]) -> list[dict[str, Any]]:
    """The answers by spans of time, so few that a record can hold them."""
    if not answers:
        return []
    first = answers[0][0]
    span = max(LEAST_SPAN, (answers[-1][0] - first) / (SPANS - 1))
    spans: dict[int, list[tuple[float, int, float]]] = {}
    for answer in answers:
        spans.setdefault(int((answer[0] - first) / span), []).append(answer)
    samples = []
    for number, met in spans.items():
        times = [took for _sent, status, took in met if status]
        samples.append(
            {
                "at": round(first + number * span, 2),
                "answers": {str(status): count for status, count in Counter(status for _sent, status, _took in met).items()},
                "median": round(statistics.median(times), 4) if times else None,
                "slowest": round(max(times), 4) if times else None,
            }
        )
    return samples


def window_seconds(runs: list[dict[str, Any]]) -> float:
    start: float | None = next((run["first"] for run in runs if run["status"] == HTTPStatus.SERVICE_UNAVAILABLE), None)
    if start is None:
        return 0.0
    # Requests overtake each other: one 200 between two 503 does not end the window.
    closed = [run["first"] for run in runs if run["status"] == HTTPStatus.SERVICE_UNAVAILABLE]
    opened = [run["first"] for run in runs if run["status"] == HTTPStatus.OK and run["first"] > start]
    end: float = next((at for at in opened if not any(at < again <= at + SETTLED for again in closed)), runs[-1]["last"])
    return round(end - start, 2)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "ca_path": {"type": "path"},
            "interval": {"type": "float", "default": 0.05},
            "seconds": {"type": "float", "required": True},
            "until": {"type": "path"},
        },
        supports_check_mode=True,
    )
    if not HTTPX:
        module.fail_json(msg=missing_required_lib("httpx"))
    try:
        answers = probe(module.params)
    except OSError as error:
        module.fail_json(msg=f"ca_path: {module.params['ca_path']} cannot be used: {error}")
    module.exit_json(changed=False, **summarise(answers))


if __name__ == "__main__":
    main()
