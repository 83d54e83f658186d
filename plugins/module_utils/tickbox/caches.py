# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges a cache after a release: this release's entries are all there and new, and no other release's are."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .assertion import CouldNotLook, Verdict, listed, verdict
from .redis_client import Redis, Refused


@dataclass(frozen=True)
class Layout:
    """Where an application keeps its warmed entries.

    all: pattern of such entries of any release. prefix: how this release's begin. list: the entry that holds a JSON list of
    objects, whose ``field`` names one more entry each, below ``each``.
    """

    all: str
    prefix: str
    list: str
    field: str
    each: str


@dataclass(frozen=True)
class Contents:
    """What the cache holds: the keys that match, the list, the length of each entry, seconds since each was last touched.

    idle is empty where the server's policy does not count it.
    """

    keys: Collection[str]
    list: str | None
    lengths: Mapping[str, int | None] = field(default_factory=dict)
    idle: Mapping[str, int] = field(default_factory=dict)


def read(redis: Redis, layout: Layout) -> Contents:
    """Read what ``judge_caches`` needs. The idle times are read first: reading an entry touches it."""
    keys = redis.scan(layout.all)
    own = sorted(key for key in keys if key.startswith(layout.prefix))
    idle: dict[str, int] = {}
    try:
        for key in own:
            seconds = redis("OBJECT", "IDLETIME", key)
            if isinstance(seconds, int):
                idle[key] = seconds
    except Refused:
        idle = {}  # a policy by frequency counts no time
    lengths: dict[str, int | None] = {}
    for key in own:
        length = redis("STRLEN", key) if redis("TYPE", key) == "string" else None
        lengths[key] = length if isinstance(length, int) else None
    held = redis("GET", layout.list) if lengths.get(layout.list) is not None else None
    return Contents(keys, held if isinstance(held, str) else None, lengths, idle)


def judge_caches(contents: Contents, layout: Layout, written: int | None, seconds: float) -> Verdict:
    """deploy.release.caches. written: how many entries the rebuild says that it wrote. seconds: since the run began."""
    own = {key for key in contents.keys if key.startswith(layout.prefix)}
    others = set(contents.keys) - own
    problems = []
    if others:
        problems.append(f"{len(others)} entries of another release: {listed(others, 3)}")
    wanted, problem = _wanted(contents.list, layout)
    if problem:
        problems.append(problem)
    lost = wanted - own
    if lost:
        problems.append(f"{len(lost)} of {len(wanted)} warmed entries are missing: {listed(lost, 3)}")
    if written is not None and len(own) < written:
        problems.append(f"the rebuild wrote {written} entries, of which {len(own)} are there")
    if written == 0:
        problems.append("the rebuild wrote no entry")
    empty = [key for key, length in contents.lengths.items() if not length]
    if empty:
        problems.append(f"empty: {listed(empty, 3)}")
    old = [key for key, idle in contents.idle.items() if idle > seconds]
    if old:
        problems.append(f"{len(old)} entries are older than this run: {listed(old, 3)}")
    return verdict(
        problems,
        f"{len(own)} entries of {layout.prefix}*, all that are named in its list, and none of another release",
        expected={"prefix": layout.prefix, "entries": sorted(wanted), "written": written},
        observed={"own": len(own), "others": len(others), "missing": sorted(lost)},
        evidence={"keys": sorted(contents.keys)[:50]},
    )


def layout_of(given: Mapping[str, Any]) -> Layout:
    """The layout as the application's definition gives it; CouldNotLook where a part is missing."""
    names = ("all", "prefix", "list", "field", "each")
    missing = [name for name in names if not given.get(name)]
    if missing:
        raise CouldNotLook(f"cache: {listed(missing)} is missing")
    return Layout(**{name: str(given[name]) for name in names})


def _wanted(text: str | None, layout: Layout) -> tuple[set[str], str | None]:
    """The keys that must be there, and what is wrong with the list that names them."""
    if text is None:
        return {layout.list}, None
    try:
        entries = json.loads(text)
        names = [str(entry[layout.field]) for entry in entries]
    except (ValueError, TypeError, KeyError, RecursionError):
        return {layout.list}, f"{layout.list} is no list of objects with {layout.field}"
    if not names:
        return {layout.list}, f"{layout.list} is an empty list"
    return {layout.list, *(layout.each + name for name in names)}, None
