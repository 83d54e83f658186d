# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be said of one task once all hosts are through with it, and of a run at its end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible.module_utils.tickbox.assertion import HOLDS_NOTHING, TICKED, failure
from ansible.module_utils.tickbox.record import SEVERITY, seconds
from ansible.module_utils.tickbox.summary import sentences, title
from ansible.module_utils.tickbox.terminal import Line, Page, entry, host_names, tail, together, wrapped

MARKS = {
    "passed": ("[x]", "ok"),
    "attested": ("[x]", "ok"),
    "failed": ("[!]", "error"),
    "unverifiable": ("[?]", "warn"),
    "waived": ("[-]", "warn"),
    "not_applicable": ("[-]", "skip"),
    "pending": ("[ ]", "warn"),
}
SLOW = 10.0  # seconds from which a step is worth a line of its own
SUMMARIES = 5  # of a statement that is ticked: hosts whose figures differ say the same
OUTPUT_LINES = 30
ITEMS = 8
VALUE_LENGTH = 500
INTERNAL = ("invocation", "exception", "changed", "warnings", "deprecations")
RECAP = ("ok", "changed", "unreachable", "failures", "skipped", "rescued", "ignored")


class Trouble(NamedTuple):
    """Why a task failed on a host. ``then``: what the run does about it, ``place``: where the task stands."""

    what: tuple[str, ...]
    then: str = ""
    place: str = ""
    unreachable: bool = False
    ignored: bool = False


@dataclass
class Step:
    """A task as it goes: what hosts have said so far. ``started``: seconds of a clock that only goes forward."""

    name: str
    started: float
    begun: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    attempts: str = ""
    looks: dict[str, list[tuple[str, Mapping[str, Any]]]] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)
    changed: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    items: dict[str, list[str]] = field(default_factory=dict)
    diffs: list[tuple[str, str]] = field(default_factory=list)
    troubles: list[tuple[str, Trouble]] = field(default_factory=list)

    def lines(self, elapsed: float, texts: Mapping[str, str], page: Page) -> list[Line]:
        """Nothing where there is nothing to say."""
        lines = [line for item, seen in self.looks.items() for line in look_lines(item, texts.get(item, ""), seen, page)]
        if self.said:
            lines += [Line(one) for one in entry(f"> {self.name}", 0, page)]
            lines += told(self.said, page)
        if self.changed:
            for hosts, labels in together(self.changed):
                text = f"* {self.name}{some(labels)}: changed on {host_names(hosts)}"
                lines += [Line(one, "changed") for one in entry(text, elapsed, page)]
            for hosts, text in together(self.diffs):
                lines += [Line(f"    {host_names(hosts)}"), Line(text)]
        for hosts, trouble in together(self.troubles):
            lines += trouble_lines(self.name, hosts, trouble, elapsed, page)
        if not lines and elapsed >= SLOW:
            lines = [Line(one) for one in entry(f". {self.name}", elapsed, page)]
        return lines


def some(labels: Iterable[str]) -> str:
    """The items of a loop in brackets, the first few."""
    different = list(dict.fromkeys(labels))
    more = f" and {len(different) - ITEMS} more" if len(different) > ITEMS else ""
    return f" ({', '.join(different[:ITEMS])}{more})" if different else ""


def told(pairs: Iterable[tuple[str, str]], page: Page) -> list[Line]:
    """Texts of hosts, with their names where they disagree."""
    folded = together(pairs)
    return [
        Line(line) for hosts, text in folded for line in wrapped(text if len(folded) == 1 else f"{host_names(hosts)}: {text}", page)
    ]


def look_lines(item: str, text: str, seen: Sequence[tuple[str, Mapping[str, Any]]], page: Page) -> list[Line]:
    """A statement with what was seen on which hosts; once for each status, the worst last."""
    lines = []
    for status in SEVERITY:
        of_status = [(host, assertion) for host, assertion in seen if assertion["status"] == status]
        if not of_status:
            continue
        mark, tone = MARKS[status]
        longest = max(seconds(assertion) for _, assertion in of_status)
        lines += [Line(one, tone) for one in entry(f"{mark} {item}  {text}".rstrip(), longest, page)]
        folded = together((host, detail(assertion)) for host, assertion in of_status)
        shown = folded[:SUMMARIES] if status in TICKED else folded
        for hosts, (summary, values) in shown:
            lines += [Line(one) for one in wrapped(f"{host_names(hosts)}: {summary}", page)]
            lines += [Line(one) for value in values for one in wrapped(value, page, indent=8)]
        if len(shown) < len(folded):
            others = sum(len(hosts) for hosts, _ in folded[SUMMARIES:])
            lines += [Line(one) for one in wrapped(f"and {others} hosts more, each with its own figures", page)]
    return lines


def detail(assertion: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The summary of a look, and where it found a fault what it expected and what it observed."""
    if assertion["status"] in HOLDS_NOTHING:
        return assertion["summary"], ()
    values = tuple(f"{name}  {plain(assertion[name])}" for name in ("expected", "observed") if assertion.get(name))
    return assertion["summary"], values


def plain(values: Any) -> str:
    """Named values in one line, cut where nobody would read on; the record has all."""
    named = values.items() if isinstance(values, Mapping) else [("", values)]
    texts = {name: value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False) for name, value in named}
    text = ", ".join(f"{name}: {value}" if name else value for name, value in texts.items())
    return text if len(text) <= VALUE_LENGTH else f"{text[:VALUE_LENGTH]} [... {len(text) - VALUE_LENGTH} more characters]"


def trouble_lines(step: str, hosts: list[str], trouble: Trouble, elapsed: float, page: Page) -> list[Line]:
    names = host_names(hosts)
    if trouble.ignored:
        why = trouble.what[0] if trouble.what else ""
        return [Line(one, "warn") for one in entry(f'- "{step}" failed on {names} and is ignored: {why}', elapsed, page)]
    what = f'[!] UNREACHABLE at "{step}": {names}' if trouble.unreachable else f'[!] "{step}" failed on {names}'
    lines = [Line(one, "error") for one in entry(what, elapsed, page)]
    lines += [Line(one, "error") for text in trouble.what for one in wrapped(text, page)]
    lines += [Line(one) for one in wrapped(trouble.place, page)]
    return lines + [Line(one, "warn") for one in wrapped(trouble.then, page)]


def reasons(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Why a task failed, in full: its message, and what the program that it ran wrote. Not again what its assertions said."""
    if "censored" in result:
        return (str(result["censored"]),)
    found = [spoken(result["msg"])] if result.get("msg") else []
    if result.get("assertions") and found == [failure(result["assertions"])]:
        found = []
    if result.get("assertion"):
        found.append(f"not so: {spoken(result['assertion'])}")
    if "rc" in result and result["rc"] not in (0, None):
        found = [text for text in found if text != "non-zero return code"] + [f"exit code {result['rc']}"]
    for name in ("stderr", "stdout"):
        text = result.get(name) or result.get(f"module_{name}")
        if text:
            found += tail(str(text), OUTPUT_LINES)
    if not found and not result.get("assertions"):
        found = [plain({name: value for name, value in result.items() if not name.startswith("_") and name not in INTERNAL})]
    return tuple(found)


def spoken(value: Any) -> str:
    """A message as it reads: a list line by line, anything else that is no text as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    return json.dumps(value, indent=2, default=str, ensure_ascii=False)


def ending(summary: Mapping[str, Any], texts: Mapping[str, str], report: str, page: Page) -> list[Line]:
    """How a run ended: what was not ticked, the counts, the window, what is kept, the report. Its heading is ``end_title``."""
    lines: list[Line] = []
    for item in summary["items"]:
        if item["status"] in ("failed", "unverifiable"):
            mark, tone = MARKS[item["status"]]
            lines += [Line(one, tone) for one in entry(f"{mark} {item['id']}  {texts.get(item['id'], '')}", 0, page)]
            lines += [Line(one) for one in wrapped(f"{host_names(item['hosts'])}: {item['summary']}", page)]
    told = sentences(summary) + ([f"Report: {report}"] if report else [])
    return lines + [Line(one) for text in told for one in wrapped(text, page, indent=2)]


def end_title(summary: Mapping[str, Any]) -> Line:
    taken_back = summary["kind"] == "deploy" and summary["outcome"] == "rolled_back"
    tone = "error" if summary["outcome"] == "failed" or taken_back else "ok"
    return Line(title(summary), tone)


def recap(by_host: Mapping[str, Mapping[str, int]], page: Page) -> list[Line]:
    """Ansible's counts of tasks, hosts folded that have the same."""
    lines = []
    for hosts, counts in together(sorted(by_host.items())):
        tone = "error" if counts["failures"] or counts["unreachable"] else "changed" if counts["changed"] else "ok"
        text = " ".join(f"{'failed' if name == 'failures' else name}={counts[name]}" for name in RECAP)
        lines += [Line(one, tone) for one in wrapped(f"{host_names(hosts)} : {text}", page, indent=2)]
    return lines
