"""Each breakage turns exactly its statement red, and each statement is green again once it is undone.

The results are written to reports/mutations.md, a line a breakage.
"""

import json
import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from moment import FIRST_ADDRESS, addresses
from traffic import ADDRESSES, Traffic

ROOT = Path(__file__).parents[3]
TABLE = ROOT / "reports/mutations.md"
CHECKLIST = {item["id"]: item for item in yaml.safe_load((ROOT / "checklist.yml").read_text())["items"]}
# Where a statement with a moment is looked at.
MOMENTS = {
    "backup": "playbooks/backup.yml",
    "maintenance": "molecule/moment_of_maintenance.yml",
    "rollback": "molecule/moment_of_rollback.yml",
}
RED = ("failed", "unverifiable")


@dataclass(frozen=True)
class Mutation:
    domain: str
    item: str
    breaks: str
    apply: str
    undo: str
    on: str = "host"
    also: tuple[str, ...] = ()  # statements that the same breakage rightly turns red as well

    def __str__(self) -> str:
        return f"{self.item}: {self.breaks}"


ALL = [
    Mutation(path.stem, **one)
    for path in sorted((Path(__file__).parents[1] / "mutations").glob("*.yml"))
    for one in yaml.safe_load(path.read_text())
]


def chosen() -> list[Mutation]:
    """One breakage of each sixth statement: others each day. With MUTATIONS=all all of them, which takes hours."""
    if os.environ.get("MUTATIONS") == "all":
        return ALL
    day = int(time.time() // 86400)
    of_item = {item: [mutation for mutation in ALL if mutation.item == item] for item in CHECKLIST}
    turn = [mutations for mutations in of_item.values() if mutations][day % 6 :: 6]
    today = [mutations[day // 6 % len(mutations)] for mutations in turn]
    return [mutation for mutation in ALL if mutation in today]


MUTATIONS = chosen()
# Looks at a healthy host in a row, and how many requests a second it is asked meanwhile.
LOADS = [0] * 10 + [20] * 5 if MUTATIONS is ALL else []
DOMAINS = list(dict.fromkeys(mutation.domain for mutation in MUTATIONS))


def playbook_of(item: str) -> list[str]:
    """The playbook that looks at the item, with its arguments."""
    moment = CHECKLIST[item].get("moment")
    if moment is None:
        return ["playbooks/verify.yml", "--tags", item]
    if item.endswith((".notify", ".maintenance")):
        moment = "maintenance"
    return [MOMENTS[moment], "--extra-vars", f"moment_item={item}"]


def look(inventory: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """Run a playbook; return the items of its record."""
    latest = ROOT / "reports/latest"
    before = latest.readlink() if latest.is_symlink() else None
    done = subprocess.run(
        ["ansible-playbook", f"--inventory={inventory}", "--extra-vars={run_waivers: []}", *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, done.stderr)
    assert latest.is_symlink() and latest.readlink() != before, "the run left no record"
    return {item["id"]: item for item in json.loads((latest / "summary.json").read_text())["items"]}


@pytest.fixture
def run(host: Any) -> Any:
    """Run a mutation's commands where it says."""

    def commands(mutation: Mutation, text: str) -> None:
        if mutation.on == "controller":
            done = subprocess.run(["bash", "-ec", text], cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        else:
            # What is restarted often is not what is tried here.
            told = host.run("bash -ec %s", f"systemctl reset-failed\n{text}")
            assert told.rc == 0, told.stdout + told.stderr

    return commands


@pytest.fixture(scope="session", autouse=True)
def advisories() -> None:
    subprocess.run(["molecule/mutations/advisories"], cwd=ROOT, check=True)


@pytest.fixture(scope="session", autouse=True)
def table() -> Iterator[None]:
    known = f"{len(MUTATIONS)} of the {len(ALL)} breakages of {len({mutation.item for mutation in ALL})} statements."
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(f"{known}\n\n| statement | breakage | status | seconds | what was seen |\n|---|---|---|---|---|\n")
    yield
    print("\n" + TABLE.read_text())


def test_a_healthy_host_has_every_statement_ticked(inventory: Path) -> None:
    """An upgrade, so that there is a way back; what nobody could see or sign would be red."""
    look(inventory, "deploy.yml", "--extra-vars=@molecule/quick.yml")
    upgrade = look(inventory, "deploy.yml", "--extra-vars=app_version=v1.1.0")
    ticked = {item: result["status"] for item, result in upgrade.items() if item.split(".")[0] in {"pre", "deploy", "post"}}
    assert len(ticked) == sum(not item.startswith(("rollback.", "signoff.")) for item in CHECKLIST)
    assert set(ticked.values()) == {"passed", "attested"}


@pytest.mark.parametrize("load", LOADS)
def test_a_healthy_host_raises_no_alarm(load: int, inventory: Path, hosts: dict[str, Any]) -> None:
    address = next(iter(hosts.values()))["ansible_host"]
    context = ssl.create_default_context(cafile=str(ROOT / ".tickbox/ca/ca.crt"))
    with (
        addresses(address, ADDRESSES, FIRST_ADDRESS) as own,
        Traffic(address, context, own, load, patient=0) if load else nullcontext(),
    ):
        seen = look(inventory, "playbooks/verify.yml")
    assert {item: result["summary"] for item, result in seen.items() if result["status"] in RED} == {}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_breakage_turns_its_statement_red(mutation: Mutation, run: Any, inventory: Path) -> None:
    begun = time.monotonic()
    try:
        run(mutation, mutation.apply)
        seen = look(inventory, *playbook_of(mutation.item))
    finally:
        run(mutation, mutation.undo)
    red = {item: result for item, result in seen.items() if result["status"] in RED}
    own = red.get(mutation.item, {"status": seen.get(mutation.item, {}).get("status", "not looked at"), "summary": ""})
    with TABLE.open("a") as lines:
        spent = time.monotonic() - begun
        summary = own["summary"].replace("|", "\\|")[:200]
        lines.write(f"| `{mutation.item}` | {mutation.breaks} | {own['status']} | {spent:.0f} | {summary} |\n")
    assert own["status"] in RED, own
    assert own["summary"] not in {"", "no verifier yet"}
    assert set(red) - set(mutation.also) == {mutation.item}, red


@pytest.mark.parametrize("domain", DOMAINS)
def test_all_is_green_again(domain: str, inventory: Path) -> None:
    items = list(dict.fromkeys(mutation.item for mutation in MUTATIONS if mutation.domain == domain))
    looks = {tuple(playbook_of(item)) for item in items if "moment" in CHECKLIST[item]}
    if standing := [item for item in items if "moment" not in CHECKLIST[item]]:
        looks.add(("playbooks/verify.yml", "--tags", ",".join(standing)))
    seen: dict[str, Any] = {}
    for arguments in sorted(looks):
        seen |= {item: result for item, result in look(inventory, *arguments).items() if item in items}
    assert [item for item in items if item not in seen] == []
    assert {item: seen[item]["summary"] for item in items if seen[item]["status"] in RED} == {}
