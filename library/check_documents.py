#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the application's documents."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_documents
short_description: Whether the documents of a version are complete and say what is so
description:
  - Reads the Markdown documents of a packed release. Each must be there, hold no placeholder and no empty section, and its links
    must lead somewhere. Links within the source, into documents and to routes of the application are followed, those to other
    sites are asked.
  - C(pre.docs.system) is ticked when the document names each of O(units), O(ports) and O(settings), and no unit of the application
    that there is not.
  - C(pre.docs.api) is ticked when the OpenAPI document is valid, its operations are exactly the application's routes, and the
    document describes each of them and no other.
  - C(pre.docs.user_guide) is ticked when what the guide sets in bold are the controls of the pages, all of them.
  - C(pre.docs.deployment_guide) is ticked when its commands call what the project has, and it describes each of
    O(phases) and each role of O(project).
  - C(pre.docs.maintenance_guide) is ticked when each alert that the monitoring has loaded has a runbook, and its C(runbook_url)
    leads to that section of O(runbook_page).
  - Runs on the controller.
extends_documentation_fragment: [look]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices: [pre.docs.system, pre.docs.api, pre.docs.user_guide, pre.docs.deployment_guide, pre.docs.maintenance_guide]
    default: [pre.docs.system, pre.docs.api, pre.docs.user_guide, pre.docs.deployment_guide, pre.docs.maintenance_guide]
  archive:
    description: The packed release, as M(build_artifact) made it.
    type: path
    required: true
  sha256:
    description: Its digest.
    type: str
    required: true
  repository:
    description: Copy of the git repository, for what the commit has and the release does not ship.
    type: path
  commit:
    description: The release's commit there.
    type: str
  documents:
    description: Path of each document in the source, by the last part of its item.
    type: dict
    required: true
  url:
    description: Address at which the application is served.
    type: str
    required: true
  ca_path:
    description: Certificates to trust for O(prometheus_url) instead of the machine's own.
    type: path
  application:
    description: Name of the application, with which its units begin.
    type: str
    required: true
  units:
    description: Units of a release, such as C(shop-web@.service).
    type: list
    elements: str
    required: true
  host_units:
    description: Further units that the document may name.
    type: list
    elements: str
    default: []
  ports:
    description: Ports that the application's hosts open.
    type: list
    elements: int
    default: []
  settings:
    description: Names of the application's settings.
    type: list
    elements: str
    default: []
  interface:
    description:
      - What the application's code says of itself, as JSON - C(openapi), its OpenAPI document, and C(routes), a list of
        C(METHOD /path) with each route that there is. Needed for C(pre.docs.api).
    type: str
  besides:
    description: Routes that are no operations of the API.
    type: list
    elements: str
    default: []
  controls:
    description: Where the pages' controls are, with C(sources) and C(built) (patterns of paths in the release) and C(pattern), a
      regular expression whose group is a control's label.
    type: dict
  project:
    description: The deployment's own folder, whose playbooks the deployment guide may call, and whose roles it describes.
    type: path
  programs:
    description: Programs that a reader of the deployment guide has.
    type: list
    elements: str
    default: [ansible, ansible-playbook, ansible-vault, curl, git, ssh, uv]
  phases:
    description: Names of the phases; a row, item or heading of the deployment guide begins with each.
    type: list
    elements: str
    default: []
  prometheus_url:
    description: Where the monitoring says which alerts it has loaded. Needed for C(pre.docs.maintenance_guide).
    type: str
  prometheus_user:
    description: Name to log in there with.
    type: str
    default: ""
  prometheus_password:
    description: Password of that name.
    type: str
    default: ""
  runbook_path:
    description: Path below O(url) at which the maintenance guide is served.
    type: str
  runbook_page:
    description: The page that the release itself answers there.
    type: str
requirements: [markdown-it-py, httpx and openapi-spec-validator on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: System documentation is complete
  check_documents:
    items: [pre.docs.system]
    archive: "{{ built.archive }}"
    sha256: "{{ built.sha256 }}"
    documents: {system: docs/system.md}
    url: https://shop.example.com
    application: shop
    units: [shop-web@.service]
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

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.assertion import FAILED, CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.documents import (
    Controls,
    Library,
    Missing,
    Runbooks,
    Tree,
    judge_api,
    judge_deployment,
    judge_maintenance,
    judge_system,
    judge_user_guide,
    load_tree,
    project_of,
)
from ansible.module_utils.tickbox.elsewhere import loaded_alerts, reach
from ansible.module_utils.tickbox.markdown import MARKDOWN
from ansible.module_utils.tickbox.openapi import OPENAPI, Api, interface_of
from ansible.module_utils.tickbox.site import HTTPX

ITEMS = [f"pre.docs.{name}" for name in ("system", "api", "user_guide", "deployment_guide", "maintenance_guide")]


class Look:
    """What the items need to see, seen once."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    @cached_property
    def tree(self) -> Tree:
        given = self.params
        return load_tree(Path(given["archive"]), given["sha256"], given["repository"], given["commit"])

    @cached_property
    def interface(self) -> tuple[Api, list[str]]:
        said: tuple[Api, list[str]] = interface_of(self.params["interface"])
        return said

    @cached_property
    def library(self) -> Library:
        operations = set(self.interface[0].operations) if self.params["interface"] else None
        return Library(self.tree, self.params["url"], operations, reach)

    def path(self, name: str) -> str:
        path = self.params["documents"].get(name)
        if not path:
            raise CouldNotLook(f"documents: no path is given for {name}")
        return str(path)

    def system(self) -> Verdict:
        given = self.params
        names = (given["units"], given["host_units"], given["ports"], given["settings"])
        return judge_system(self.library, self.path("system"), given["application"], *names)

    def api(self) -> Verdict:
        api, routes = self.interface
        return judge_api(self.library, self.path("api"), api.invalid(), api.operations, routes, self.params["besides"])

    def user_guide(self) -> Verdict:
        given = self.params["controls"] or {}
        if lacking := [name for name in ("sources", "pattern", "built") if not given.get(name)]:
            raise CouldNotLook(f"controls: {', '.join(lacking)} not given")
        controls = Controls(given["sources"], given["pattern"], given["built"])
        return judge_user_guide(self.library, self.path("user_guide"), controls)

    def deployment_guide(self) -> Verdict:
        project = project_of(self.tree, self.params["project"], self.params["programs"])
        path = self.path("deployment_guide")
        roles = [found.name for found in Path(self.params["project"] or ".").glob("roles/*") if found.is_dir()]
        return judge_deployment(self.library, path, project, self.params["phases"], roles)

    def maintenance_guide(self) -> Verdict:
        given = self.params
        path = self.path("maintenance_guide")
        self.library.document(path)
        if lacking := [name for name in ("prometheus_url", "runbook_path", "runbook_page") if not given[name]]:
            raise CouldNotLook(f"not given: {', '.join(lacking)}")
        alerts = loaded_alerts(given["prometheus_url"], given["prometheus_user"], given["prometheus_password"], given["ca_path"])
        runbooks = Runbooks(alerts, f"{given['url'].rstrip('/')}{given['runbook_path']}", given["runbook_page"])
        return judge_maintenance(self.library, path, runbooks)


def there(look: Callable[[], Verdict]) -> Verdict:
    try:
        return look()
    except Missing as missing:
        return Verdict(FAILED, f"the release has no {missing}")


def main() -> None:
    text: dict[str, Any] = {"type": "str"}
    names: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": ITEMS, "default": ITEMS},
            "archive": {"type": "path", "required": True},
            "sha256": {"type": "str", "required": True},
            "repository": {"type": "path"},
            "commit": text,
            "documents": {"type": "dict", "required": True},
            "url": {"type": "str", "required": True},
            "ca_path": {"type": "path"},
            "application": {"type": "str", "required": True},
            "units": {"type": "list", "elements": "str", "required": True},
            "host_units": names,
            "ports": {"type": "list", "elements": "int", "default": []},
            "settings": names,
            "interface": text,
            "besides": names,
            "controls": {"type": "dict"},
            "project": {"type": "path"},
            "programs": {**names, "default": ["ansible", "ansible-playbook", "ansible-vault", "curl", "git", "ssh", "uv"]},
            "phases": names,
            "prometheus_url": text,
            "prometheus_user": {"type": "str", "default": ""},
            "prometheus_password": {"type": "str", "default": "", "no_log": True},
            "runbook_path": text,
            "runbook_page": text,
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    for found, name in ((MARKDOWN, "markdown-it-py"), (HTTPX, "httpx"), (OPENAPI, "openapi-spec-validator")):
        if not found:
            module.fail_json(msg=missing_required_lib(name))
    look = Look(module.params)
    judges = {item: getattr(look, item.rpartition(".")[2]) for item in ITEMS}
    exit_with(module, [examine(item, lambda item=item: there(judges[item])) for item in dict.fromkeys(module.params["items"])])


if __name__ == "__main__":
    main()
