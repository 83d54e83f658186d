"""Whatever fails in a deployment, no row is lost, visitors get a whole release or the maintenance page, and the next run goes on.

The results are written to reports/failures.md, a line a case.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from machines import aside_rows, on_host, running_units, serving_rows
from moment import ROOT, Moment, addresses
from testimony import MAINTENANCE, kind_of
from witness import ADDRESSES, MAINTENANCE_PAGE, People, Witness

START = "v1.0.0"
LOCK = "/var/lib/tickbox/examples/lock.json"
TABLE = ROOT / "reports/failures.md"
TURNS = 5  # days after which each daily case had its turn


@dataclass(frozen=True)
class Case:
    """cases.yml says what each is."""

    name: str
    version: str
    outcome: str
    serves: str
    message: str
    when: str = ""
    breaks: str = ""
    mend: str = ""
    on: str = "host"
    away: bool = False
    again: bool = False
    daily: bool = False
    variables: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    @property
    def visible(self) -> set[str]:
        """What visitors may meet: a release that failed behind the maintenance page nobody does."""
        return {START, self.version} if self.serves == "new" or self.again else {START}


ALL = [
    Case(**{"breaks" if name == "break" else name: value for name, value in one.items()})
    for one in yaml.safe_load((Path(__file__).parents[1] / "cases.yml").read_text())
]


def chosen() -> list[Case]:
    """Some of the daily cases, others each day. With FAILURES=all all there are, which takes an hour more."""
    if os.environ.get("FAILURES") == "all":
        return ALL
    return [case for case in ALL if case.daily][int(time.time() // 86400) % TURNS :: TURNS]


CASES = chosen()


@pytest.fixture(scope="session")
def people(address: str, secrets: dict[str, str]) -> Iterator[People]:
    """Made while v1.0.0 serves, so that a database that goes back knows them."""
    with addresses(address, ADDRESSES) as own:
        found = People(f"https://{address}", str(ROOT / ".tickbox/ca/ca.crt"), own, secrets["vault_app_admin_password"])
        yield found
        found.close()


@pytest.fixture(scope="session", autouse=True)
def table() -> Iterator[None]:
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(
        f"{len(CASES)} of {len(ALL)} cases.\n\n| case | outcome | then served | seconds | witness |\n|---|---|---|---|---|\n"
    )
    yield
    print("\n" + TABLE.read_text())


@pytest.fixture(autouse=True)
def start(play: Any, site: httpx.Client) -> Iterator[None]:
    """From v1.0.0, and back to it, however the case ended."""
    assert serves(site) == START
    yield
    if serves(site) != START:
        assert play("rollback.yml", rollback_to=START, rollback_reason="The next failure is tried").code == 0


@pytest.fixture
def mend(host: Any, address: str) -> Callable[[Case], None]:
    def run(case: Case) -> None:
        back = f"timeout 150 bash -c 'until (: </dev/tcp/{address}/22) 2>/dev/null; do sleep 1; done'"
        subprocess.run(["bash", "-ec", back], check=True)
        if case.mend and case.on == "controller":
            subprocess.run(["bash", "-ec", case.mend], cwd=ROOT, check=True)
        elif case.mend:
            host.run_test("bash -ec %s", case.mend)

    return run


def serves(site: httpx.Client) -> str:
    """The version, or maintenance."""
    page, version = site.get("/"), site.get("/version")
    kinds = {kind_of(answer.status_code, answer.text, MAINTENANCE_PAGE) for answer in (page, version)}
    assert len(kinds) == 1, kinds
    return MAINTENANCE if kinds == {MAINTENANCE} else str(version.raise_for_status().json()["version"])


def outcome(done: Any, moment: Moment) -> str:
    if done.code != 0 and "Plan the release" not in moment.names:
        return "refused"
    return str(done.summary.get("outcome", "failed"))  # a host that is cut off closes no record


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_is_lost(
    case: Case, play: Any, host: Any, site: httpx.Client, address: str, people: People, mend: Callable[[Case], None], tmp_path: Path
) -> None:
    before = running_units(host)
    command = f"cd {ROOT}\n{case.breaks}" if case.on == "controller" else on_host(address, case.breaks)
    moment = Moment(tmp_path / "tasks.jsonl", case.when, command if case.when else "")
    begun = time.monotonic()
    with Witness(people, tmp_path / "witness") as witness:
        try:
            done = play("deploy.yml", environment=moment.environment, app_version=case.version, **case.variables)
        finally:
            mend(case)
        ended, then = outcome(done, moment), serves(site)
        again = play("deploy.yml", app_version=case.version) if case.again else None
        last = serves(site)
        time.sleep(1)  # what follows is witnessed as well
    verdict = witness.verdict(serving_rows(host), aside_rows(host), versions=case.visible, away_allowed=case.away)
    with TABLE.open("a") as lines:
        lines.write(
            f"| {case.name} | {ended} | {then} | {time.monotonic() - begun:.0f} | {verdict} |\n".replace("\n", " ").strip() + "\n"
        )

    happened = moment.done
    if case.when:
        assert happened is not None, f"the run never came to {case.when!r}"
        assert happened["code"] == 0, happened
    assert ended == case.outcome
    assert (done.code == 0) == (case.outcome == "deployed")
    assert then == {"old": START, "new": case.version}.get(case.serves, case.serves)
    assert re.search(case.message, done.output + (happened["output"] if happened else ""))
    if again:
        assert again.code == 0
        assert last == case.version
    if case.outcome == "rolled_back":
        # who was told that maintenance would come is told what became of it
        assert [(one["kind"], all(to["accepted"] for to in one["receivers"])) for one in done.summary["notices"]] == [
            ("planned", True),
            ("failed", True),
        ]
    assert verdict.clean, verdict
    assert not host.file(LOCK).exists
    assert {unit.partition("@")[2].partition("-")[0] for unit in running_units(host)} == {last.partition("-")[0]}
    if last == START:
        assert running_units(host) == before
