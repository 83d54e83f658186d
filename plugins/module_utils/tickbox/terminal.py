# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How lines for a person are laid out: hosts folded together, text wrapped, times, headings."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, TypeVar

Key = TypeVar("Key")
LOG_WIDTH = 80  # of rules where there is no terminal
WIDEST = 110  # where seconds stand on a terminal: further right nobody finds their line
SECONDS_WIDTH = 9
WORTH_TELLING = 0.1  # seconds
RANGE = 3  # hosts; two are named
HOUR, MINUTE = 3600, 60
HOST = re.compile(r"^(.*?)(\d*)((?:\.[a-z].*)?)$")
# Colours and cursor movements that a program put into its output, and control characters.
CONTROL = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)|[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")


class Line(NamedTuple):
    """``tone`` is the name of one of Ansible's colours, ``ok`` for ``COLOR_OK``; empty for the terminal's own."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Page:
    """``width``: columns of the terminal; None for a log, in which no line is broken, so that it can be searched.

    ``unicode``: whether what reads it knows more than ASCII.
    """

    width: int | None = None
    unicode: bool = True

    @property
    def rule(self) -> str:
        return "─" if self.unicode else "-"

    @property
    def spinner(self) -> str:
        return "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if self.unicode else "|/-\\"

    @property
    def ruled(self) -> int:
        return min(self.width or LOG_WIDTH, WIDEST)


def clean(text: str) -> str:
    """Without what would move the cursor or change colours."""
    return CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).expandtabs()


def wrapped(text: str, page: Page, indent: int = 6) -> list[str]:
    """The lines of a text, indented, and on a terminal broken where it ends."""
    lead = " " * indent
    lines = clean(text).strip("\n").splitlines()
    if page.width is None:
        return [lead + line if line else "" for line in lines]
    return [
        one
        for line in lines
        for one in textwrap.wrap(
            line,
            max(page.width, indent + 20),
            initial_indent=lead,
            subsequent_indent=lead + "  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        or [""]
    ]


def entry(text: str, seconds: float, page: Page) -> list[str]:
    """A line of its own with how long it took: on a terminal at the right, in a log behind it."""
    took = duration(seconds) if seconds >= WORTH_TELLING else ""
    if page.width is None:
        return [f"  {clean(text)}" + (f"  ({took})" if took else "")]
    first, *rest = wrapped(text, Page(max(page.ruled - SECONDS_WIDTH, 1), page.unicode), indent=2)
    return [f"{first:<{page.ruled - SECONDS_WIDTH}}{took:>{SECONDS_WIDTH}}".rstrip(), *(" " * 4 + line.lstrip() for line in rest)]


def duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < MINUTE else clock(seconds)


def clock(seconds: float) -> str:
    """1:05, or 1:02:03 from an hour on."""
    whole = int(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE}:{whole % MINUTE:02}"
    return f"{whole // HOUR}:{whole % HOUR // MINUTE:02}:{whole % MINUTE:02}"


def heading(title: str, seconds: float, page: Page) -> str:
    left, right = f"{page.rule * 2} {clean(title)} ", f" {clock(seconds)} {page.rule * 2}"
    return left + page.rule * max(page.ruled - len(left) - len(right), 2) + right


def in_order(host: str) -> tuple[str, str, int]:
    """What stands before the number of a host's name, its domain, and the number."""
    ((stem, digits, domain),) = HOST.findall(host)
    return stem, domain, int(digits or -1)


def together(pairs: Iterable[tuple[str, Key]]) -> list[tuple[list[str], Key]]:
    """Hosts folded where they agree, in the order of their names. What they agree on need not be hashable."""
    folded: list[tuple[list[str], Key]] = []
    for host, key in sorted(pairs, key=lambda pair: in_order(pair[0])):
        for hosts, known in folded:
            if known == key:
                if host not in hosts:
                    hosts.append(host)
                break
        else:
            folded.append(([host], key))
    return folded


def host_names(hosts: Iterable[str]) -> str:
    """Names in their order, numbers that follow each other folded: app1..app16, db."""
    found: list[str] = []
    ordered = sorted(set(hosts), key=in_order)
    for _, run in groupby(enumerate(ordered), key=lambda pair: (*in_order(pair[1])[:2], in_order(pair[1])[2] - pair[0])):
        names = [name for _, name in run]
        found += [f"{names[0]}..{names[-1]}"] if len(names) >= RANGE else names
    return ", ".join(found)


def numbered(title: str) -> bool:
    """Whether it names a phase of the checklist, ``5. Release``."""
    return re.match(r"\d+\. ", title) is not None


def tail(text: str, most: int) -> Iterator[str]:
    """The last lines of a long output."""
    lines = clean(text).strip("\n").splitlines()
    if len(lines) > most:
        yield f"({len(lines) - most} lines before; -v shows them)"
    yield from lines[-most:]
