"""The points at which a run may be killed, which of them are tried and in which order, and what was found there. Pure functions.

Points between which no task changed anything leave one and the same state behind: a kill at the last of them, after which something
changes, proves all of them.
"""

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from steps import Step

# Which version serves when a run begins, and which when it has ended.
START = {"deploy": "v1.0.0", "rollback": "v1.1.0"}
WANTED = {"deploy": "v1.1.0", "rollback": "v1.0.0"}
# What a run is made of: what was found of other code says nothing of this.
CODE = (
    "playbooks",
    "roles",
    "library",
    "plugins",
    "molecule/quick.yml",
    "molecule/limits.yml",
    "inventory/demo",
    "ansible.cfg",
    "checklist.yml",
)


@dataclass(frozen=True)
class Point:
    """Before task ``at`` (counted from 1) of a run. ``number`` counts through the points of both runs.

    ``proof``: the point with the same state behind it at which the run is killed.
    """

    number: int
    run: str
    at: int
    task: str
    proof: int


@dataclass(frozen=True)
class Seen:
    """What was seen of one point. ``served``: the release of each host of the application; ``site``: what visitors get.

    ``changed``: the tasks before it that said that they changed something.
    """

    killed: bool
    task: str
    changed: tuple[int, ...]
    left: tuple[str, ...]
    advice: str
    recovery: int | None
    served: Mapping[str, str]
    site: str
    witness: str
    witness_clean: bool
    lock: bool
    units: tuple[str, ...]
    half_made: tuple[str, ...]


def points(tasks: Mapping[str, Sequence[Step]]) -> list[Point]:
    """All points, from the tasks that a whole run of each kind has."""
    found: list[Point] = []
    for run, steps in tasks.items():
        proof = len(found) + len(steps)
        ofrun = []
        for at, step in reversed(list(enumerate(steps, 1))):
            number = len(found) + at
            proof = proof if step.same else number
            ofrun.append(Point(number, run, at, step.task, proof))
        found += reversed(ofrun)
    return found


def tried(all_points: Iterable[Point]) -> list[Point]:
    """Those at which runs are killed: one for each state that a run leaves behind."""
    return [point for point in all_points if point.proof == point.number]


def sample(all_points: Sequence[Point], size: int, seed: int) -> list[Point]:
    """As many points; with the next seed the next ones, until all had their turn."""
    mixed = random.Random(0).sample(list(all_points), len(all_points))  # noqa: S311 - no secret
    chosen = {mixed[(seed * size + number) % len(mixed)].number for number in range(min(size, len(mixed)))}
    return [point for point in all_points if point.number in chosen]


def following(pending: Sequence[Point], serving: str) -> Point:
    """The next point: one that begins where the host is now, if there is one, so that nothing has to be undone for it."""
    return next((point for point in pending if START[point.run] == serving), pending[0])


def changed(steps: Sequence[Step]) -> tuple[int, ...]:
    """The tasks, counted from 1, that said that they changed something."""
    return tuple(at for at, step in enumerate(steps, 1) if step.changed)


def faults(point: Point, seen: Seen, listed: Sequence[Step]) -> list[str]:
    """What is wrong, nothing where the run's recovery was whole. ``listed``: the tasks of a run that nothing happens to."""
    wanted = WANTED[point.run]
    told = []
    if not seen.killed:
        told.append("the run was not killed: it never came to this task")
    elif seen.task != point.task:
        told.append(f"the run was killed before another task, {seen.task}")
    elif others := set(seen.changed) ^ set(changed(listed[: point.at - 1])):
        told.append(f"it came another way: not both times did something change in {', '.join(map(str, sorted(others)))}")
    if seen.left and not seen.advice:
        told.append(f"status.yml does not say what to type, and there is {', '.join(seen.left)}")
    if seen.recovery != 0 and not (seen.recovery is None and not seen.left):
        told.append(f"the recovery ended with {seen.recovery}")
    astray = {host: release for host, release in seen.served.items() if release.rpartition("-")[0] != wanted}
    told += [f"{host} has {release or 'no release'}" for host, release in astray.items()]
    if seen.site != wanted:
        told.append(f"visitors get {seen.site}")
    if not seen.witness_clean:
        told.append(seen.witness)
    if seen.lock:
        told.append("the lock is still held")
    current = set(seen.served.values())
    told += [f"{unit} runs" for unit in seen.units if unit.partition("@")[2].rpartition(".")[0] not in current]
    return told + [f"left: {one}" for one in seen.half_made]


def code_digest(root: Path) -> str:
    digest = hashlib.sha256()
    for name in CODE:
        top = root / name
        files = [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())
        for file in files:
            if "__pycache__" not in file.parts and file.name != "vault.yml":
                digest.update(f"{file.relative_to(root)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


class State:
    """``sweep.jsonl``: the tasks of this code's runs, and what was found, a line each, written as it happens."""

    def __init__(self, path: Path, code: str) -> None:
        self.path, self.code = path, code
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        of_code = [line for line in lines if line["code"] == code]
        self.tasks = {line["run"]: [Step(*step) for step in line["tasks"]] for line in of_code if "tasks" in line}
        self.results: dict[int, dict[str, Any]] = {line["number"]: line for line in of_code if "number" in line}

    def record(self, run: str, tasks: Sequence[Step]) -> None:
        self.tasks[run] = list(tasks)
        self._append(run=run, tasks=[astuple(step) for step in tasks])

    def add(self, point: Point, seen: Seen, seconds: float) -> list[str]:
        found = faults(point, seen, self.tasks[point.run])
        line = {**asdict(point), **asdict(seen), "seconds": round(seconds), "faults": found}
        self.results[point.number] = line
        self._append(**line)
        return found

    def add_error(self, point: Point, error: str, seconds: float) -> list[str]:
        """A point that could not be looked at is not recovered."""
        line = {**asdict(point), "seconds": round(seconds), "faults": [error]}
        self.results[point.number] = line
        self._append(**line)
        return [error]

    def _append(self, **line: Any) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps({"code": self.code, **line}) + "\n")


def cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def table(all_points: Sequence[Point], results: Mapping[int, Mapping[str, Any]]) -> str:
    """A page that says of each point what was found there, or which other one proves it, or that it was not tried."""
    states = tried(all_points)
    found = [results[point.number] for point in states if point.number in results]
    whole = {result["number"] for result in found if not result["faults"]}
    lines = [
        "# A controller killed before each task",
        "",
        "`make sweep` kills `deploy.yml` and `rollback.yml` before their tasks, asks `playbooks/status.yml` what to do, and runs",
        "the same playbook again, while 20 rows a second are written and the site is looked at five times a second. A point is",
        "recovered when the wanted release serves on every host, no row is lost, visitors met a whole release or the maintenance",
        "page, and nothing half-made is left.",
        "",
        f"The {len(all_points)} tasks leave {len(states)} states behind: where a task changed nothing, a kill before it and one",
        "after it leave the same. Each state is tried once, before the task that changes it. A task counts as one that changes",
        "something when it says so on any host; when a file, a unit, the database or a process of the run is not what it was, on a",
        "host or on the controller; when it tells something to people, or to a process that keeps it in memory; and as long as a",
        "job that changes something is at work beside it.",
        "",
        f"Recovered: {len(whole)} of the {len(found)} states that were tried, of {len(states)}; with them "
        f"{sum(point.proof in whole for point in all_points)} of the {len(all_points)} points.",
        "",
        "| point | run | killed before | what status said | outcome | seconds | recovered |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join(lines + list(_rows(all_points, results))) + "\n"


def _rows(all_points: Iterable[Point], results: Mapping[int, Mapping[str, Any]]) -> Iterable[str]:
    for point in all_points:
        place = f"| {point.number} | {point.run} | {point.at}. {cell(point.task)} |"
        if (result := results.get(point.number)) is None:
            yield f"{place} " + ("not tried" if point.proof == point.number else f"same state as point {point.proof}") + " | | | |"
            continue
        said, ended = "not seen", "not seen"
        if "served" in result:
            said = cell(result["advice"] or "nothing to do")
            ended = "it had done its work" if result["recovery"] is None else f"exit code {result['recovery']}, {result['site']}"
        recovered = cell("; ".join(result["faults"]) or "yes")
        yield f"{place} {said} | {ended} | {result['seconds']} | {recovered} |"
