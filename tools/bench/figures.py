"""What the answers to a client and the events of a run say, as figures."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from statistics import median
from typing import Any, TypeVar

Contender = TypeVar("Contender")
RATE = 50  # requests a second
OK = 200
# What these do, the controller does by itself.
ON_CONTROLLER = {
    *("add_host", "assert", "debug", "fail", "group_by", "include_role", "include_tasks", "import_role", "import_tasks"),
    *("include_vars", "meta", "pause", "set_fact", "set_stats", "validate_argument_spec", "wait_for_connection"),
}
LOCAL = {"localhost", "127.0.0.1"}
ENDED = ("runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_item_on_ok", "runner_item_on_failed")


@dataclass(frozen=True)
class Answer:
    """Times are seconds of the clock. ``status`` is 0 where there was none."""

    sent: float
    came: float
    status: int
    version: str = ""


@dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        listed = list(values)
        return cls(median(listed), min(listed), max(listed))


def turns(everybody: Sequence[Contender], number: int) -> list[Contender]:
    """Who comes after whom in a round."""
    first = number % len(everybody)
    return [*everybody[first:], *everybody[:first]]


def seen(answers: Sequence[Answer], began: float, version: str) -> dict[str, Any]:
    """What a visitor saw of a change to ``version`` that was asked for at ``began``. Raises ValueError where it was not made."""
    new = [answer.came for answer in answers if answer.status == OK and answer.version == version]
    if not new or answers[-1].version != version:
        raise ValueError(f"the site does not answer with {version}")
    failed = [answer for answer in answers if answer.status != OK]
    return {
        "answering": min(new) - began,
        "requests": len(answers),
        "failed": len(failed),
        "statuses": dict(Counter(str(answer.status) for answer in failed)),
        "away": away(answers),
        "slowest": max(answer.came - answer.sent for answer in answers),
    }


def away(answers: Sequence[Answer]) -> float:
    """Seconds in which anything but 200 came: from the first request that got it to the next one that got 200."""
    total, since = 0.0, None
    for answer in answers:
        if answer.status != OK:
            since = answer.sent if since is None else since
        elif since is not None:
            total += answer.sent - since
            since = None
    return total + (answers[-1].came - since if since is not None else 0.0)


@dataclass(frozen=True)
class Task:
    """A task of a run: its seconds last until the next one begins. ``remote``: how often a host was asked."""

    phase: str
    name: str
    seconds: float
    remote: int


def tasks(events: Sequence[dict[str, Any]], began: float, playbook: str) -> list[Task]:
    """The tasks of a run by its events. Roles that ``playbook`` includes are its phases; what comes before is the start."""
    found: list[Task] = []
    phase, name, since, remote = "start", "ansible-playbook starts", began, 0
    looped = {_key(event) for event in events if event["event"].startswith("runner_item_on_")}
    for event in events:
        data = event.get("event_data", {})
        if event["event"] in {"playbook_on_task_start", "playbook_on_stats"}:
            at = datetime.fromisoformat(event["created"]).replace(tzinfo=UTC).timestamp()
            found.append(Task(phase, name, at - since, remote))
            name, since, remote = data.get("task", ""), at, 0
            if f"{playbook}:" in data.get("task_path", "") and _action(data) == "include_role":
                phase = name
        elif event["event"] in ENDED and _is_remote(data) and not (event["event"] == "runner_on_ok" and _key(event) in looped):
            remote += 1
    return found


def _key(event: dict[str, Any]) -> tuple[str, str]:
    data = event.get("event_data", {})
    return data.get("task_uuid", ""), data.get("host", "")


def _action(data: dict[str, Any]) -> str:
    return str(data.get("task_action", "")).rpartition(".")[2]


def _is_remote(data: dict[str, Any]) -> bool:
    delegated = (data.get("res") or {}).get("_ansible_delegated_vars", {}).get("ansible_host", "")
    return _action(data) not in ON_CONTROLLER and delegated not in LOCAL


def by_phase(found: Iterable[Task]) -> list[Task]:
    """The tasks of each phase as one."""
    grouped = groupby(found, key=lambda task: task.phase)
    return [
        Task(phase, "", sum(task.seconds for task in listed), sum(task.remote for task in listed))
        for phase, listed in ((phase, list(group)) for phase, group in grouped)
    ]


def medians(runs: Sequence[Sequence[Task]], key: Callable[[Task], tuple[str, str]]) -> list[Task]:
    """Of the tasks that each of the runs has, the medians, in the order of the first run."""
    tables = [{key(task): task for task in run} for run in runs]
    return [
        Task(task.phase, task.name, median(table[key(task)].seconds for table in tables), tables[0][key(task)].remote)
        for task in tables[0].values()
        if all(key(task) in table for table in tables)
    ]
