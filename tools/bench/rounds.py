"""The cases, measured in rounds: in each round everybody has their turn, and who begins changes."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from tools.bench.client import Client, Site
from tools.bench.contenders import Contender
from tools.bench.figures import seen, tasks, turns
from tools.bench.versions import Versions, attest

REST = 2.0  # seconds before a command and after it, in which the client asks as well
# What a version is deployed for, and the playbook of which Tickbox's run consists.
CASES = {"code_only": "playbooks/deploy.yml", "rollback": "playbooks/rollback.yml", "full": "playbooks/deploy.yml"}

Run = dict[str, Any]


def measure(case: str, one: Contender, site: Site, version: str, act: Callable[[], list[dict[str, Any]]]) -> Run:
    with Client(site) as client:
        time.sleep(REST)
        load = os.getloadavg()[0]
        began = time.time()
        events = act()
        ended = time.time()
        time.sleep(REST)
    figures = seen(client.answers, began, version)
    run: Run = {"contender": one.name, "version": version, "load": load, "ended": ended - began, **figures}
    if events:
        run["tasks"] = [vars(task) for task in tasks(events, began, CASES[case])]
    print(case, *(f"{name}={value}" for name, value in run.items() if name != "tasks"), flush=True)
    return run


def rounds(
    asked: set[str], count: int, contenders: Sequence[Contender], sites: dict[str, Site], versions: Versions
) -> Iterator[dict[str, list[Run]]]:
    """Of each round what was measured of the cases. The way back begins with a deployment, which may not be asked for itself."""
    before = versions.last
    for number in range(count):
        order, found = turns(contenders, number), {}

        def deployed(case: str, version: str, order: Sequence[Contender] = order) -> list[Run]:
            attest()
            acts = [(one, one.update if case == "code_only" else one.deploy) for one in order]
            return [measure(case, one, sites[one.name], version, partial(act, version)) for one, act in acts]

        if asked & {"code_only", "rollback"}:
            version = versions.code_only()
            found["code_only"] = deployed("code_only", version)
            if "rollback" in asked:
                found["rollback"] = [measure("rollback", one, sites[one.name], before, one.rollback) for one in order]
            else:
                before = version
        if "full" in asked:
            before = versions.full()
            found["full"] = deployed("full", before)
        yield found
