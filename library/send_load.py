#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a steady load from outside."""

from __future__ import annotations

DOCUMENTATION = r"""
module: send_load
short_description: Ask a site at a set rate and say how long the answers took
description:
  - Sends O(requests) over O(seconds) at O(rate), each when it is due, whether or not those before it were answered. The time of
    an answer counts from the moment at which its request was due.
  - A request without an answer, with another status or with another body counts as failed. Judges nothing else;
    M(check_performance) does.
  - Runs on the controller. What O(requests) ask is done by the site.
extends_documentation_fragment: [site]
options:
  addresses:
    description: Where the site is asked, in turn, instead of the addresses of its name.
    type: list
    elements: str
    default: []
  requests:
    description:
      - What is asked, each in the form of a smoke request. C(share) is its part of the rate, in relation to the others' (1 where
        none is given).
    type: list
    elements: dict
    required: true
  rate:
    description: Requests in a second, altogether.
    type: float
    default: 10
  seconds:
    description: How long.
    type: float
    default: 10
  delay:
    description: Seconds to wait before the first request.
    type: float
    default: 0
  bypass_header:
    description: Header in which the operator's token is sent.
    type: str
    default: X-Maintenance-Bypass
  bypass_token:
    description: The token that passes maintenance mode.
    type: str
requirements: [httpx on the controller]
attributes:
  check_mode:
    support: none
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Send a load
  send_load:
    url: https://shop.example.com
    requests:
      - {name: catalogue, path: /api/articles, contains: price, share: 3}
      - {name: one article, path: /api/articles/1, json: {id: 1}}
    rate: 20
    seconds: 30
  delegate_to: localhost
  run_once: true
  register: load
"""

RETURN = r"""
load:
  description:
    - What came of it. C(began) and C(ended) are Unix time; C(requests), C(failures), C(reasons), C(p50), C(p95), C(p99) and
      C(late) are of all requests, and C(routes) has the same of each. Times are seconds, None where there was no request.
  returned: always
  type: dict
"""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.load import Sample, name_of, problem_of, schedule, summarise
from ansible.module_utils.tickbox.site import HTTPX, SITE_SPEC, Site

PARALLEL = 48  # requests under way at once: more than a healthy site has at any rate that one address may send


def send(params: dict[str, Any]) -> dict[str, Any]:
    requests = params["requests"]
    if not requests or any(not str(request.get("path", "")).startswith("/") for request in requests):
        raise CouldNotLook("requests: each needs a path, and there must be one")
    site = Site(params["url"], params["addresses"], params["ca_path"])
    headers = {params["bypass_header"]: params["bypass_token"]} if params["bypass_token"] else {}
    plan = schedule(requests, params["rate"], params["seconds"])
    began = time.monotonic() + params["delay"]
    wall = time.time() + params["delay"]

    def ask(number: int, due: float, request: dict[str, Any]) -> Sample:
        late = max(0.0, time.monotonic() - began - due)
        method = str(request.get("method") or "GET").upper()
        sent = {**(request.get("headers") or {}), **headers, "X-Request-ID": uuid.uuid4().hex}
        answer = site.ask(site.addresses[number % len(site.addresses)], request["path"], method, sent, request.get("body"))
        return Sample(name_of(request), due, time.monotonic() - began - due, problem_of(request, answer), late)

    waiting = []
    with ThreadPoolExecutor(PARALLEL) as pool:
        for number, (due, place) in enumerate(plan):
            time.sleep(max(0.0, began + due - time.monotonic()))
            waiting.append(pool.submit(ask, number, due, requests[place]))
        samples = [answer.result() for answer in waiting]
    # Without a request at its end the load would seem to have been shorter.
    time.sleep(max(0.0, began + params["seconds"] - time.monotonic()))
    return {
        "began": round(wall, 3),
        "ended": round(time.time(), 3),
        "rate": params["rate"],
        **summarise(samples, [name_of(request) for request in requests]),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SITE_SPEC,
            "requests": {"type": "list", "elements": "dict", "required": True},
            "rate": {"type": "float", "default": 10},
            "seconds": {"type": "float", "default": 10},
            "delay": {"type": "float", "default": 0},
            "bypass_header": {"type": "str", "default": "X-Maintenance-Bypass"},
            "bypass_token": {"type": "str", "no_log": True},
        },
    )
    if not HTTPX:
        module.fail_json(msg=missing_required_lib("httpx"))
    if module.params["rate"] <= 0 or module.params["seconds"] <= 0:
        module.fail_json(msg="rate and seconds must be more than 0")
    try:
        load = send(module.params)
    except CouldNotLook as reason:
        module.fail_json(msg=str(reason))
    module.exit_json(changed=False, load=load)


if __name__ == "__main__":
    main()
