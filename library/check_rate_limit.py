#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: rate limits, as the web server has them and as visitors meet them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_rate_limit
short_description: Whether visitors in a hurry are limited, as configured and in fact
description:
  - C(pre.security.rate_limit) is ticked, on a web host and as root, when the configuration that nginx prints (C(nginx -T)) limits
    each location that leads to the application at least as O(limits) say, by the client's address alone and not as a dry run;
    when all workers began after the last change of its files, so that it is what runs; and when bursts from the host itself, at
    O(local_address), are cut off.
  - C(post.security.rate_limit) is ticked, on the controller, when bursts that claim to come from elsewhere are cut off close to
    what O(limits) say, requests at an ordinary pace pass, and the front page with all that it loads at once, and a limited visitor
    may go on after a pause.
  - Changes nothing. For as long as a limit takes to forget, its visitor (the controller, or the host's loopback) is still limited.
extends_documentation_fragment: [look, site, site.visitor]
options:
  items:
    description: The item to answer for; one at a time, since they are looked at from different places.
    type: list
    elements: str
    choices: [pre.security.rate_limit, post.security.rate_limit]
    required: true
  limits:
    description: The limits that must hold, with C(path), C(rate) such as C(10r/s) or C(20r/m), C(burst) and C(zone).
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Path, with all below it.
        type: str
        required: true
      rate:
        description: Requests that pass in the long run.
        type: str
        required: true
      burst:
        description: Requests that pass at once beyond the rate.
        type: int
        required: true
      zone:
        description: Name of what the path is counted in. Those with the same one are counted together.
        type: str
  ca_path:
    description: Certificates to trust instead of the machine's own. From the web host itself the certificate is not looked at.
    type: path
  pace:
    description: Requests a second that are an ordinary pace.
    type: float
    default: 4
  proxies:
    description: Networks of the operator's own proxies, whose word about a client's address nginx may take.
    type: list
    elements: str
    default: []
  local_address:
    description: Address at which the web host asks itself.
    type: str
    default: 127.0.0.1
requirements: [nginx on the web host, httpx on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Rate limiting is configured
  check_rate_limit:
    items: [pre.security.rate_limit]
    url: https://shop.example.com
    limits:
      - {path: /, rate: 30r/s, burst: 60}
      - {path: /api/login, rate: 1r/s, burst: 10}
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended.
  returned: always
  type: list
  elements: dict
"""

import random
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox import nginx, rate_limit
from ansible.module_utils.tickbox.answers import UNAVAILABLE
from ansible.module_utils.tickbox.assertion import PASSED, Verdict, all_of, examine, exit_with
from ansible.module_utils.tickbox.assets import references as loads
from ansible.module_utils.tickbox.crowd import Crowd, place
from ansible.module_utils.tickbox.nginx_host import read_loaded, unverified
from ansible.module_utils.tickbox.site import HTTPX
from ansible.module_utils.tickbox.visitor import VISITOR_SPEC, Request, Visitor, references

CONFIGURED, MET = "pre.security.rate_limit", "post.security.rate_limit"
ORDINARY = 4  # requests at an ordinary pace


def claims() -> dict[str, str]:
    """Headers that claim another client each time, with an address for documentation (RFC 5737)."""
    address = f"198.51.100.{random.randrange(256)}"  # noqa: S311
    return {name: f"for={address}" if name == "Forwarded" else address for name in rate_limit.CLAIMS}


def configured(params: dict[str, Any]) -> Verdict:
    limits = rate_limit.read_limits(params["limits"])
    loaded = read_loaded()
    tree = nginx.read_configuration(nginx.split_files(loaded.dump))
    seen = [
        rate_limit.judge_configuration(tree, limits, params["proxies"]),
        rate_limit.judge_loaded(loaded.workers, loaded.changed),
    ]
    if any(one.status != PASSED for one in seen):
        return all_of(*seen)
    with Crowd(place(params["url"], params["local_address"]), unverified()) as local:
        own = {}
        if local.ask("/", [0.0])[0].status == UNAVAILABLE and params["bypass_token"]:
            own = {params["bypass_header"]: params["bypass_token"]}
        return all_of(*seen, rate_limit.judge_live([hurried(local, limit, own) for limit in limits]))


def met(params: dict[str, Any]) -> Verdict:
    limits = rate_limit.read_limits(params["limits"])
    visitor = Visitor(params)
    normal = [one.answer.status for _ in range(ORDINARY) for one in visitor.ask_all([Request()], patient=False)]
    page = [one.answer.status for address in visitor.site.addresses for one in visitor.hurry(of_page(visitor, address), [address])]
    bursts, again = [], {}
    for address in visitor.site.addresses:
        with Crowd(place(params["url"], address), visitor.site.context) as crowd:
            bursts.append([hurried(crowd, limit, visitor.headers) for limit in limits])
        for limit in limits:
            time.sleep(1 / limit.rate + 0.2)
            again[f"{limit.path} at {address}"] = visitor.ask(address, Request(limit.path), patient=False).status
    return rate_limit.judge_bursts(bursts, normal, page, again)


def of_page(visitor: Visitor, address: str) -> list[Request]:
    """The front page, what a browser loads for it, and the icon that it asks for by itself."""
    content = visitor.ask(address, Request(), patient=False).body
    named = references(" ".join(f'src="{name}"' for name in loads("/", content)), "/")
    return [Request(path) for path in dict.fromkeys(["/", "/favicon.ico", *named])]


def hurried(crowd: Crowd, limit: rate_limit.Limit, own: dict[str, str]) -> rate_limit.Burst:
    """A burst on one path; each request claims to come from somewhere else."""
    return rate_limit.hurry(lambda due: crowd.ask(limit.path, due, lambda: {**claims(), **own}), limit)


def main() -> None:
    limit_spec = {
        "path": {"type": "str", "required": True},
        "rate": {"type": "str", "required": True},
        "burst": {"type": "int", "required": True},
        "zone": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": [CONFIGURED, MET], "required": True},
            "limits": {"type": "list", "elements": "dict", "required": True, "options": limit_spec},
            **VISITOR_SPEC,
            "pace": {"type": "float", "default": 4},
            "proxies": {"type": "list", "elements": "str", "default": []},
            "local_address": {"type": "str", "default": "127.0.0.1"},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    if MET in params["items"] and not HTTPX:
        module.fail_json(msg=missing_required_lib("httpx"))
    judges = {CONFIGURED: configured, MET: met}
    exit_with(module, [examine(item, lambda judge=judges[item]: judge(params)) for item in dict.fromkeys(params["items"])])


if __name__ == "__main__":
    main()
