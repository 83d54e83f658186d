"""What the figures were taken with."""

import os
import platform
import re
import subprocess
from importlib.metadata import version

from tools.bench import ROOT

MEASURED = ("checklist.yml", "library", "playbooks", "plugins", "roles")


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()


def packaged(name: str) -> str:
    return said("dpkg-query", "--show", "--showformat=${Version}", name)


def machine() -> dict[str, str]:
    memory = int(said("getconf", "_PHYS_PAGES")) * int(said("getconf", "PAGE_SIZE"))
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {re.split('[^0-9.]', platform.release())[0]}",
        "processor": platform.machine(),
        "controller and test host": "containers of one machine, over SSH",
    }


def versions() -> dict[str, str]:
    # The commit that last changed what is measured: the harness itself and the documents change nothing of it.
    commit = said("git", "log", "-1", "--abbrev=12", "--format=%h", "--", *MEASURED)
    changed = " and changes that are not committed" if said("git", "status", "--porcelain", "--", *MEASURED) else ""
    return {
        "Tickbox": f"{version_of_tickbox()}, commit {commit}{changed}",
        "ansible-core": version("ansible-core"),
        "ansible-runner": version("ansible-runner"),
        "Python": platform.python_version(),
        "Capistrano": f"{packaged('capistrano')} of Debian",
        "Ruby": packaged("ruby").removeprefix("1:"),
        "testinfra": version("pytest-testinfra"),
        "OpenSSH": packaged("openssh-client").removeprefix("1:"),
        "git": packaged("git").removeprefix("1:"),
    }


def version_of_tickbox() -> str:
    return re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]  # type: ignore[index]
