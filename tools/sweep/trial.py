"""One test host on which runs are killed and recovered, as an operator would: nothing but the project's own playbooks."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from look import look
from machines import ROOT, aside_rows, databases, hosts_of, running_units, serving_rows
from moment import Moment
from points import START, WANTED, Point, Seen, changed
from steps import Step, steps
from testimony import MAINTENANCE, kind_of
from witness import MAINTENANCE_PAGE, People, Witness

INVENTORY = ROOT / "molecule/sweep/inventory"
REASON = "The sweep takes it back"
ARGUMENTS = {
    "deploy": ["deploy.yml", "--extra-vars", f"app_version={WANTED['deploy']}"],
    "rollback": ["rollback.yml", "--extra-vars", f"{{'rollback_reason': '{REASON}'}}"],
}
ADVICE = re.compile(r"ansible-playbook (?:deploy|rollback)\.yml[^\"\n]*")
LONGEST = 1800  # seconds that a run may take
LOOKS = 0.2  # seconds between two looks at the site: more would take half of a small machine for hours
# v1.1.0 as pruning removes it, so that each deployment lays it down anew, and the databases that no release's manifest names.
FRESH = """
rm -rf /srv/examples/releases/v1.1.0-*
rm -f /etc/systemd/system/examples-*@v1.1.0-*
systemctl daemon-reload
for name in $(runuser -u postgres -- psql -XAtc "SELECT datname FROM pg_database WHERE datname ~ '^examples_(aside|before)_'"); do
  grep -qrF "$name" /srv/examples/releases/*/manifest.json || runuser -u postgres -- dropdb "$name"
done
"""
# What a whole run leaves nothing of.
HALF_MADE = """
for release in /srv/examples/releases/*/; do [ -e "$release/manifest.json" ] || echo "$release without a manifest"; done
find /var/lib/tickbox/examples -name '.lock.json.*' -o -path '*/maintenance/deploy'
find /srv/examples /run/examples -maxdepth 1 -type l ! -name current ! -name current.sock ! -name earlier.sock
find /var/backups/tickbox/examples -name '*.part'
systemctl list-units --plain --no-legend --state=failed 'examples-*' | awk '{print $1, "failed"}'
"""
DATABASES = re.compile(r"postgres|template[01]|examples(_(before|aside)_.*)?")


class Trial:
    def __init__(self, machine: Any, people: People, site: httpx.Client, folder: Path) -> None:
        self._named = hosts_of(INVENTORY)
        self.hosts = {name: machine(name) for name in self._named}
        (self.host,) = self.hosts.values()
        self._people, self._site, self._folder = people, site, folder

    def serving(self) -> str:
        """What visitors get: a version, maintenance, or what went wrong."""
        try:
            page, version = self._site.get("/"), self._site.get("/version")
        except httpx.HTTPError as error:
            return repr(error)
        kinds = {kind_of(answer.status_code, answer.text, MAINTENANCE_PAGE) for answer in (page, version)}
        if kinds == {MAINTENANCE}:
            return MAINTENANCE
        return str(version.json()["version"]) if page.is_success and version.is_success else f"status {page.status_code}"

    def run(self, log: str, arguments: list[str], environment: Mapping[str, str] | None = None) -> int:
        return playbook(self._folder / f"{log}.log", arguments, environment)

    def begin(self, run: str) -> bool:
        """Bring the host to where a run begins; False where it does not come there."""
        if self.serving() != START[run]:
            back = next(name for name, version in WANTED.items() if version == START[run])
            self.run(f"to-{START[run]}", ARGUMENTS[back])
        if run == "deploy" and self.serving() == START[run]:
            self.host.run_test("bash -ec %s", FRESH)
        return self.serving() == START[run] and not self._left()

    def tasks(self, run: str) -> list[Step]:
        """The tasks of a run that nothing happens to, and what they changed."""
        listed = self._folder / f"{run}.tasks.jsonl"
        listed.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as sockets:
            moment = Moment(listed, look=look([host["ansible_host"] for host in self._named.values()], Path(sockets)))
            code = self.run(run, ARGUMENTS[run], moment.environment)
        if code != 0:
            raise RuntimeError(f"{run}.yml ended with {code} although nothing happened to it: see {self._folder / run}.log")
        return steps(moment.lines)

    def kill(self, point: Point) -> Seen:
        """Kill the run at the point, do what an operator would, and look."""
        listed = self._folder / f"{point.number}.tasks.jsonl"
        listed.unlink(missing_ok=True)
        moment = Moment(listed, str(point.at))
        with Witness(self._people, self._folder / f"{point.number}.witness", LOOKS) as witness:
            code = self.run(f"{point.number}.killed", ARGUMENTS[point.run], moment.environment)
            left = self._left()
            self.run(f"{point.number}.status", ["playbooks/status.yml"])
            # After its last step a run has nothing to recover, and a rollback done twice would go back one release more.
            done = not left and self.serving() == WANTED[point.run] and point.run == "rollback"
            recovery = None if done else self.run(f"{point.number}.recovery", ARGUMENTS[point.run])
            time.sleep(1)  # what follows is witnessed as well
        versions = {START[point.run], WANTED[point.run]}
        verdict = witness.verdict(serving_rows(self.host), aside_rows(self.host), versions=versions)
        advice = ADVICE.search((self._folder / f"{point.number}.status.log").read_text())
        begun = steps(moment.lines)
        return Seen(
            killed=code == -signal.SIGKILL and moment.done is not None,
            task=begun[-1].task if begun else "",
            changed=changed(begun[:-1]),
            left=tuple(left),
            advice=advice[0].strip(" \\") if advice else "",
            recovery=recovery,
            served={name: self._release(host) for name, host in self.hosts.items()},
            site=self.serving(),
            witness=str(verdict),
            witness_clean=verdict.clean,
            lock="a lock" in self._left(),
            units=tuple(unit for host in self.hosts.values() for unit in running_units(host)),
            half_made=tuple(self._half_made()),
        )

    def _left(self) -> list[str]:
        """What keeps others from deploying, or visitors out."""
        places = {
            "a lock": "/var/lib/tickbox/examples/lock.json",
            "maintenance mode": "/var/lib/tickbox/examples/maintenance/deploy",
        }
        return [name for name, path in places.items() if any(host.file(path).exists for host in self.hosts.values())]

    @staticmethod
    def _release(host: Any) -> str:
        return Path(host.run("readlink /srv/examples/current").stdout.strip()).name

    def _half_made(self) -> list[str]:
        found = [line for host in self.hosts.values() for line in host.check_output("bash -ec %s", HALF_MADE).splitlines()]
        return found + [f"database {name}" for name in databases(self.host) if not DATABASES.fullmatch(name)]


def playbook(log: Path, arguments: list[str], environment: Mapping[str, str] | None = None) -> int:
    """Run a playbook in a session of its own, so that whoever kills it kills nothing else; its exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        return subprocess.run(
            ["ansible-playbook", f"--inventory={INVENTORY}", *arguments],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            timeout=LONGEST,
            check=False,
        ).returncode
