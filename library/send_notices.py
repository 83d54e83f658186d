#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a notice to people."""

from __future__ import annotations

DOCUMENTATION = r"""
module: send_notices
short_description: Tell receivers of a run
description:
  - Sends one notice to all receivers at once, by Apprise, each with a deadline, and says what each one's server answered. Redirects
    are not followed. That a receiver refuses is no failure here; M(check_notices) judges it.
  - Of an address nothing but its scheme is in the result.
  - Runs on the controller.
options:
  receivers:
    description: Who is told.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the receiver, for people.
        type: str
        required: true
      url:
        description: Address as Apprise writes it, such as C(mailtos://user:password@example.com?to=ops@example.com).
        type: str
        required: true
      kept_url:
        description: Not used here; see M(check_notices).
        type: str
  run:
    description: Id of the run.
    type: str
    required: true
  kind:
    description: What is told.
    type: str
    choices: [planned, live, failed, rolled_back]
    required: true
  message:
    description: The text. Its first line is the title; below it stands the notice's id, which is O(run), a dash and O(kind).
    type: str
    required: true
  seconds:
    description: Time that each receiver has to accept.
    type: float
    default: 10
  ca_path:
    description: Certificates that those of receivers are checked against, instead of the machine's.
    type: path
requirements: [apprise and httpx on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Tell of the maintenance
  send_notices:
    receivers:
      - {name: operators, url: "mailtos://tickbox:{{ vault_mail_password }}@example.com?to=ops@example.com"}
      - {name: status page, url: "jsons://status.example.com/hooks/{{ vault_status_token }}"}
    run: 20260102t030405z_9f1c
    kind: planned
    message: |
      Maintenance of the shop begins soon
      For about five minutes nobody can order. Notice 20260102t030405z_9f1c-planned
  delegate_to: localhost
  register: sent
"""

RETURN = r"""
notice:
  description: Its C(id) and C(kind), and for each of C(receivers) its name, scheme, whether it accepted, what its server answered,
    how many seconds that took and when it was (Unix time). Empty in check mode, where nothing is sent.
  returned: always
  type: dict
  sample:
    id: 20260102t030405z_9f1c-planned
    kind: planned
    receivers:
      - {name: status page, scheme: jsons, accepted: false, answer: HTTP 503, seconds: 0.04, at: 1767323045.1}
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.delivery import APPRISE, deliver, trust, unreadable
from ansible.module_utils.tickbox.notices import notice_id, wrong_names

TYPES = {"planned": "info", "live": "success", "failed": "failure", "rolled_back": "warning"}


def main() -> None:
    receiver = {
        "name": {"type": "str", "required": True},
        "url": {"type": "str", "required": True, "no_log": True},
        "kept_url": {"type": "str", "no_log": True},
    }
    module = AnsibleModule(
        argument_spec={
            "receivers": {"type": "list", "elements": "dict", "default": [], "options": receiver},
            "run": {"type": "str", "required": True},
            "kind": {"type": "str", "choices": list(TYPES), "required": True},
            "message": {"type": "str", "required": True},
            "seconds": {"type": "float", "default": 10},
            "ca_path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    if not APPRISE:
        module.fail_json(msg=missing_required_lib("apprise"))
    title, _, body = params["message"].strip().partition("\n")
    identifier = notice_id(params["run"], params["kind"])
    if identifier not in body:
        module.fail_json(msg=f"The message does not hold the notice's id below its title: {identifier}")
    problems = unreadable(params["receivers"])
    if params["receivers"]:
        problems += wrong_names([one["name"] for one in params["receivers"]])
    if problems:
        module.fail_json(msg="No notice was sent. " + "; ".join(problems))
    if module.check_mode:
        module.exit_json(changed=False, notice={})
    trust(params["ca_path"])
    told = deliver(params["receivers"], title.strip(), body.strip(), TYPES[params["kind"]], params["seconds"])
    notice = {"id": identifier, "kind": params["kind"], "receivers": told}
    module.exit_json(changed=bool(told), notice=notice)


if __name__ == "__main__":
    main()
