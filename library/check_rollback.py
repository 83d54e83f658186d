#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what a rollback has come to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_rollback
short_description: Whether the database is as the rollback's policy said, and the earlier release was verified
description:
  - C(rollback.initiate.database) is ticked, with O(policy=restore), when the database is O(restore_point), with the
    tables, rows and migrations that the restore point recorded when it was made and the earlier release has, and the newer
    database is still there as O(aside). With O(policy=keep), when the database has the migrations of the earlier release and that
    code's own check found no difference, or migrations that are declared O(compatible) and the code was seen to use them, and its
    smoke tests passed on it. With O(policy=downgrade), when the database has the migrations of the earlier release, that code's own
    check found no difference, no table lost rows, and the newer database is kept as O(aside).
  - C(rollback.initiate.verified) is ticked when, by the record of this run, each of O(verification) passed on the way back, for the
    release that O(manifest) names, on each of O(hosts). What is waived is told.
  - Judges what M(restore_point) and M(check_migrations) have seen, and the run's record. Runs on the controller, so that visitors
    need not wait for it.
extends_documentation_fragment: [look]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    required: true
    choices: [rollback.initiate.database, rollback.initiate.verified]
  directory:
    description: Folder of the run, as M(run_record) returned it.
    type: path
    required: true
  manifest:
    description: Manifest of the earlier release.
    type: dict
    required: true
  database:
    description: Name of the database. Needed for C(rollback.initiate.database).
    type: str
  policy:
    description: What became of the database. Needed for C(rollback.initiate.database).
    type: str
    choices: [keep, downgrade, restore]
  restore_point:
    description: The restore point that the database went back to. With O(policy=restore).
    type: str
    default: ""
  aside:
    description: Name under which the newer database is kept.
    type: str
    default: ""
  restored:
    description: What M(restore_point) returned as RV(restore_point#module:restored).
    type: dict
  downgraded:
    description: What M(restore_point) compared after a downgrade, as RV(restore_point#module:restored).
    type: dict
  schema:
    description: For a database that did not go back, C(current), the migrations that it has, and C(check), how the earlier code's
      own comparison ended (left out where none was made). For a schema that is newer, C(proof), what M(try_release) returned.
    type: dict
  listing:
    description: Table that has a row for each migration, as C(public.migrations). A downgrade takes rows from it.
    type: str
    default: ""
  compatible:
    description: Migrations that are declared to be usable by earlier code.
    type: list
    elements: str
    default: []
  hosts:
    description: Hosts of the application. Needed for C(rollback.initiate.verified).
    type: list
    elements: str
    default: []
  verification:
    description: Items of C(deploy.verification) that a module looks at.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Restore database if necessary
  check_rollback:
    items: [rollback.initiate.database]
    directory: reports/20260103t101112z_77aa
    manifest: "{{ rollback_manifest }}"
    database: shop
    policy: restore
    restore_point: shop_before_20260102t030405z_9f1c
    aside: shop_aside_20260103t101112z_77aa
    restored: "{{ back.restored }}"
  delegate_to: localhost
  run_once: true

- name: Verify rollback was successful
  check_rollback:
    items: [rollback.initiate.verified]
    directory: reports/20260103t101112z_77aa
    manifest: "{{ rollback_manifest }}"
    hosts: "{{ groups['app'] }}"
    verification: [deploy.verification.running, deploy.verification.smoke_tests]
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

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import record, rolled_back
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with

NEEDED = {
    "rollback.initiate.database": ("database", "policy"),
    "rollback.initiate.verified": ("hosts", "verification"),
}
MANIFEST = ("release_id", "version", "commit")


class Look:
    """What each item needs to see."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    def looks(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = rolled_back.looks(record.read(Path(self.params["directory"])))
        except record.BrokenRecord as reason:
            raise CouldNotLook(f"the run's record is broken: {reason}") from None
        return found

    def database(self) -> Verdict:
        given, database = self.params, self.params["database"]
        if given["policy"] == "keep":
            return rolled_back.judge_kept(
                self.given("schema"), given["manifest"], self.looks(), database=database, compatible=given["compatible"]
            )
        if given["policy"] == "downgrade":
            seen = (self.given("downgraded"), self.given("schema"))
            return rolled_back.judge_downgraded(
                *seen, given["manifest"], database=database, aside=given["aside"], listing=given["listing"]
            )
        names = {name: given[name] for name in ("database", "restore_point", "aside")}
        return rolled_back.judge_restored(self.given("restored"), given["manifest"], **names)

    def verified(self) -> Verdict:
        given = self.params
        return rolled_back.judge_verified(self.looks(), given["manifest"], given["hosts"], given["verification"])

    def given(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.params[name]
        if not found:
            raise CouldNotLook(f"nobody has looked at the database: {name} is not given")
        return found


def whole(look: Any) -> Verdict:
    """The verdict of ``look``; what was seen in another form than it ought to be is not known."""
    try:
        seen: Verdict = look()
    except (KeyError, TypeError, AttributeError) as error:
        raise CouldNotLook(f"what was seen cannot be read: {type(error).__name__} {error}") from None
    return seen


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "required": True, "choices": list(NEEDED)},
            "directory": {"type": "path", "required": True},
            "manifest": {"type": "dict", "required": True},
            "database": {"type": "str"},
            "restore_point": {"type": "str", "default": ""},
            **{name: {"type": "str", "default": ""} for name in ("aside", "listing")},
            "policy": {"type": "str", "choices": ["keep", "downgrade", "restore"]},
            **{name: {"type": "dict"} for name in ("restored", "downgraded", "schema")},
            **{name: {"type": "list", "elements": "str", "default": []} for name in ("compatible", "hosts", "verification")},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    items = list(dict.fromkeys(module.params["items"]))
    for item in items:
        if missing := [name for name in NEEDED[item] if not module.params[name]]:
            module.fail_json(msg=f"{item} needs {', '.join(missing)}")
    if missing := [name for name in MANIFEST if not module.params["manifest"].get(name)]:
        module.fail_json(msg=f"manifest lacks {', '.join(missing)}")
    look = Look(module.params)
    exit_with(module, [examine(item, lambda item=item: whole(getattr(look, item.rpartition(".")[2]))) for item in items])


if __name__ == "__main__":
    main()
