#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a test alert."""

from __future__ import annotations

DOCUMENTATION = r"""
module: send_test_alert
short_description: Raise an alert that tests the way from a figure to who is told
description:
  - Writes a figure for the node exporter, over which a rule of Prometheus raises the alert C(TestAlert) with a nonce; it ends by
    itself some minutes later. It does not wait for the alert.
  - Runs on the monitoring host, as root.
options:
  alertmanager_url:
    description: Address of Alertmanager on this host.
    type: str
    default: http://127.0.0.1:9093
  user:
    description: Name that logs in.
    type: str
  password_file:
    description: File with its password.
    type: path
    default: /etc/prometheus/dashboard.password
  file:
    description: File of figures that the node exporter reads.
    type: path
    default: /var/lib/prometheus/node-exporter/tickbox_test_alert.prom
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Send a test alert
  send_test_alert:
    user: operator
  register: sent
"""

RETURN = r"""
test_alert:
  description: The C(nonce), when it was C(sent) (Unix time), and what Alertmanager had sent and failed to send by then, by kind.
  returned: always
  type: dict
  sample: {nonce: 1f0c9a7b, sent: 1767323045.1, before: {webhook: [3, 0]}}
"""

import secrets
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.prometheus import Service
from ansible.module_utils.tickbox.watching import delivered

METRIC = "tickbox_test_alert_timestamp_seconds"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "alertmanager_url": {"type": "str", "default": "http://127.0.0.1:9093"},
            "user": {"type": "str"},
            "password_file": {"type": "path", "default": "/etc/prometheus/dashboard.password", "no_log": False},
            "file": {"type": "path", "default": "/var/lib/prometheus/node-exporter/tickbox_test_alert.prom"},
        },
        supports_check_mode=True,
    )
    params = module.params
    nonce, sent = secrets.token_hex(8), time.time()
    file = Path(params["file"])
    new = file.with_suffix(".new")  # the exporter reads files that end in .prom
    try:
        password = Path(params["password_file"]).read_text().strip() if params["user"] else ""
        alertmanager = Service("Alertmanager", params["alertmanager_url"], params["user"] or "", password)
        before = delivered(alertmanager.figures(f"{alertmanager.base}/metrics"))
        if not module.check_mode:
            new.write_text(f'# Written by a deployment.\n{METRIC}{{nonce="{nonce}"}} {sent:.3f}\n')
            new.chmod(0o644)
            new.rename(file)
    except (OSError, CouldNotLook) as error:
        module.fail_json(msg=f"No test alert was sent: {error}")
    module.exit_json(changed=True, test_alert={"nonce": nonce, "sent": sent, "before": before})


if __name__ == "__main__":
    main()
