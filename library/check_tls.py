#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the site's certificates, on their hosts and as they are served."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_tls
short_description: Whether a site's certificates are installed, valid and the ones that are served
description:
  - C(pre.environment.tls) is ticked by two looks. Neither changes anything.
  - On each web host, with O(certificate_path), the key belongs to the certificate and others may not read it. The look returns
    the chain that lies there.
  - On the controller, with O(url), each address of each host is asked for each name. The chain that is really served must verify
    with the roots alone, for the name, with O(min_days) to spare for each of its certificates, be the chain that lies on the host,
    and no version of TLS below 1.2 may be spoken. Revocation is not looked at.
extends_documentation_fragment: [look]
options:
  certificate_path:
    description: The certificate with its chain, on the host.
    type: path
  key_path:
    description: Its key, on the host.
    type: path
  url:
    description: Address of the site under its name, with C(https).
    type: str
  names:
    description: Further names that the certificate must be for.
    type: list
    elements: str
    default: []
  addresses:
    description: Address at which each web host serves the site. Addresses of the site's name that are none of these are asked too.
    type: dict
    default: {}
  chains:
    description: What the look on each web host returned as RV(chain).
    type: dict
    default: {}
  ca_path:
    description: Certificates to trust instead of the machine's own.
    type: path
  min_days:
    description: Days that each certificate must still be valid.
    type: int
    default: 14
requirements: [cryptography on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: The certificate on the host
  check_tls:
    certificate_path: /etc/ssl/shop/shop.crt
    key_path: /etc/ssl/shop/private/shop.key
  register: files

- name: The certificate as it is served
  check_tls:
    url: https://shop.example.com
    addresses: {web-1: 192.0.2.10}
    chains: {web-1: "{{ files.chain }}"}
  delegate_to: localhost
"""

RETURN = r"""
assertions:
  description: The one for C(pre.environment.tls), with item, status (passed, failed or unverifiable), summary, expected, observed,
    evidence, started and ended.
  returned: always
  type: list
  elements: dict
chain:
  description: SHA-256 of each certificate on the host, in order.
  returned: with O(certificate_path)
  type: list
  elements: str
"""

import socket
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox import tls
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.site import together

ITEM = "pre.environment.tls"


def from_outside(params: dict[str, Any]) -> Verdict:
    host, port = tls.place(params["url"])
    roots = tls.trusted_roots(params["ca_path"])
    places = {address: name for name, given in params["addresses"].items() for address in resolve(str(given), port)}
    for address in resolve(host, port):
        places.setdefault(address, "")

    def look(what: tuple[tuple[str, str], str]) -> tls.Served:
        (address, owner), name = what
        return tls.look_at(owner, address, port, name, roots)

    served = together(look, product(places.items(), dict.fromkeys([host, *params["names"]])))
    return tls.judge_served(served, params["chains"], params["min_days"], datetime.now(UTC))


def resolve(name: str, port: int) -> list[str]:
    try:
        return list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)))
    except (OSError, UnicodeError) as error:
        raise CouldNotLook(f"{name} has no address: {error}") from None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "certificate_path": {"type": "path"},
            "key_path": {"type": "path"},
            "url": {"type": "str"},
            "names": {"type": "list", "elements": "str", "default": []},
            "addresses": {"type": "dict", "default": {}},
            "chains": {"type": "dict", "default": {}},
            "ca_path": {"type": "path"},
            "min_days": {"type": "int", "default": 14},
            "report_only": {"type": "bool", "default": False},
        },
        required_together=[("certificate_path", "key_path")],
        required_one_of=[("certificate_path", "url")],
        mutually_exclusive=[("certificate_path", "url")],
        supports_check_mode=True,
    )
    params = module.params
    if params["url"]:
        if not tls.CRYPTOGRAPHY:
            module.fail_json(msg=missing_required_lib("cryptography"))
        exit_with(module, [examine(ITEM, lambda: from_outside(params))])
    certificate, key = Path(params["certificate_path"]), Path(params["key_path"])
    seen = examine(ITEM, lambda: tls.judge_files(certificate, key))
    exit_with(module, [seen], chain=seen["observed"].get("chain", []))


if __name__ == "__main__":
    main()
