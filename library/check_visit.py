#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the frontend and the journey that matters, as a visitor meets them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_visit
short_description: Whether the frontend that is served is what was built, and what people come for works
description:
  - C(deploy.release.frontend) is ticked when each file of the build under O(assets) and O(pages) is served byte for byte as it was
    built, plain and compressed, with the type that browsers ask for; when each asset that these files name is one of them; and when
    no source map is served or named.
  - C(deploy.verification.critical_functionality) is ticked when each step of O(journey) went as defined, so that a value which the
    module made up was stored and came back.
  - Both are looked at together, at each address of the site. What the journey stores is the journey's own to remove again.
  - Runs on the controller.
extends_documentation_fragment: [look, site]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices: [deploy.release.frontend, deploy.verification.critical_functionality]
    default: [deploy.release.frontend, deploy.verification.critical_functionality]
  archive:
    description: The build's archive, as M(build_artifact) returned it; needed for C(deploy.release.frontend).
    type: path
  archive_sha256:
    description: Digest of O(archive).
    type: str
  assets:
    description: Folders of the build with the path below which each of their files is served.
    type: list
    elements: dict
    default: []
    suboptions:
      folder:
        description: Folder below the root of the build.
        type: str
        required: true
      path:
        description: Path at which it is served.
        type: str
        required: true
  pages:
    description: Single files of the build with the path at which each is served, the front page first.
    type: list
    elements: dict
    default: []
    suboptions:
      file:
        description: File below the root of the build.
        type: str
        required: true
      path:
        description: Path at which it is served.
        type: str
        required: true
  journey:
    description:
      - The steps, in order. Each is a request as in M(smoke_requests) with more keys. C(keep) takes values from the answer's JSON,
        by their names, each with its C(place.in.it); C(lacks) is text that the answer must not hold; C(repeat) sends the step
        several times; C(always) sends it even where one before failed, to clean up.
      - V(${name}) in a step stands for a kept value, one of O(secrets), or V(${nonce}), V(${a}), V(${b}), V(${product}) and
        V(${sum}), which are new each time. One step must store such a value, and a later GET read it back.
      - Cookies are kept as a browser does.
    type: list
    elements: dict
    default: []
  secrets:
    description: Values for the journey that appear in no output.
    type: dict
    default: {}
  request_id_header:
    description: Header in which an id is sent, and in which the application returns it.
    type: str
    default: X-Request-ID
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
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: The frontend is what was built, and orders work
  check_visit:
    url: https://shop.example.com
    archive: "{{ built.archive }}"
    archive_sha256: "{{ built.sha256 }}"
    assets: [{folder: dist/assets, path: /assets}]
    pages: [{file: dist/index.html, path: /}]
    journey:
      - {name: log in, path: /login, method: POST, body: {name: probe, password: "${password}"}, json: {name: probe}}
      - {name: order, path: /api/orders, method: POST, body: {note: "${nonce}"}, status: 201, keep: {order: id}}
      - {name: read it back, path: "/api/orders/${order}", json: {note: "${nonce}"}, repeat: 3}
      - {name: remove it, path: "/api/orders/${order}", method: DELETE, status: 204, always: true}
    secrets: {password: "{{ vault_probe_password }}"}
    bypass_token: "{{ maintenance_bypass_token }}"
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

import time
import uuid
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.answers import Answer
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.assets import Served, judge_assets, map_paths, read_build
from ansible.module_utils.tickbox.journey import Step, chances, judge_journey, proves_nothing, travel
from ansible.module_utils.tickbox.site import HTTPX, SITE_SPEC, Site, together

FRONTEND = "deploy.release.frontend"
JOURNEY = "deploy.verification.critical_functionality"
ENCODINGS = ("gzip", "identity")  # a file may lie there in two forms, of which one is stale


def headers(params: dict[str, Any]) -> dict[str, str]:
    return {params["bypass_header"]: params["bypass_token"]} if params["bypass_token"] else {}


def frontend(params: dict[str, Any]) -> Verdict:
    if not params["archive"] or not params["assets"] or not params["pages"]:
        raise CouldNotLook("archive, assets and pages say what was built and where it is served; one of them is missing")
    built = read_build(Path(params["archive"]), params["archive_sha256"], params["assets"], params["pages"])
    site = Site(params["url"], params["addresses"], params["ca_path"])

    def fetch(what: tuple[str, str, str]) -> Served:
        address, path, encoding = what
        answer = site.ask(address, path, headers={**headers(params), "Accept-Encoding": encoding})
        return Served(address, path, encoding, answer)

    # The largest first, so that no thread is left with it at the end.
    paths = sorted(built, key=lambda path: -len(built[path].content))
    maps = map_paths(built)
    seen = together(fetch, [*product(site.addresses, paths, ENCODINGS), *product(site.addresses, maps, ["identity"])])
    served = len(site.addresses) * len(paths) * len(ENCODINGS)
    return judge_assets(built, seen[:served], seen[served:], params["pages"][0]["path"])


def journey(params: dict[str, Any]) -> Verdict:
    if reason := proves_nothing(params["journey"]):
        raise CouldNotLook(reason)
    if wrong := [key for step in params["journey"] for key in ("path",) if not isinstance(step.get(key), str)]:
        raise CouldNotLook(f"a step of the journey has no {wrong[0]}")
    id_header = params["request_id_header"]

    def at(address: str) -> tuple[str, list[Step]]:
        site = Site(params["url"], params["addresses"], params["ca_path"])  # with cookies of its own

        def take(step: Mapping[str, Any]) -> tuple[Answer, float, str, str]:
            request_id = uuid.uuid4().hex
            sent = {**(step.get("headers") or {}), **headers(params), id_header: request_id}
            began = time.monotonic()
            method = str(step.get("method") or "GET").upper()
            answer = site.ask(address, str(step["path"]), method, sent, step.get("body"))
            return answer, time.monotonic() - began, request_id, id_header

        return address, travel(params["journey"], {**params["secrets"], **chances()}, take)

    return judge_journey(dict(together(at, Site(params["url"], params["addresses"], params["ca_path"]).addresses)))


LOOKS = {FRONTEND: frontend, JOURNEY: journey}


def main() -> None:
    place = {"path": {"type": "str", "required": True}}
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": list(LOOKS), "default": list(LOOKS)},
            **SITE_SPEC,
            "archive": {"type": "path"},
            "archive_sha256": {"type": "str"},
            "assets": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"folder": {"type": "str", "required": True}, **place},
            },
            "pages": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"file": {"type": "str", "required": True}, **place},
            },
            "journey": {"type": "list", "elements": "dict", "default": []},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "request_id_header": {"type": "str", "default": "X-Request-ID"},
            "bypass_header": {"type": "str", "default": "X-Maintenance-Bypass"},
            "bypass_token": {"type": "str", "no_log": True},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not HTTPX:
        module.fail_json(msg=missing_required_lib("httpx"))
    params = module.params
    exit_with(module, together(lambda item: examine(item, lambda: LOOKS[item](params)), dict.fromkeys(params["items"])))


if __name__ == "__main__":
    main()
