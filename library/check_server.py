#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what a host must have."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_server
short_description: Whether a host meets the requirements of its work
description:
  - C(pre.environment.server_requirements) is ticked when the system, the architecture, processors and memory, room and inodes of
    O(disks), the clock and the packages are as asked, and each of O(units) may use the memory and processors that it needs.
  - Memory and processors count as the control groups let the host and the unit have them, by the kernel (version 1, version 2 or
    both) and by what systemd says of the unit and the slices above it. What systemd says counts where it cannot enforce it, too.
    A limit that is set above a container on control groups of version 2 is not seen from inside.
  - Where the memory limit cannot be seen the item is C(unverifiable). Changes nothing.
extends_documentation_fragment: [look]
options:
  systems:
    description: Systems that will do, each as C(ID VERSION_ID) of C(/etc/os-release).
    type: list
    elements: str
    default: [debian 12, debian 13]
  architectures:
    description: Architectures that will do, as C(uname -m) names them.
    type: list
    elements: str
    default: [x86_64, aarch64]
  cpus:
    description: Processors that the host needs.
    type: float
    default: 1
  memory:
    description: Memory that it needs.
    type: str
    default: 1G
  disks:
    description: Paths that need room.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: A path that exists.
        type: path
        required: true
      free:
        description: Room that others than root may still use.
        type: str
        default: 1G
      inodes:
        description: Inodes that others than root may still use; file systems without a number of them have enough.
        type: int
        default: 10000
  units:
    description: Units that need memory and processors, loaded and active.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the unit. With a C(*) in it, all running units of such a name, of which there must be one.
        type: str
        required: true
      memory:
        description: Memory that it must be allowed to use.
        type: str
        default: ""
      cpus:
        description: Processors that it must be allowed to use.
        type: float
        default: 0
  clock:
    description:
      - C(kernel) asks that the kernel calls its clock synchronised and a service keeps it so; in a container, its machine's.
      - C(controller) holds the clock against O(controller_time) and no more, for hosts whose clock nothing sets, as test hosts. The
        summary says that this is all that was asked.
    type: str
    choices: [kernel, controller]
    default: kernel
  controller_time:
    description: The controller's time (Unix time) when the module is called.
    type: float
  clock_offset:
    description: Seconds that the host's clock may differ from the controller's. The way to the host counts as well.
    type: float
    default: 10
  packages:
    description: The oldest version of each package that will do, as dpkg compares them; any is newer than V(0). An epoch counts
      only where it is written. A name with C(*) or C([0-9]) in it stands for a package that it fits.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Production server meets system requirements
  check_server:
    cpus: 2
    memory: 4G
    disks:
      - {path: /srv/shop, free: 5G, inodes: 100000}
    units:
      - {name: redis-server.service, memory: 768M}
    controller_time: "{{ now().timestamp() }}"
    packages: {redis-server: "7.0"}
"""

RETURN = r"""
assertions:
  description: One, with item, status (passed, failed or unverifiable), summary, expected, observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import cgroups, server, systemd
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with

ITEM = "pre.environment.server_requirements"
CONTAINER = Path("/run/systemd/container")  # systemd as a container's first process names the kind here
ROOT_SLICE = "-.slice"


def asked(command: list[str]) -> str:
    """What a program prints; CouldNotLook where it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CouldNotLook(f"{command[0]} does not answer: {error}") from None
    return done.stdout


def named(units: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The units with each pattern replaced by the running units that it fits; one that fits none stays."""
    found = []
    for unit in units:
        names = [unit["name"]]
        if "*" in unit["name"]:
            listing = asked(["systemctl", "list-units", "--plain", "--no-legend", "--no-pager", "--", unit["name"]])
            names = [line.split()[0] for line in listing.splitlines() if line.split()] or names
        found += [{**unit, "name": name} for name in names]
    return found


def look_at_units(names: list[str]) -> dict[str, server.Unit]:
    shown = systemd.show([name for name in names if "*" not in name], server.UNIT)
    above = {
        name: [ROOT_SLICE, *(part for part in properties.get("ControlGroup", "").split("/") if part.endswith(".slice"))]
        for name, properties in shown.items()
    }
    slices = systemd.show(sorted({name for several in above.values() for name in several}), server.SLICE)
    return {
        name: server.Unit(
            properties, {part: slices[part] for part in above[name]}, **of_process(int(properties.get("MainPID") or 0))
        )
        for name, properties in shown.items()
    }


def of_process(pid: int) -> dict[str, Any]:
    if not pid:
        return {}
    limits = cgroups.allowed(pid)
    try:
        program = str(Path(f"/proc/{pid}/exe").readlink())
    except OSError as error:
        raise CouldNotLook(f"the program of process {pid} cannot be looked at: {error.strerror}") from None
    return {"memory": limits.memory, "cpus": limits.cpus, "replaced": program.endswith(" (deleted)")}


def look_at_clock(controller_time: float | None, arrived: float) -> server.Clock:
    synchronised, error = server.kernel_clock()
    service: str | None = None
    if not CONTAINER.exists():
        states = systemd.show([f"{name}.service" for name in server.TIME_SERVICES], ("ActiveState",))
        service = next((name for name, state in states.items() if state.get("ActiveState") == "active"), "")
    return server.Clock(synchronised, error, None if controller_time is None else arrived - controller_time, service)


def look(params: dict[str, Any], arrived: float) -> Verdict:
    limits = cgroups.allowed(1)
    units = named(params["units"])
    versions, broken = server.read_packages(asked(["dpkg-query", "-W", "-f=${db:Status-Abbrev}\t${Package}\t${Version}\n"]))
    cpus = float(len(os.sched_getaffinity(1)))
    memory = server.read_memory(Path("/proc/meminfo").read_text())
    seen = server.Server(
        system=server.read_os_release(Path("/etc/os-release").read_text(errors="replace")),
        architecture=os.uname().machine,
        cpus=cpus if limits.cpus is None else min(cpus, limits.cpus),
        memory=memory if limits.memory is None else min(memory, limits.memory),
        rooms={disk["path"]: server.room(Path(disk["path"])) for disk in params["disks"]},
        units=look_at_units([unit["name"] for unit in units]),
        clock=look_at_clock(params["controller_time"], arrived),
        packages=server.of_packages(versions, list(params["packages"])),
        broken_packages=broken,
    )
    given = ("systems", "architectures", "cpus", "memory", "disks", "clock", "clock_offset")
    return server.judge_server(
        seen,
        units=units,
        packages={name: str(version) for name, version in params["packages"].items()},
        **{name: params[name] for name in given},
    )


def main() -> None:
    arrived = time.time()
    disk = {
        "path": {"type": "path", "required": True},
        "free": {"type": "str", "default": "1G"},
        "inodes": {"type": "int", "default": 10000},
    }
    unit = {
        "name": {"type": "str", "required": True},
        "memory": {"type": "str", "default": ""},
        "cpus": {"type": "float", "default": 0},
    }
    module = AnsibleModule(
        argument_spec={
            "systems": {"type": "list", "elements": "str", "default": ["debian 12", "debian 13"]},
            "architectures": {"type": "list", "elements": "str", "default": ["x86_64", "aarch64"]},
            "cpus": {"type": "float", "default": 1},
            "memory": {"type": "str", "default": "1G"},
            "disks": {"type": "list", "elements": "dict", "default": [], "options": disk},
            "units": {"type": "list", "elements": "dict", "default": [], "options": unit},
            "clock": {"type": "str", "choices": ["kernel", "controller"], "default": "kernel"},
            "controller_time": {"type": "float"},
            "clock_offset": {"type": "float", "default": 10},
            "packages": {"type": "dict", "default": {}},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    exit_with(module, [examine(ITEM, lambda: look(module.params, arrived))])


if __name__ == "__main__":
    main()
