"""Makes what is measured: Capistrano, the host with its sites, the repository in reach, and everybody at one version."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
from machines import hosts_of
from moment import addresses

from tools.bench import ROOT
from tools.bench.client import Site
from tools.bench.contenders import INVENTORY, Capistrano, Contender, Floor, Tickbox, playbook
from tools.bench.versions import REPOSITORY

CERTIFICATES = ROOT / ".tickbox/ca/ca.crt"
PORT = 9419
# One more address of this machine, above those of the test hosts and of the scenarios.
OWN_ADDRESS = 245
# With what its SSH needs for keys of the kind that test hosts have.
PACKAGES = ("capistrano", "ruby-ed25519", "ruby-bcrypt-pbkdf")


def install_capistrano() -> None:
    if not shutil.which("cap"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-qq"], ["install", "-qq", "--yes", "--no-install-recommends", *PACKAGES]):
            subprocess.run(["apt-get", *command], env=environment, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def served(own: str) -> Iterator[str]:
    """The repository, where hosts can fetch it; its address."""
    daemon = subprocess.Popen(
        [
            *("git", "daemon", "--export-all", "--reuseaddr", f"--listen={own}", f"--port={PORT}"),
            *(f"--base-path={REPOSITORY.parent}", str(REPOSITORY)),
        ]
    )
    try:
        yield f"git://{own}:{PORT}/{REPOSITORY.name}"
    finally:
        daemon.terminate()
        daemon.wait()


@contextmanager
def contenders() -> Iterator[tuple[list[Contender], dict[str, Site]]]:
    """A host that is ready, the contenders, and the site of each."""
    host = str(next(iter(hosts_of(INVENTORY).values()))["ansible_host"])
    playbook("testhosts/create.yml")
    with addresses(host, 1, OWN_ADDRESS) as (own,), served(own) as repository:
        listed: list[Contender] = [Tickbox(), Capistrano(host, repository), Floor(host, repository)]
        sites = {one.name: Site(host, str(CERTIFICATES), own, one.site) for one in listed}
        # A host that serves is used as it is: make clean removes it.
        if not (CERTIFICATES.exists() and all(serving(site) for site in sites.values())):
            for step in ("playbooks/provision.yml", "tools/bench/sites.yml"):
                print(step, flush=True)
                playbook(step)
        yield listed, sites


def serving(site: Site) -> str:
    """The version with which a site answers; empty where it does not."""
    try:
        headers = {"Host": site.name} if site.name else {}
        answer = httpx.get(f"https://{site.address}/version", headers=headers, verify=site.context, timeout=20, trust_env=False)
        return str(answer.raise_for_status().json()["version"])
    except (httpx.HTTPError, ValueError):
        return ""


def bring_to(version: str, listed: Sequence[Contender], sites: dict[str, Site]) -> None:
    for one in listed:
        if serving(sites[one.name]) != version:
            print(f"{one.title}: {version}", flush=True)
            one.deploy(version)
