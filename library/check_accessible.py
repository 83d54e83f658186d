#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the site as people reach it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_accessible
short_description: Whether people reach the site, from outside its hosts
description:
  - C(deploy.go_live.accessible) is ticked when each address serves, under the site's name, a certificate that verifies for the
    name, the page with status 200 and O(contains) in it, and a redirect from port 80 to HTTPS.
  - An address of the machine that asks is refused as C(unverifiable), because it says nothing about who is outside.
  - Runs on the controller.
extends_documentation_fragment: [look, site]
options:
  url:
    description: Address of the site under its name, with C(https).
    type: str
    required: true
  addresses:
    description: Where the site is asked (IPv4 and IPv6), instead of all the addresses of its name.
    type: list
    elements: str
    default: []
  path:
    description: The page.
    type: str
    default: /
  contains:
    description: Text that the page holds.
    type: str
    required: true
  http_port:
    description: Port that leads to HTTPS.
    type: int
    default: 80
requirements: [httpx on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Verify application is accessible
  check_accessible:
    url: https://shop.example.com
    addresses: [192.0.2.10, "2001:db8::10"]
    contains: <div id="app">
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
assertions:
  description: The one for C(deploy.go_live.accessible), with item, status (passed, failed or unverifiable), summary, expected,
    observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

import ssl
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox import accessible
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.site import HTTPX, SITE_SPEC, Site, together


def look(params: dict[str, Any]) -> Verdict:
    site = Site(params["url"], params["addresses"], params["ca_path"])
    if site.scheme != "https":
        raise CouldNotLook(f"url: '{params['url']}' does not begin with https")
    for address in site.addresses:
        try:
            own = accessible.own_address(address)
        except ValueError:
            raise CouldNotLook(f"addresses: '{address}' is no IP address") from None
        if own:
            raise CouldNotLook(f"{address} is an address of the machine that asks: it does not show what is seen from outside")

    def reach(address: str) -> accessible.Reached:
        certificate: Any
        try:
            certificate = site.certificate(address)
        except ssl.SSLCertVerificationError as error:
            certificate = error.verify_message
        except (OSError, ssl.SSLError) as error:
            certificate = str(error) or type(error).__name__
        return accessible.Reached(
            address=address,
            certificate=certificate,
            page=site.ask(address, params["path"]),
            plain=site.ask(address, params["path"], origin=("http", params["http_port"])),
        )

    return accessible.judge_accessible(together(reach, site.addresses), site.host, params["contains"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SITE_SPEC,
            "path": {"type": "str", "default": "/"},
            "contains": {"type": "str", "required": True},
            "http_port": {"type": "int", "default": 80},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not HTTPX:
        module.fail_json(msg=missing_required_lib("httpx"))
    exit_with(module, [examine("deploy.go_live.accessible", lambda: look(module.params))])


if __name__ == "__main__":
    main()
