#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a command with an environment that no log shows."""

from __future__ import annotations

DOCUMENTATION = r"""
module: private_command
short_description: Run a command with an environment that no log shows
description:
  - Runs a command as M(ansible.builtin.command) does, with secrets in its environment.
  - What a task's own C(environment) holds stands on the command line with which it becomes another user, and so in the process list
    and in sudo's log. Here it goes to the host with the module's arguments.
  - Fails where the command ends with another code than 0.
options:
  argv:
    description: The command and its arguments. There is no shell.
    type: list
    elements: str
    required: true
  chdir:
    description: Folder in which it runs.
    type: path
  environment:
    description: What its environment has besides the host's, as the JSON text of an object. A value that is null is left out.
    type: str
    required: true
attributes:
  check_mode:
    support: none
    details: Is skipped, as nobody knows what the command changes.
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Run database migrations
  private_command:
    argv: [venv/bin/alembic, upgrade, head]
    chdir: /srv/shop/current/code
    environment: "{{ {'DATABASE_URL': database_url} | to_json }}"
  become: true
  become_user: shop
"""

RETURN = r"""
cmd:
  description: The command and its arguments.
  returned: always
  type: list
  elements: str
rc:
  description: What it ended with.
  returned: always
  type: int
stdout:
  description: What it wrote.
  returned: always
  type: str
stderr:
  description: What it wrote of errors.
  returned: always
  type: str
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "argv": {"type": "list", "elements": "str", "required": True},
            "chdir": {"type": "path"},
            # Text, so that no short value in it is taken for a secret, and blotted out wherever it stands in the output.
            "environment": {"type": "str", "required": True, "no_log": True},
        },
        supports_check_mode=False,
    )
    argv = module.params["argv"]
    if not argv:
        module.fail_json(msg="argv: there is no command")
    try:
        environment = {name: str(value) for name, value in json.loads(module.params["environment"]).items() if value is not None}
    except (ValueError, AttributeError):
        module.fail_json(msg="environment: it is no JSON object")
    try:
        os.chdir(module.params["chdir"] or os.curdir)  # run_command goes on without a folder that is not there
        code, stdout, stderr = module.run_command(argv, environ_update=environment, handle_exceptions=False)
    except OSError as error:
        module.fail_json(msg=f"{' '.join(argv)} cannot be run: {error}")
    ended = {"cmd": argv, "rc": code, "stdout": stdout.rstrip("\r\n"), "stderr": stderr.rstrip("\r\n")}
    if code:
        module.fail_json(msg="non-zero return code", **ended)
    module.exit_json(changed=True, **ended)


if __name__ == "__main__":
    main()
