#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what a release left behind on its host, in the cache and in the log."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_traces
short_description: Whether the cache was rebuilt for a release, and whether the release has logged errors
description:
  - C(deploy.release.caches) is ticked when Redis, at the address that the release's own environment has, holds each entry that the
    cache's list names under this release's prefix, none of them older than the run, and no entry of another release.
  - C(deploy.verification.error_logs) is ticked when the journal holds no error of the units since O(since). Errors are entries at
    priority err or worse, entries whose text says so at any other priority, and units that failed. Before, O(error_command) logs
    an error under the web service's own settings, which must be there at priority err; else nothing is known.
  - Runs on the host of the units, as root. It changes nothing but that it adds the planted entry to the journal.
extends_documentation_fragment: [look]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices: [deploy.release.caches, deploy.verification.error_logs]
    default: [deploy.release.caches, deploy.verification.error_logs]
  since:
    description: When the run began, by this host's clock (ISO 8601 with its zone, or Unix time).
    type: str
    required: true
  cache_since:
    description: When the release began, where that was before O(since).
    type: str
  environment_file:
    description: The release's environment, of C(NAME="value") lines.
    type: path
  cache:
    description:
      - Where the warmed entries are. C(address) names the setting with Redis' address, C(all) is a pattern of such entries of
        any release, C(prefix) is how this release's begin, C(list) is the entry with a JSON list of objects, and C(field) of each
        of these names one more entry, below C(each).
    type: dict
    default: {}
  cache_written:
    description: How many entries the rebuild said that it wrote, where it said so.
    type: int
  units:
    description: Names of the release's services and timers; of a timer its service is looked at.
    type: list
    elements: str
    default: []
  web_unit:
    description: The service that logs each request.
    type: str
  error_command:
    description: Command that logs one error with the text V(${nonce}), as the services do.
    type: str
  timeout:
    description: Seconds that the planted entry may take to appear.
    type: float
    default: 3
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: The cache is this release's, and nothing went wrong
  check_traces:
    since: "2026-01-02T03:04:05+00:00"
    environment_file: /srv/shop/releases/v2/config/app.env
    cache:
      address: REDIS_URL
      all: "shop:*:page:*"
      prefix: "shop:v2:page:"
      list: "shop:v2:page:list"
      field: id
      each: "shop:v2:page:"
    units: [shop-web@v2.service, shop-worker@v2.service, shop-cleanup@v2.timer]
    web_unit: shop-web@v2.service
    error_command: /srv/shop/releases/v2/venv/bin/python -m shop.log error ${nonce}
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended.
  returned: always
  type: list
  elements: dict
"""

import re
import secrets
import shlex
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import systemd
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with, moment
from ansible.module_utils.tickbox.caches import judge_caches, layout_of, read
from ansible.module_utils.tickbox.configuration import read_environment_file
from ansible.module_utils.tickbox.logs import Entry, judge_logs, parse
from ansible.module_utils.tickbox.redis_client import Refused, connect

CACHES = "deploy.release.caches"
LOGS = "deploy.verification.error_logs"

# How a service's output comes into the journal: the planted error goes the same way.
LOGGING = ("StandardOutput", "StandardError", "SyslogLevelPrefix", "SyslogLevel", "LogLevelMax", "LogNamespace")
IDENTITY = ("User", "Group", "WorkingDirectory", "SyslogIdentifier", "EnvironmentFiles", "ExecMainStartTimestamp", "LoadState")
UNSET = {"", "-1", "[not set]"}
TO_JOURNAL = {"journal", "journal+console"}
FIELDS = "MESSAGE,PRIORITY,MESSAGE_ID,UNIT,_SYSTEMD_UNIT,OBJECT_SYSTEMD_UNIT,COREDUMP_UNIT,_PID"
LONGEST = 20  # seconds that a command may take


def run(command: Sequence[str], what: str) -> str:
    """The command's output; CouldNotLook, with its own words, where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=LONGEST, check=False)
    except FileNotFoundError:
        raise CouldNotLook(f"{what}: {command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise CouldNotLook(f"{what}: no end within {LONGEST} s") from None
    if done.returncode != 0:
        words = " ".join(done.stderr.decode("utf-8", "replace").split())[:300]
        raise CouldNotLook(f"{what}: {words or f'it ended with {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")


def caches(params: dict[str, Any]) -> Verdict:
    since = moment("cache_since", params["cache_since"] or params["since"])
    layout = layout_of(params["cache"])
    setting = params["cache"].get("address")
    environment = read_environment_file(Path(params["environment_file"]).read_text()) if params["environment_file"] else {}
    if not environment.get(setting):
        raise CouldNotLook(f"{params['environment_file']} has no {setting}")
    try:
        with connect(environment[setting]) as redis:
            contents = read(redis, layout)
    except Refused as error:
        raise CouldNotLook(f"Redis: {error}") from None
    return judge_caches(contents, layout, params["cache_written"], (datetime.now(UTC) - since).total_seconds() + 1)


def plant(unit: str, properties: dict[str, str], command: list[str]) -> str:
    """Run the command as the unit's process would run, and return the name of the unit that it had."""
    if properties["StandardOutput"] not in TO_JOURNAL:
        raise CouldNotLook(f"{unit} writes to {properties['StandardOutput'] or 'nowhere'}, not to the journal")
    planted = f"{unit.split('@', 1)[0]}-planted-{secrets.token_hex(4)}.service"
    given = [
        f"--property={name}={properties[name]}"
        for name in (*LOGGING, "User", "Group", "WorkingDirectory", "SyslogIdentifier")
        if properties.get(name, "") not in UNSET
    ]
    files = re.findall(r"(/\S+) \(ignore_errors=\w+\)", properties.get("EnvironmentFiles", ""))
    given += [f"--property=EnvironmentFile={file}" for file in files]
    run(
        ["systemd-run", "--quiet", "--wait", "--collect", f"--unit={planted}", "--description=A planted error", *given, *command],
        f"an error could not be planted for {unit}",
    )
    return planted


def journal(units: Sequence[str], since: datetime) -> list[Entry]:
    run(["journalctl", "--sync"], "the journal does not write")
    named = [f"--unit={unit}" for unit in units]
    command = ["journalctl", "--quiet", "--no-pager", "--all", "--output=json", f"--output-fields={FIELDS}"]
    entries: list[Entry] = parse(run([*command, f"--since=@{int(since.timestamp())}", *named], "the journal cannot be read"))
    return entries


def logs(params: dict[str, Any]) -> Verdict:
    since = moment("since", params["since"])
    units = list(dict.fromkeys(re.sub(r"\.timer$", ".service", unit) for unit in params["units"]))
    services = [unit for unit in params["units"] if not unit.endswith(".timer")]
    if params["web_unit"] not in services or not params["error_command"]:
        raise CouldNotLook("units, with web_unit among them, and error_command are needed to see what is logged")
    shown = systemd.show(services, (*LOGGING, *IDENTITY))
    nonce = secrets.token_hex(12)
    command = [word.replace("${nonce}", nonce) for word in shlex.split(params["error_command"])]
    # One for each way into the journal: services mostly share one.
    ways = {tuple(properties.get(name, "") for name in LOGGING): unit for unit, properties in reversed(shown.items())}
    planted = [plant(unit, shown[unit], command) for unit in ways.values()]
    fresh = [
        unit
        for unit, properties in shown.items()
        if (started := systemd.timestamp(properties.get("ExecMainStartTimestamp", ""))) and started >= since
    ]
    end = time.monotonic() + params["timeout"]
    while True:
        entries = journal([*units, *planted], since)
        found = {entry.unit for entry in entries if nonce in entry.message and not entry.system}
        if found >= set(planted) or time.monotonic() > end:
            break
        time.sleep(0.2)
    if lost := [unit for unit, name in zip(ways.values(), planted, strict=True) if name not in found]:
        raise CouldNotLook(
            f"an error that was planted as {', '.join(lost)} logs is not in the journal, so others would not be either"
        )
    return judge_logs(entries, nonce, fresh, [params["web_unit"]])


LOOKS = {CACHES: caches, LOGS: logs}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": list(LOOKS), "default": list(LOOKS)},
            "since": {"type": "str", "required": True},
            "cache_since": {"type": "str"},
            "environment_file": {"type": "path"},
            "cache": {"type": "dict", "default": {}},
            "cache_written": {"type": "int"},
            "units": {"type": "list", "elements": "str", "default": []},
            "web_unit": {"type": "str"},
            "error_command": {"type": "str"},
            "timeout": {"type": "float", "default": 3},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    exit_with(module, [examine(item, partial(LOOKS[item], params)) for item in dict.fromkeys(params["items"])])


if __name__ == "__main__":
    main()
