#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the restic repository of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restic_repository
short_description: Judge the settings of a restic repository, and make it where it is not there
description:
  - O(state=judged) reads the settings alone, and needs no restic. Wrong ones fail the module, each with its variable.
  - O(state=present) looks for the repository and makes it where there is none. A wrong password, or a storage that cannot be
    reached, fails the module.
options:
  repository:
    description: Address of the repository.
    type: str
    required: true
  restic_environment:
    description: Further variables for restic, as the credentials of a store.
    type: dict
    default: {}
  ssh_key:
    description: Private key for a repository at C(sftp:). For O(state=judged).
    type: str
    default: ""
  ssh_known_hosts:
    description: Keys of its server, as lines of a file of known hosts. For O(state=judged).
    type: str
    default: ""
  password_file:
    description: File with the repository's password. Needed for O(state=present).
    type: path
  state:
    description: What to do.
    type: str
    choices: [judged, present]
    default: present
requirements: [restic]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Make the repository
  restic_repository:
    repository: sftp:backup@backup.example.com:/srv/restic/db1
    password_file: /etc/tickbox/restic-password
"""

RETURN = r"""
ssh_host:
  description: The server of a repository at C(sftp:), empty for others.
  returned: success
  type: str
"""

import re
import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.file_backup import Repository
from ansible.module_utils.tickbox.restic_address import problems, sftp_server

MISSING = 10  # how restic 0.17 and later end where there is no repository
MOST = 400  # characters of what restic says


def restic(repository: Repository, *arguments: str) -> tuple[int, str]:
    """How restic ended, and what it said, as one line."""
    command = ["restic", "--no-cache", "--quiet", *arguments]
    done = subprocess.run(
        command, env=repository.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.returncode, " ".join((done.stderr or done.stdout).split())[:MOST]


def make(module: AnsibleModule, address: str, repository: Repository) -> bool:
    """Make the repository unless it is there; whether it was made."""
    code, said = restic(repository, "cat", "config")
    if code == 0:
        return False
    if "wrong password" in said:
        module.fail_json(msg=f"backup_password is not the password of the repository {address}")
    # Of a storage that refuses, restic says the same as of one that is empty: making the repository tells.
    if code != MISSING and not re.search("Is there a repository at|unable to open config file", said):
        module.fail_json(msg=f"backup_repository: {address} cannot be reached: {said}")
    if not module.check_mode:
        code, said = restic(repository, "init")
        if code != 0:
            module.fail_json(msg=f"backup_repository: {address} cannot be made: {said}")
    return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "repository": {"type": "str", "required": True},
            "restic_environment": {"type": "dict", "default": {}, "no_log": True},
            "ssh_key": {"type": "str", "default": "", "no_log": True},
            "ssh_known_hosts": {"type": "str", "default": ""},
            "password_file": {"type": "path", "no_log": False},
            "state": {"type": "str", "choices": ["judged", "present"], "default": "present"},
        },
        required_if=[("state", "present", ["password_file"])],
        supports_check_mode=True,
    )
    given = module.params
    address = given["repository"]
    server = sftp_server(address)
    changed = False
    if given["state"] == "judged":
        if wrong := problems(address, given["restic_environment"], given["ssh_key"], given["ssh_known_hosts"]):
            module.fail_json(msg="; ".join(wrong))
    else:
        try:
            changed = make(module, address, Repository(address, given["password_file"], given["restic_environment"]))
        except FileNotFoundError:
            module.fail_json(msg="restic is not installed on this host")
    module.exit_json(changed=changed, ssh_host=server.host if server else "")


if __name__ == "__main__":
    main()
