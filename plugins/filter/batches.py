# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: which hosts a rolling release switches together."""

from __future__ import annotations

DOCUMENTATION = r"""
name: batches
short_description: Divide hosts into batches
description:
  - Divides hosts, in their order. Where there are several, a batch of all of them is refused, as nobody would serve meanwhile.
options:
  _input:
    description: The hosts.
    type: list
    elements: str
    required: true
  sizes:
    description: A number of hosts, a part of all of them such as V(25%), or a list of these, whose last one is used again until no
      host is left.
    type: raw
    required: true
author: The Tickbox authors
"""

EXAMPLES = r"""
# [[app1], [app2, app3], [app4, app5]]
batches: "{{ ['app1', 'app2', 'app3', 'app4', 'app5'] | batches([1, 2]) }}"
"""

RETURN = r"""
_value:
  description: The batches.
  type: list
  elements: list
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.errors import AnsibleFilterError

MODULE_UTILS = str(Path(__file__).parents[1] / "module_utils")
if MODULE_UTILS not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(MODULE_UTILS)
from ansible.module_utils.tickbox.batches import NoBatches
from ansible.module_utils.tickbox.batches import batches as divided


def batches(hosts: Sequence[str], sizes: Any) -> list[list[str]]:
    try:
        found: list[list[str]] = divided(hosts, sizes)
    except NoBatches as reason:
        raise AnsibleFilterError(str(reason)) from None
    return found


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"batches": batches}
