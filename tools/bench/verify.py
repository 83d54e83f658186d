"""How long looking at a host takes: Tickbox's statements of it, and testinfra's assertions of the same."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from machines import known_hosts, secrets_of_demo

from tools.bench import BENCH, ROOT
from tools.bench.contenders import LOGS, SSH, playbook
from tools.bench.figures import tasks, turns

PLAYBOOK = "playbooks/verify.yml"
STATEMENTS = ("server_requirements", "database", "redis", "firewall")
SETTINGS = """
Host *
  IdentityFile {keys}/id_ed25519
  UserKnownHostsFile {known_hosts}
  ControlMaster auto
  ControlPersist 60
  ControlPath {folder}/%C
"""
KINDS = ("tickbox", "testinfra", "all")
COLLECTED = re.compile(r"(\d+) passed")


def by_testinfra(host: str) -> int:
    """How many tests passed, all of them."""
    with TemporaryDirectory() as folder:
        settings = Path(folder) / "ssh_config"
        settings.write_text(SETTINGS.format(keys=SSH, known_hosts=known_hosts(host), folder=folder))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "-p", "testinfra.plugin"),
                str(BENCH / "host_level/test_host.py"),
                *(f"--hosts=ssh://ansible@{host}", f"--ssh-config={settings}", "--sudo"),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "BENCH_REDIS_PASSWORD": secrets_of_demo()["vault_redis_admin_password"],
            },
            capture_output=True,
            text=True,
            check=False,
        )
    (LOGS / "testinfra.log").write_text(done.stdout + done.stderr)
    if done.returncode != 0 or not (passed := COLLECTED.search(done.stdout)):
        raise RuntimeError(f"testinfra ended with {done.returncode}: see {LOGS / 'testinfra.log'}")
    return int(passed[1])


def look(kind: str, host: str) -> dict[str, Any]:
    """Look once; ``all``: Tickbox, at all statements that need no load."""
    asked = ",".join(f"pre.environment.{name}" for name in STATEMENTS)
    began = time.time()
    if kind == "testinfra":
        more: dict[str, Any] = {"tests": by_testinfra(host)}
    else:
        events = playbook(PLAYBOOK, *(("--tags", asked) if kind == "tickbox" else ("--skip-tags", "soak")))
        more = {"tasks": [vars(task) for task in tasks(events, began, PLAYBOOK)]}
    run = {"contender": kind, "load": os.getloadavg()[0], "ended": time.time() - began, **more}
    print("verify", *(f"{name}={value}" for name, value in run.items() if name != "tasks"), flush=True)
    return run


def verifications(host: str, count: int) -> Iterator[list[dict[str, Any]]]:
    for number in range(count):
        yield [look(kind, host) for kind in turns(KINDS, number)]
