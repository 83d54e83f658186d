#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the database's schema against the code's."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_migrations
short_description: Whether the database has the schema of the code
description:
  - C(deploy.release.migrations) is ticked when the revisions that the database names are those of the code, and
    O(check_command) finds no difference between the live schema and the models. Changes nothing.
  - A database that was stamped without its migrations being run has the right revision and the wrong schema, which O(check_command)
    sees as far as it compares (for Alembic tables, columns, types, indexes, unique and foreign keys).
  - Runs where the release's commands are, as the application's user.
extends_documentation_fragment: [look]
options:
  heads:
    description: The code's newest revisions.
    type: list
    elements: str
    required: true
  current_command:
    description: Command that prints the database's revisions, each at the beginning of a line.
    type: str
    required: true
  check_command:
    description: Command that ends with 0 only where the live schema is that of the models.
    type: str
    required: true
  chdir:
    description: Folder in which the commands run.
    type: path
    required: true
  environment:
    description: Settings for the commands, with the address of the database. Values of at least 8 characters are masked
      wherever they show.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: The schema is the code's
  check_migrations:
    heads: [3f1c]
    current_command: /srv/shop/current/venv/bin/alembic current
    check_command: /srv/shop/current/venv/bin/alembic check
    chdir: /srv/shop/current/code
    environment:
      DATABASE_URL: "{{ shop_migration_database_url }}"
  become: true
  become_user: shop
"""

RETURN = r"""
assertions:
  description: The one for C(deploy.release.migrations), with item, status (passed, failed or unverifiable), summary, expected,
    observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import Verdict, examine, exit_with
from ansible.module_utils.tickbox.migrations import judge_migrations, revisions, run

COMMANDS = ("current_command", "check_command")
SHORTEST_SECRET = 8  # a shorter value, as `info` or `1`, is no secret and stands in many places


def look(params: dict[str, Any]) -> Verdict:
    environment = {name: str(value) for name, value in params["environment"].items() if value is not None}
    # Together: each spends its time on starting, and visitors wait meanwhile.
    with ThreadPoolExecutor() as pool:
        current, check = pool.map(lambda name: run(params[name], params["chdir"], environment), COMMANDS)
    return judge_migrations(
        set(params["heads"]),
        revisions(params["current_command"], current),
        check,
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **{name: {"type": "str", "required": True} for name in COMMANDS},
            "heads": {"type": "list", "elements": "str", "required": True},
            "chdir": {"type": "path", "required": True},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.no_log_values = {value for value in module.no_log_values if len(value) >= SHORTEST_SECRET}
    exit_with(module, [examine("deploy.release.migrations", lambda: look(module.params))])


if __name__ == "__main__":
    main()
