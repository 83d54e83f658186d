#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what people have said of the release: reviews and open bugs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_review
short_description: Whether the commit was reviewed by another than its author, and no critical bug is open
description:
  - C(pre.quality.code_reviewed) is ticked by O(review=tag) when O(version) is a tag of exactly O(commit), signed with a key that
    O(allowed_signers) has for one of O(reviewers), who wrote none of the commits since O(since).
  - By O(review=forge) it is ticked when O(reviews_needed) people other than the authors approved, as their last word, exactly this
    commit or one with the very same tree, and nobody asks for changes.
  - C(pre.quality.no_critical_bugs) is ticked by O(tracker=forge) when the project has each of O(critical_labels) and no open issue
    bears one; by O(tracker=export) when O(export) is a record that answers O(query), is signed by one of O(tracker_signers), not
    older than O(export_hours), and has no finding that is critical and open. By such an export it is C(attested).
  - Runs on the controller. An API that does not answer as documented makes an item C(unverifiable).
extends_documentation_fragment: [look]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices: [pre.quality.code_reviewed, pre.quality.no_critical_bugs]
    default: [pre.quality.code_reviewed, pre.quality.no_critical_bugs]
  repository:
    description: The bare copy of the repository, as M(build_artifact) keeps it.
    type: path
    required: true
  commit:
    description: Full hash of the commit.
    type: str
    required: true
  version:
    description: What is deployed; the name of the tag.
    type: str
    required: true
  since:
    description: Commit of the release that serves. All commits since must be another's than the reviewer's; without it, the one.
    type: str
    default: ""
  application:
    description: Name of the application, as an export names it.
    type: str
    required: true
  environment:
    description: Name of the environment, as an export names it.
    type: str
    required: true
  review:
    description: Where reviews are.
    type: str
    choices: [tag, forge]
    default: tag
  reviewers:
    description: Who may review, as principals of O(allowed_signers) or names on the forge.
    type: list
    elements: str
    default: []
  reviews_needed:
    description: How many people must have approved on the forge.
    type: int
    default: 1
  allowed_signers:
    description: Keys that may sign, as ssh-keygen(1) describes such a file. No commit of the deployed repository may hold it.
    type: path
  signed_commits:
    description: Whether each commit must be signed by one who wrote it. Without, who wrote it is what the commit says itself.
    type: bool
    default: false
  tracker:
    description: Where bugs are.
    type: str
    choices: [export, forge]
    default: export
  export:
    description: The signed record of what the tracker said; its signature lies beside it as C(.sig).
    type: path
  tracker_allowed_signers:
    description: As O(allowed_signers), for the export.
    type: path
  tracker_signers:
    description: Who may sign the export.
    type: list
    elements: str
    default: []
  query:
    description: The question to the tracker that the export must answer.
    type: str
    default: ""
  export_hours:
    description: How old the export may be.
    type: float
    default: 24
  critical_labels:
    description: Labels of critical issues on the forge.
    type: list
    elements: str
    default: [critical]
  forge:
    description: Kind of the forge.
    type: str
    choices: [github, gitlab, gitea]
  forge_url:
    description: Address of its API, such as V(https://api.github.com), V(https://gitlab.com/api/v4) or V(https://git.example.com/api/v1).
    type: str
  forge_project:
    description: The project there, as owner/name.
    type: str
  forge_token:
    description: Token that may read it.
    type: str
    default: ""
  ca_path:
    description: Certificates to trust instead of the machine's own.
    type: path
requirements: [httpx on the controller for a forge]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Code has been reviewed
  check_review:
    items: [pre.quality.code_reviewed]
    repository: .tickbox/build/shop/repository.git
    commit: "{{ release_commit }}"
    version: v2.1.0
    application: shop
    environment: production
    reviewers: [anna@example.com, ben@example.com]
    allowed_signers: /etc/tickbox/allowed_signers
  delegate_to: localhost
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (passed, attested, failed or unverifiable), summary, expected,
    observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with, listed, verdict
from ansible.module_utils.tickbox.attestation import Wanted, judge_export
from ansible.module_utils.tickbox.forge import FORGES, HTTPX, Forge, open_critical, reviews
from ansible.module_utils.tickbox.repository import History
from ansible.module_utils.tickbox.review import judge_approvals, judge_tag

REVIEWED = "pre.quality.code_reviewed"
NO_BUGS = "pre.quality.no_critical_bugs"


def forge_of(params: dict[str, Any]) -> Forge:
    missing = [name for name in ("forge", "forge_url", "forge_project") if not params[name]]
    if missing:
        raise CouldNotLook(f"{', '.join(missing)} must be set to ask a forge")
    return FORGES[params["forge"]](params["forge_url"], params["forge_project"], params["forge_token"], params["ca_path"])


def reviewed(params: dict[str, Any]) -> Verdict:
    history = History(Path(params["repository"]))
    commit, since = params["commit"], params["since"]
    if params["review"] == "forge":
        changes, approvals = reviews(forge_of(params), commit)
        if not changes:
            return verdict([f"commit {commit[:12]} came in by no request that anybody could review"], "")
        heads = {entry.commit for entry in approvals} - {""}
        same = [head for head in heads if history.has(f"{head}^{{commit}}") and history.tree(head) == history.tree(commit)]
        authors = {name for change in changes for name in change.authors}
        return judge_approvals(approvals, commit, same, authors, params["reviewers"], params["reviews_needed"])
    if not params["allowed_signers"]:
        raise CouldNotLook("allowed_signers must be set to know who may sign a release")
    # A release that the repository has no more, as after a rewritten history, is no beginning to count from.
    known = bool(since) and history.has(f"{since}^{{commit}}")
    return judge_tag(
        history.tag(params["version"]),
        params["version"],
        commit,
        history.commits(commit, since if known else ""),
        params["reviewers"],
        Path(params["allowed_signers"]),
        params["repository"],
        params["signed_commits"],
    )


def no_bugs(params: dict[str, Any]) -> Verdict:
    if params["tracker"] == "forge":
        if not params["critical_labels"]:
            raise CouldNotLook("critical_labels names no label")
        found = open_critical(forge_of(params), params["critical_labels"])
        where = f"{params['forge_project']} on {params['forge']}"
        named = [f"#{issue.number} {issue.title[:60]}" for issue in found]
        return verdict(
            [f"{len(found)} critical issues are open in {where}: {listed(named, 3)}"] if found else [],
            f"no open issue of {where} bears {listed(params['critical_labels'])}",
            expected={"labels": params["critical_labels"], "open": 0},
            observed={"open": len(found)},
            evidence=named,
        )
    missing = [name for name in ("export", "tracker_allowed_signers") if not params[name]]
    if missing:
        raise CouldNotLook(f"{', '.join(missing)} must be set to read an export of the tracker")
    history = History(Path(params["repository"]))
    wanted = Wanted(
        item=NO_BUGS,
        application=params["application"],
        environment=params["environment"],
        commit=params["commit"],
        role="tracker's keeper",
        signers=params["tracker_signers"],
        authors=set().union(*(entry.people for entry in history.commits(params["commit"], ""))),
    )
    longest = timedelta(hours=params["export_hours"])
    allowed = Path(params["tracker_allowed_signers"])
    now = datetime.now(UTC)
    return judge_export(Path(params["export"]), wanted, allowed, params["query"], now, longest, params["repository"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": [REVIEWED, NO_BUGS], "default": [REVIEWED, NO_BUGS]},
            "repository": {"type": "path", "required": True},
            "commit": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "since": {"type": "str", "default": ""},
            "application": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
            "review": {"type": "str", "choices": ["tag", "forge"], "default": "tag"},
            "reviewers": {"type": "list", "elements": "str", "default": []},
            "reviews_needed": {"type": "int", "default": 1},
            "allowed_signers": {"type": "path"},
            "signed_commits": {"type": "bool", "default": False},
            "tracker": {"type": "str", "choices": ["export", "forge"], "default": "export"},
            "export": {"type": "path"},
            "tracker_allowed_signers": {"type": "path"},
            "tracker_signers": {"type": "list", "elements": "str", "default": []},
            "query": {"type": "str", "default": ""},
            "export_hours": {"type": "float", "default": 24},
            "critical_labels": {"type": "list", "elements": "str", "default": ["critical"]},
            "forge": {"type": "str", "choices": ["github", "gitlab", "gitea"]},
            "forge_url": {"type": "str"},
            "forge_project": {"type": "str"},
            "forge_token": {"type": "str", "default": "", "no_log": True},
            "ca_path": {"type": "path"},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if "forge" in (module.params["review"], module.params["tracker"]) and not HTTPX:
        module.fail_json(msg=missing_required_lib("httpx"))
    judges = {REVIEWED: reviewed, NO_BUGS: no_bugs}
    wanted = dict.fromkeys(module.params["items"])
    exit_with(module, [examine(item, lambda item=item: judges[item](module.params)) for item in wanted])


if __name__ == "__main__":
    main()
