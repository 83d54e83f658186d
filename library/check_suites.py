#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what the application's own suites found at this commit."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_suites
short_description: Whether tests, analyses and benchmarks of exactly this commit and build went well
description:
  - Reads the results that M(run_suites) left. Each must be of O(commit), of its lock files as the repository has them, of
    O(build), made by the commands that are set, unchanged since, and its command must have ended well.
  - Tests must have run, enough of them, none failed or passed only when tried again, and no more skipped than may be. Counters
    that a suite recorded of its services must show that these did the work.
  - Benchmarks must be within their budgets at the 50th and 95th percentile, over 30 samples or more.
  - Analyses must have looked at each file that they should, have found the faults that were planted for them, and nothing else at
    the level that is set. Comments that ask them to look away are counted in the commit itself. C(bandit) may not be told to leave
    out rules or findings, nor read settings of the repository; for each rule that C(oxlint) is given something must be planted.
  - Runs on the controller. An item for which no suite is set, or whose suite could not be run, is C(unverifiable).
extends_documentation_fragment: [look]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices:
      - pre.quality.unit_tests
      - pre.quality.integration_tests
      - pre.quality.e2e_tests
      - pre.quality.security_standards
      - pre.quality.performance_benchmarks
    default:
      - pre.quality.unit_tests
      - pre.quality.integration_tests
      - pre.quality.e2e_tests
      - pre.quality.security_standards
      - pre.quality.performance_benchmarks
  repository:
    description: The bare copy of the repository, as M(build_artifact) keeps it.
    type: path
    required: true
  commit:
    description: Full hash of the commit.
    type: str
    required: true
  build:
    description: Digest of the built tree.
    type: str
    default: ""
  locks:
    description: Paths of the lock files below the root of the source.
    type: list
    elements: str
    default: []
  setup:
    description: As M(run_suites) had it.
    type: list
    elements: str
    default: []
  suites:
    description:
      - The suites by name, as M(run_suites) had them. C(item) is the item that one answers for; several may answer for the same.
      - C(report) is V(junit) (C(minimum), C(skipped), C(properties)), V(benchmark) (C(budgets) with C(p50_ms) and C(p95_ms),
        C(samples)), or V(bandit), V(oxlint) or V(sarif) (C(files), C(exclude), C(level), C(suppressions), C(planted)).
      - Integration tests count with C(properties) alone, the least that counters of real services, which the suite records in its
        report as properties, must have come to.
    type: dict
    required: true
  results:
    description: Folder of the results.
    type: path
    required: true
requirements: [junitparser on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: All unit tests pass
  check_suites:
    items: [pre.quality.unit_tests]
    repository: .tickbox/build/shop/repository.git
    commit: "{{ release_commit }}"
    locks: [requirements.lock]
    suites:
      unit:
        item: pre.quality.unit_tests
        report: junit
        commands: ["pytest tests/unit --junit-xml={report}"]
        minimum: 50
    results: .tickbox/build/shop/suites
  delegate_to: localhost
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended.
  returned: always
  type: list
  elements: dict
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, all_of, examine, exit_with, listed
from ansible.module_utils.tickbox.repository import History
from ansible.module_utils.tickbox.source import SourceError
from ansible.module_utils.tickbox.static_analysis import LEVELS, LOOK_AWAY, judge_analysis, suppressions, wanted_files
from ansible.module_utils.tickbox.suites import Subject, lock_digests, read_result, result_problems, suite_key
from ansible.module_utils.tickbox.test_reports import JUNITPARSER, judge_benchmarks, judge_tests

INTEGRATION = "pre.quality.integration_tests"
ITEMS = [
    "pre.quality.unit_tests",
    INTEGRATION,
    "pre.quality.e2e_tests",
    "pre.quality.security_standards",
    "pre.quality.performance_benchmarks",
]
JUDGES = {"junit": judge_tests, "benchmark": judge_benchmarks}


class Look:
    """What the items need to see, seen once."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.history = History(Path(params["repository"]))

    @cached_property
    def subject(self) -> Subject:
        commit = self.params["commit"]
        if not self.history.has(f"{commit}^{{commit}}"):
            raise CouldNotLook(f"{self.params['repository']} does not have commit {commit[:12]}")
        try:
            locks = lock_digests(Path(self.params["repository"]), commit, self.params["locks"])
        except SourceError as error:
            raise CouldNotLook(f"a lock file cannot be read: {' '.join(str(error).split())[-200:]}") from None
        return Subject(commit, locks, self.params["build"])

    @cached_property
    def tree(self) -> list[str]:
        found: list[str] = self.history.files(self.subject.commit)
        return found

    @cached_property
    def looks_away(self) -> list[tuple[str, int, str]]:
        found: list[tuple[str, int, str]] = self.history.lines(self.subject.commit, LOOK_AWAY)
        return found

    def item(self, item: str) -> Verdict:
        suites = {name: suite for name, suite in self.params["suites"].items() if suite.get("item") == item}
        if not suites:
            raise CouldNotLook("no suite is set for it (app_suites)")
        # Tests that pass with a stand-in, or with nothing, look like any other.
        if item == INTEGRATION and not any(suite.get("properties") for suite in suites.values()):
            raise CouldNotLook(
                f"{listed(suites)}: no counter of a service is asked for (properties), so nothing shows that one did the work"
            )
        return all_of(*(self.suite(name, suite) for name, suite in suites.items()))

    def suite(self, name: str, suite: Mapping[str, Any]) -> Verdict:
        result = read_result(Path(self.params["results"]) / self.subject.commit, name)
        problems = [f"{name}: {problem}" for problem in self.problems(result, suite)]
        kind = suite["report"]
        if kind in JUDGES:
            return JUDGES[kind](result.report, suite, problems)
        files = wanted_files(self.tree, suite.get("files") or [], suite.get("exclude") or [])
        away = suppressions([line for line in self.looks_away if line[0] in files])
        return judge_analysis(result.report, suite, self.subject.commit, files, away, problems)

    def problems(self, result: Any, suite: Mapping[str, Any]) -> list[str]:
        problems: list[str] = result_problems(result, self.subject, suite_key(self.subject, self.params["setup"], suite))
        ended = [line for line in str(result.about.get("output") or "").splitlines() if line.strip()][-1:]
        # Without a report the last line of the output is the best that there is to say.
        return problems + ([f"it said last: {ended[0].strip()[:200]}"] if problems and not result.report and ended else [])


def form_problem(suites: Mapping[str, Any]) -> str:
    """What is wrong with how the suites are described, or nothing."""
    for name, suite in suites.items():
        if not isinstance(suite, dict) or not isinstance(suite.get("commands"), list):
            return f"suites: {name} has no list of commands"
        if suite.get("report") not in {*JUDGES, *LEVELS}:
            return f"suites: {name} has no report of {', '.join([*JUDGES, *LEVELS])}"
        if suite.get("item") not in ITEMS:
            return f"suites: {name} has no item of {', '.join(ITEMS)}"
    return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": ITEMS, "default": ITEMS},
            "repository": {"type": "path", "required": True},
            "commit": {"type": "str", "required": True},
            "build": {"type": "str", "default": ""},
            "locks": {"type": "list", "elements": "str", "default": []},
            "setup": {"type": "list", "elements": "str", "default": []},
            "suites": {"type": "dict", "required": True},
            "results": {"type": "path", "required": True},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not JUNITPARSER:
        module.fail_json(msg=missing_required_lib("junitparser"))
    if problem := form_problem(module.params["suites"]):
        module.fail_json(msg=problem)
    look = Look(module.params)
    exit_with(module, [examine(item, lambda item=item: look.item(item)) for item in dict.fromkeys(module.params["items"])])


if __name__ == "__main__":
    main()
