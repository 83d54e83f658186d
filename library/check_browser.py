#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the application's pages and the dashboard in a real browser."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_browser
short_description: Whether an application's pages do in a real browser what its journeys say, and the dashboard shows figures
description:
  - Takes the journeys of O(journeys) with Chromium, in fresh profiles, as a visitor does. The module changes nothing itself; what a
    journey asks of the site, such as to save something and to delete it again, is done by the site.
  - C(post.functionality.examples_load) is ticked when each example opens and shows a content of its own, and the browser
    complains of nothing and misses nothing.
  - C(post.functionality.code_execution) is ticked when programs with figures of this run give the right output, error and exit
    code, and an endless one is stopped, not too early.
  - C(post.functionality.editor) is ticked when the editor takes text, tells kinds of tokens apart, and its workers answer.
  - C(post.functionality.local_storage) is ticked when edited code is there after a reload and in a new tab, and not in a fresh
    profile.
  - C(post.functionality.controls) is ticked when each control of the pages has the effect that the journey names, which was not
    there before, and no control is there that the journey does not name.
  - C(post.functionality.error_handling) is ticked when bad code, status 429 and a stopped backend show a message and no trace, and
    the page recovers. The last two are played to the page by the browser; the site is not asked.
  - C(post.performance.page_load) is ticked when the medians of several cold and warm loads are within their budgets. A round that a
    busy machine may have slowed is taken again, twice at most; what slows the site slows each round.
  - C(pre.security.output_sanitization) is ticked when stored canaries are shown as text and none runs or becomes an element,
    without the help of the site's Content-Security-Policy.
  - C(post.monitoring.dashboard) is ticked when the dashboard is closed to whoever has no login, and each panel's query returns
    figures of this moment.
  - A journey that failed while the site answered with status 429 is taken again after a pause.
  - Certificates are verified. The CAs of O(ca_path) are trusted in the browser's own home, which is removed with it.
  - Runs on the controller.
extends_documentation_fragment: [look]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices: &items
      - post.functionality.examples_load
      - post.functionality.code_execution
      - post.functionality.editor
      - post.functionality.local_storage
      - post.functionality.controls
      - post.functionality.error_handling
      - post.performance.page_load
      - pre.security.output_sanitization
      - post.monitoring.dashboard
    default: *items
  url:
    description: Address of the site under its name.
    type: str
    required: true
  addresses:
    description: Where the site is asked, instead of the addresses of its name. The browser asks the first one.
    type: list
    elements: str
    default: []
  ca_path:
    description: Certificates to trust besides those that the browser knows.
    type: path
  journeys:
    description:
      - What the browser does on the pages and must see there, by item; see docs/journeys.md.
      - Needed for each item but C(post.monitoring.dashboard).
    type: dict
    default: {}
  secrets:
    description: Names and passwords that journeys use as placeholders.
    type: dict
    default: {}
  dashboard:
    description: The dashboard; needed for C(post.monitoring.dashboard).
    type: dict
    suboptions:
      url:
        description: Its address. Queries go to Prometheus's API on the same host and port.
        type: str
        required: true
      user:
        description: Name of the operator.
        type: str
        required: true
      password:
        description: Password of the operator.
        type: str
        required: true
      panel:
        description: Selector of a panel.
        type: str
        default: main section
      settled:
        description: Selector that a panel fits once its query was answered.
        type: str
        default: "[data-state]"
      title:
        description: Selector of the title within a panel.
        type: str
        default: h2
      figures:
        description: Selector of what shows the figures within a panel.
        type: str
        default: polyline
  bypass_header:
    description: Header in which O(bypass_token) is sent.
    type: str
    default: X-Maintenance-Bypass
  bypass_token:
    description: The operator's token, where the site is closed to visitors.
    type: str
  executable_path:
    description: The browser, instead of the Chromium that is found by its name.
    type: path
  patience:
    description: Seconds after which something that a page should show, or take, is held to be missing.
    type: float
    default: 30
requirements: [playwright and httpx on the controller, chromium, certutil where O(ca_path) is given]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: The pages in a browser
  check_browser:
    items: [post.functionality.examples_load, post.performance.page_load]
    url: https://shop.example.com
    journeys: "{{ app_journeys }}"
  delegate_to: localhost
  run_once: true

- name: The dashboard
  check_browser:
    items: [post.monitoring.dashboard]
    url: https://shop.example.com
    dashboard:
      url: https://monitor.example.com:9090/consoles/tickbox.html
      user: operator
      password: "{{ monitoring_dashboard_password }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended.
  returned: always
  type: list
  elements: dict
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.assertion import PASSED, CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.browser import PLAYWRIGHT, BrowserError, base_of, chromium, first_line
from ansible.module_utils.tickbox.dashboard import look_at_dashboard
from ansible.module_utils.tickbox.site import HTTPX, Site
from ansible.module_utils.tickbox.tours import Tours

DASHBOARD = "post.monitoring.dashboard"
LOAD = "post.performance.page_load"
# One after another within a line, the lines side by side. What saves something under the same name has the same line.
LINES = (
    ("post.functionality.examples_load", "post.functionality.editor", "post.functionality.local_storage"),
    ("pre.security.output_sanitization", "post.functionality.controls"),
    ("post.functionality.code_execution", "post.functionality.error_handling", DASHBOARD),
)
ITEMS = [
    "post.functionality.examples_load",
    "post.functionality.code_execution",
    "post.functionality.editor",
    "post.functionality.local_storage",
    "post.functionality.controls",
    "post.functionality.error_handling",
    LOAD,
    "pre.security.output_sanitization",
    DASHBOARD,
]


async def look(params: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Take each item's journey, and return the assertions by item."""
    seen: dict[str, dict[str, Any]] = {}
    headers = {params["bypass_header"]: params["bypass_token"]} if params["bypass_token"] else {}

    async with chromium(
        params["url"], params["executable_path"], params["addresses"], params["ca_path"], headers, params["patience"]
    ) as browser:
        tours = Tours(browser, params["journeys"], params["secrets"])

        async def journey(item: str) -> Verdict:
            if item != DASHBOARD:
                return await tours.take(item.rsplit(".", 1)[-1])
            given = params["dashboard"]
            site = Site(given["url"], ca_path=params["ca_path"])
            monitor = replace(browser, base=base_of(given["url"]), headers={})
            patient = time.monotonic() + params["patience"]
            # A release that has just begun has figures once it was asked for them twice.
            while (found := await look_at_dashboard(monitor, site, given)).status != PASSED and time.monotonic() < patient:
                await asyncio.sleep(1)
            return found

        async def take(line: tuple[str, ...]) -> None:
            for item in line:
                if item in params["items"]:
                    seen[item] = await assertion(item, journey)

        await take((LOAD,))  # alone, as the others would slow it
        await asyncio.gather(*(take(line) for line in LINES))
    return seen


async def assertion(item: str, journey: Callable[[str], Awaitable[Verdict]]) -> dict[str, Any]:
    """The assertion for ``item``, with the times of its own look."""
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    outcome: Verdict | Exception
    try:
        outcome = await journey(item)
    except (CouldNotLook, OSError) as reason:
        outcome = reason
    except BrowserError as error:
        outcome = CouldNotLook(f"the browser gave up: {first_line(error)}")

    def told() -> Verdict:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return {**examine(item, told), "started": started}


def main() -> None:
    dashboard_spec = {
        "url": {"type": "str", "required": True},
        "user": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "panel": {"type": "str", "default": "main section"},
        "settled": {"type": "str", "default": "[data-state]"},
        "title": {"type": "str", "default": "h2"},
        "figures": {"type": "str", "default": "polyline"},
    }
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": ITEMS, "default": ITEMS},
            "url": {"type": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "ca_path": {"type": "path"},
            "journeys": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "dashboard": {"type": "dict", "options": dashboard_spec},
            "bypass_header": {"type": "str", "default": "X-Maintenance-Bypass"},
            "bypass_token": {"type": "str", "no_log": True},
            "executable_path": {"type": "path"},
            "patience": {"type": "float", "default": 30},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    for library, there in (("playwright", PLAYWRIGHT), ("httpx", HTTPX)):
        if not there:
            module.fail_json(msg=missing_required_lib(library))
    params = module.params
    if DASHBOARD in params["items"] and not params["dashboard"]:
        module.fail_json(msg=f"{DASHBOARD} needs dashboard")
    items = list(dict.fromkeys(params["items"]))
    try:
        seen = asyncio.run(look(params))
    except (CouldNotLook, OSError) as reason:
        blind = CouldNotLook(str(reason))

        def told() -> Verdict:
            raise blind

        seen = {item: examine(item, told) for item in items}
    exit_with(module, [seen[item] for item in items])


if __name__ == "__main__":
    main()
