# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prints the document that a playbook makes, and nothing else: for programs that read it."""

from __future__ import annotations

DOCUMENTATION = """
name: document
type: stdout
short_description: Print what debug says as JSON, and nothing else
description:
  - Prints the C(msg) of each C(ansible.builtin.debug), as JSON where it is no text. All else of a play is left out.
  - Failures go to standard error; the exit code is Ansible's.
requirements:
  - chosen with C(ANSIBLE_STDOUT_CALLBACK=document)
"""

import json
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "document"

    def v2_runner_on_ok(self, result: Any) -> None:
        if result.task.action in ("ansible.builtin.debug", "debug"):
            message = result.result.get("msg")
            self._display.display(message if isinstance(message, str) else json.dumps(message, indent=2))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._tell(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._tell(result)

    def _tell(self, result: Any) -> None:
        self._display.display(f"{result.host.name}: {result.task_name}: {result.result.get('msg', 'failed')}", stderr=True)
