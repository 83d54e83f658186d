"""What the number of the application's hosts costs: a deployment with a migration, and the way back, on fewer and fewer of them."""

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from machines import hosts_of
from moment import addresses

from tools.bench import BENCH, ROOT
from tools.bench.client import Site
from tools.bench.contenders import Tickbox, playbook
from tools.bench.prepare import CERTIFICATES, OWN_ADDRESS, serving
from tools.bench.rounds import Run, measure
from tools.bench.versions import Versions, attest

INVENTORY = BENCH / "inventory_growth"
# As deep as the other one, whose addresses of files begin with its own.
REDUCED = ROOT / ".tickbox/bench" / INVENTORY.name
# Downwards: a host that is left out is not missed; one that comes to others serves another release than they.
COUNTS = (16, 8, 4, 1)


def reduced(count: int, folder: Path = REDUCED) -> set[str]:
    """Write the inventory with so many hosts of the application; the hosts that are left out."""
    described = yaml.safe_load((INVENTORY / "hosts.yml").read_text())
    apps = sorted(described["app"]["hosts"])
    left_out = set(apps[count:])
    for group in ("app", "testhosts"):
        for name in left_out:
            del described[group]["hosts"][name]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts.yml").write_text(yaml.safe_dump(described))
    if not (folder / "group_vars").exists():
        (folder / "group_vars").symlink_to(INVENTORY / "group_vars")
    return left_out


def counts(versions: Versions) -> Iterator[list[Run]]:
    """Of each number of hosts the deployment and the rollback."""
    address = str(hosts_of(INVENTORY)["tickbox-growth"]["ansible_host"])
    tickbox, before = Tickbox(REDUCED), versions.last
    # Hosts of an earlier time serve different releases. The network has to be there before its addresses.
    for step in ("testhosts/destroy.yml", "testhosts/create.yml"):
        playbook(step, inventory=INVENTORY)
    with addresses(address, 1, OWN_ADDRESS) as (own,):
        for count in COUNTS:
            left_out = reduced(count)
            print(f"{count} hosts", flush=True)
            playbook("playbooks/provision.yml", inventory=REDUCED)
            # They would go on serving nobody, and take their part of this machine.
            for name in left_out:
                subprocess.run(["podman", "stop", "--ignore", "--time=5", name], check=True, stdout=subprocess.DEVNULL)
            site = Site(address, str(CERTIFICATES), own)
            attest()
            if serving(site) != before:
                tickbox.deploy(before)
            version = versions.full()
            attest()
            turn: list[tuple[str, str, Any]] = [
                ("full", version, partial(tickbox.deploy, version)),
                ("rollback", before, tickbox.rollback),
            ]
            yield [{**measure(case, tickbox, site, to, act), "case": case, "hosts": count} for case, to, act in turn]
