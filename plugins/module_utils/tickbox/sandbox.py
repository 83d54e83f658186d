# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges a sandbox by what hostile programs could do in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .assertion import CouldNotLook, Verdict, listed, verdict
from .hostile import LEFT_BEHIND, PROBES, reports

# Processes of the sandbox itself that a program may see: its init, wrappers and the program.
OWN_PROCESSES = 10
HIGHEST_PID = 1000
# What a connection meets where there is no network at all; refusals count on the loopback alone, which may exist and be empty.
UNREACHABLE = {"ENETUNREACH", "EPERM", "EACCES", "EAFNOSUPPORT", "EADDRNOTAVAIL", "ENETDOWN", "EPROTONOSUPPORT", "ENOSYS"}
EMPTY = UNREACHABLE | {"ECONNREFUSED"}
LOOPBACK = ("127.0.0.1", "::1")
ABSENT = {"ENOENT", "EACCES", "EPERM", "ENOTDIR", "ECONNREFUSED", "ELOOP"} | UNREACHABLE
SECRET_NAMES = ("secret", "passw", "token", "database_url", "redis_url", "api_key", "credential", "private_key")
SHORTEST_SECRET = 8
SURVEY = "survey"  # and "survey, <another way>"
CUT_OFF = (137, 143, 124, -9)
# The programs that take what they can get: the unit of what they say they have, and the bound of it.
TAKEN = {
    "fork bomb": ("processes", "processes"),
    "memory": ("MiB", "memory_mb"),
    "memory of several processes": ("MiB", "memory_mb"),
    "disk": ("MiB", "disk_mb"),
}


@dataclass(frozen=True)
class Run:
    """One program that was run through the application. ``status``: of the HTTP answer; ``seconds``: until it came."""

    name: str
    mark: str
    status: int
    stdout: str
    stderr: str
    exit_code: int | None
    timed_out: bool
    seconds: float

    @property
    def said(self) -> list[dict[str, Any]]:
        """What it reported."""
        return reports(self.stdout, self.mark)


@dataclass(frozen=True)
class Bounds:
    """The most that a program may get: MiB of memory and disk, processes, and seconds until it is stopped."""

    memory_mb: int
    disk_mb: int
    processes: int
    seconds: float


def judge_sandbox(
    runs: Mapping[str, Run], bounds: Bounds, product: int, secrets: Mapping[str, str], after: Sequence[int]
) -> Verdict:
    """post.security.sandbox: no hostile program got out or took too much, an ordinary one worked, and the site still answers.

    product: what the benign program must have computed. after: statuses of the site once the suite was over.
    """
    unanswered = [f"{run.name} (status {run.status})" for run in runs.values() if run.status != 200]  # noqa: PLR2004
    if unanswered:
        raise CouldNotLook(f"the application did not run {listed(unanswered)}")
    surveys = [run for run in runs.values() if run.name.startswith(SURVEY)]
    problems = [
        f"{run.name.removeprefix(f'{SURVEY}, ')}: {problem}" if run.name != SURVEY else problem
        for run in surveys
        for problem in survey_problems(_report(run))
    ]
    problems += [f"a file written by one program is there for the next: {path}" for path in _report(runs["remains"])["found"][:1]]
    problems += benign_problems(runs["benign"], product)
    reached = {name: _reached(runs[name]) for name in TAKEN}
    for name, (unit, bound) in TAKEN.items():
        most = getattr(bounds, bound)
        if reached[name] < 0:
            raise CouldNotLook(f"{name}: the program said nothing")
        if reached[name] > most:
            problems.append(f"{name}: {reached[name]} {unit}, at most {most} allowed")
        elif not _whole(runs[name]):
            raise CouldNotLook(f"{name}: ended at {reached[name]} {unit}, before it had got as much as it could")
    for name in ("endless loop", "left behind"):
        problems += endless_problems(runs[name], bounds)
    outputs = [(run.name, run.stdout + run.stderr) for run in runs.values()]
    problems += [
        f"{name} (a secret of this deployment) can be read by a program"
        for name, value in secrets.items()
        if len(value) >= SHORTEST_SECRET and any(value in text for _, text in outputs)
    ]
    problems += [f"the site answers with status {status} after the suite" for status in after if status >= 500 or status <= 0]  # noqa: PLR2004
    return verdict(
        problems,
        f"{len(runs) - 1} hostile programs kept in: at most {reached['fork bomb']} processes, {reached['memory']} MiB of memory, "
        f"{reached['disk']} MiB of disk, stopped after {runs['endless loop'].seconds:.1f} s; an ordinary one worked",
        expected={
            "memory_mb": bounds.memory_mb,
            "disk_mb": bounds.disk_mb,
            "processes": bounds.processes,
            "seconds": bounds.seconds,
        },
        observed={**reached, "seconds": {run.name: round(run.seconds, 1) for run in runs.values()}},
        evidence={run.name: _evidence(_report(run)) for run in surveys},
    )


def judge_left_behind(processes: Mapping[int, str]) -> Verdict:
    """post.security.sandbox, on a host of the application: no stopped program goes on. processes: their names by their numbers."""
    left = [str(pid) for pid, name in processes.items() if name == LEFT_BEHIND]
    return verdict(
        [f"{len(left)} processes go on of a program that was stopped: {listed(left)}"] if left else [],
        f"none of {len(processes)} processes is left of a program that was stopped",
        observed={"processes": len(processes), "left": left},
    )


def survey_problems(survey: Mapping[str, Any]) -> list[str]:
    """Name what the survey could see, reach or change that it should not."""
    missing = [name for name in PROBES if name not in survey or (isinstance(survey[name], Mapping) and "error" in survey[name])]
    if missing:
        raise CouldNotLook(f"the survey could not look at {listed(missing)}")
    problems = []
    identity, processes = survey["identity"], survey["processes"]
    if identity["uid"] == 0 or identity["euid"] == 0:
        problems.append("programs run as root")
    if survey["capabilities"] not in (0, "EPERM", "ENOSYS"):
        problems.append(f"programs have capabilities ({survey['capabilities']})")
    seen = max(processes["signalled"], processes["shown"])
    if seen > OWN_PROCESSES or identity["pid"] > HIGHEST_PID:
        problems.append(f"other processes are within reach ({seen} seen, own number {identity['pid']})")
    foreign = [name for name in survey["interfaces"] if name != "lo"] if isinstance(survey["interfaces"], list) else []
    if foreign:
        problems.append(f"the network is there: interfaces {listed(foreign)}")
    reached = [f"{to} ({how})" for to, how in survey["connections"].items() if not _cut(to, how)]
    if reached:
        problems.append(f"the network is there: {listed(reached, 3)}")
    problems += _listed("the host's files can be seen", [path for path, how in survey["places"].items() if how in ("seen", "read")])
    problems += _listed("a link leads to the host's files", [path for path, how in survey["links"].items() if how not in ABSENT])
    open_to = [path for path, how in survey["writes"].items() if not how["readonly"] and how["result"] != "written"]
    problems += _listed("mounted writable from the host", open_to)
    problems += _listed(
        "the root is writable", [path for path, how in survey["writes"].items() if path == "/" and how["result"] == "written"]
    )
    named = [name for name in survey["environment"] if any(word in name.lower() for word in SECRET_NAMES)]
    problems += _listed("secrets in the environment", named)
    problems += _listed(
        "descriptors left open", [f"{number} ({kind})" for number, kind in survey["descriptors"].items() if kind != "other"]
    )
    problems += _listed(
        "programs can make or become", [what for what, how in survey["namespaces"].items() if how in ("done", "nothing")]
    )
    return problems + _listed("devices of the host", survey["devices"])


def benign_problems(run: Run, product: int) -> list[str]:
    """Name what kept an ordinary program from working: then nothing is shown by the others' failing."""
    said = run.said[-1] if run.said else {}
    problems = []
    if said.get("product") != product or said.get("file") != "kept":
        problems.append("an ordinary program does not work")
    elif run.exit_code != 3 or "a line on the other stream" not in run.stderr:  # noqa: PLR2004
        problems.append(f"an ordinary program's exit code or error output is lost (exit code {run.exit_code})")
    return problems


def endless_problems(run: Run, bounds: Bounds) -> list[str]:
    """Name why an endless program was not stopped as it should."""
    if not run.said:
        raise CouldNotLook(f"{run.name}: the program said nothing")
    if run.seconds > bounds.seconds:
        return [f"{run.name}: answered after {run.seconds:.1f} s, at most {bounds.seconds:g} allowed"]
    stopped = run.timed_out or run.exit_code in CUT_OFF
    return [] if stopped else [f"{run.name}: ended by itself with exit code {run.exit_code}"]


def _report(run: Run) -> dict[str, Any]:
    if not run.said:
        said = " ".join(run.stderr.split())[-200:]
        raise CouldNotLook(f"{run.name}: the program said nothing ({said or 'no output'})")
    return run.said[-1]


def _cut(to: str, how: str) -> bool:
    if to.startswith("unix "):
        return how in ABSENT
    return how in (EMPTY if to.split()[1] in LOOPBACK else UNREACHABLE) or (
        how == "connected" and to.startswith("udp ") and to.split()[1] in LOOPBACK
    )


def _listed(what: str, names: Sequence[str]) -> list[str]:
    return [f"{what}: {listed(names)}"] if names else []


def _number(value: Any) -> int:
    return value if isinstance(value, int) else -1


def cut_short(runs: Mapping[str, Run], bounds: Bounds) -> list[str]:
    """The programs of which time was over before they had got as much as they could, and no more than they may."""
    return [name for name, (_, bound) in TAKEN.items() if not _whole(runs[name]) and _reached(runs[name]) <= getattr(bounds, bound)]


def _reached(run: Run) -> int:
    """The most that a program said it had got; -1 where it said nothing."""
    return max((_number(entry.get("reached")) for entry in run.said), default=-1)


def _whole(run: Run) -> bool:
    """Whether a program took as much as it could: it said so at its end, or was cut off, and not because its time was over."""
    return any({"ended", "stopped"} & entry.keys() for entry in run.said) or (run.exit_code != 0 and not run.timed_out)


def _evidence(survey: Mapping[str, Any]) -> dict[str, Any]:
    """The survey without the values of the environment."""
    places = {path: how for path, how in survey["places"].items() if how != "ENOENT"}
    return {**survey, "environment": sorted(survey["environment"]), "places": places}
