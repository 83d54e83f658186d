"""What the tasks of a run did, and which of them left everything as it was. Pure functions."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# They tell something to a process that keeps it in its memory, or to people: no look sees it, and they need not call it a change.
TELLING = {"ansible.builtin.uri", "cause_error", "send_load", "send_notices", "send_test_alert"}


@dataclass(frozen=True)
class Step:
    """A task. ``changed``: the hosts that said that it changed something. ``other``: what else says that it may have."""

    task: str
    changed: Sequence[str]
    other: Sequence[str]

    @property
    def same(self) -> bool:
        """Whether the state after it is the one before it."""
        return not self.changed and not self.other


def steps(lines: Sequence[Mapping[str, Any]]) -> list[Step]:
    """From what the callback at_task wrote down."""
    came = defaultdict(list)
    other: dict[int, list[str]] = defaultdict(list)
    for line in lines:
        if "of" in line:
            came[line["of"]].append(line)
        elif "after" in line:
            other[line["after"]] += line["other"]
    begun = [line for line in lines if "number" in line]
    for line in begun:
        if line["action"] in TELLING and any(one["outcome"] != "skipped" for one in came[line["number"]]):
            other[line["number"]].append(f"{line['action']} tells somebody")
    for number, job in under_way(lines, len(begun)):
        other[number].append(f"job {job} is at work")
    return [
        Step(
            line["task"],
            [one["host"] for one in came[line["number"]] if one["outcome"] == "changed"],
            other[line["number"]],
        )
        for line in begun
    ]


def under_way(lines: Iterable[Mapping[str, Any]], last: int) -> Iterable[tuple[int, str]]:
    """The tasks beside which a job changed something: nobody knows when. A job that nobody waited for counts as one that did."""
    begun: dict[str, int] = {}
    for line in lines:
        if "job" not in line:
            continue
        if not line["finished"]:
            begun.setdefault(line["job"], line["of"])
        elif line["job"] in begun:
            first = begun.pop(line["job"])
            if line["outcome"] != "ok":
                yield from ((number, line["job"]) for number in range(first, line["of"] + 1))
    for job, first in begun.items():
        yield from ((number, job) for number in range(first, last + 1))
