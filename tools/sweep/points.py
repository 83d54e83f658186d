"""The points at which a run may be killed, which of them are tried and in which order, and what was found there. Pure functions."""

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
    """Before task ``at`` (counted from 1) of a run. ``number`` counts through the points of both runs."""

    number: int
    run: str
    at: int
    task: str


@dataclass(frozen=True)
class Seen:
    """What was seen of one point. ``served``: the release of each host of the application; ``site``: what visitors get."""

    killed: bool
    task: str
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


def points(tasks: Mapping[str, Sequence[str]]) -> list[Point]:
    """All points, from the tasks that a whole run of each kind has."""
    listed = [(run, at, task) for run, names in tasks.items() for at, task in enumerate(names, 1)]
    return [Point(number, *one) for number, one in enumerate(listed, 1)]


def sample(all_points: Sequence[Point], size: int, seed: int) -> list[Point]:
    """As many points; with the next seed the next ones, until all had their turn."""
    mixed = random.Random(0).sample(list(all_points), len(all_points))  # noqa: S311 - no secret
    chosen = {mixed[(seed * size + number) % len(mixed)].number for number in range(min(size, len(mixed)))}
    return [point for point in all_points if point.number in chosen]


def following(pending: Sequence[Point], serving: str) -> Point:
    """The next point: one that begins where the host is now, if there is one, so that nothing has to be undone for it."""
    return next((point for point in pending if START[point.run] == serving), pending[0])


def faults(point: Point, seen: Seen) -> list[str]:
    """What is wrong, nothing where the run's recovery was whole."""
    wanted = WANTED[point.run]
    told = []
    if not seen.killed:
        told.append("the run was not killed: it never came to this task")
    elif seen.task != point.task:
        told.append(f"the run was killed before another task, {seen.task}")
    if seen.left and not seen.advice:
        told.append(f"status.yml does not say what to type, and there is {', '.join(seen.left)}")
    if seen.recovery != 0 and not (seen.recovery is None and not seen.left):
        told.append(f"the recovery ended with {seen.recovery}")
    others = {host: release for host, release in seen.served.items() if release.rpartition("-")[0] != wanted}
    told += [f"{host} has {release or 'no release'}" for host, release in others.items()]
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
    """``reports/sweep.jsonl``: the tasks of this code's runs, and what was found, a line each, written as it happens."""

    def __init__(self, path: Path, code: str) -> None:
        self.path, self.code = path, code
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        of_code = [line for line in lines if line["code"] == code]
        self.tasks: dict[str, list[str]] = {line["run"]: line["tasks"] for line in of_code if "tasks" in line}
        self.results: dict[int, dict[str, Any]] = {line["number"]: line for line in of_code if "number" in line}

    def record(self, run: str, tasks: Sequence[str]) -> None:
        self.tasks[run] = list(tasks)
        self._append(run=run, tasks=self.tasks[run])

    def add(self, point: Point, seen: Seen, seconds: float) -> list[str]:
        found = faults(point, seen)
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
    """A page that says of each point what was found there, or that it was not tried."""
    tried = [results[point.number] for point in all_points if point.number in results]
    whole = sum(not result["faults"] for result in tried)
    lines = [
        "# A controller killed before each task",
        "",
        f"`make sweep` kills `deploy.yml` and `rollback.yml` before each of their {len(all_points)} tasks, asks",
        "`playbooks/status.yml` what to do, and runs the same playbook again, while people use the site.",
        "A point is recovered when the wanted release serves on every host, no row is lost, visitors met a whole release or the",
        "maintenance page, and nothing half-made is left.",
        "",
        f"Recovered: {whole} of the {len(tried)} points that were tried, of {len(all_points)}.",
        "",
        "| point | run | killed before | what status said | outcome | seconds | recovered |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join(lines + list(_rows(all_points, results))) + "\n"


def _rows(all_points: Iterable[Point], results: Mapping[int, Mapping[str, Any]]) -> Iterable[str]:
    for point in all_points:
        place = f"| {point.number} | {point.run} | {point.at}. {cell(point.task)} |"
        if (result := results.get(point.number)) is None:
            yield f"{place} not tried | | | |"
            continue
        said, ended = "not seen", "not seen"
        if "served" in result:
            said = cell(result["advice"] or "nothing to do")
            ended = "it had done its work" if result["recovery"] is None else f"exit code {result['recovery']}, {result['site']}"
        recovered = cell("; ".join(result["faults"]) or "yes")
        yield f"{place} {said} | {ended} | {result['seconds']} | {recovered} |"
