# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of a run as one page that needs nothing else: what it shows, and its rendering. Needs Jinja2."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

try:
    import jinja2

    JINJA2 = True
except ImportError:  # reported by the module that needs it
    JINJA2 = False

from .checklist import UNSEEN
from .comparison import compare
from .record import CLOSED
from .site_picture import picture
from .summary import SAMPLES, failures
from .timeline import timeline

TEMPLATE = "report.html.j2"
KINDS = {
    "deploy": "Deployment of {} to {}",
    "rollback": "Rollback of {} in {}",
    "verify": "Verification of {} in {}",
    "preflight": "Preflight of {} for {}",
    "backup": "Backup of {} in {}",
    "restore": "Restoration of {} in {}",
}
# How an outcome is said, and whether it is good.
OUTCOMES = {
    "deployed": ("Deployed", "good"),
    "unchanged": ("Unchanged", "good"),
    "verified": ("Verified", "good"),
    "restored": ("Restored", "good"),
    "rolled_back": ("Rolled back", "doubtful"),
    "failed": ("Failed", "bad"),
    "interrupted": ("Interrupted", "bad"),
}
MINUTE = 60
LEAST_CHANGE = 0.05  # seconds
NEEDS_A_LOOK = ("failed", "unverifiable", "waived")
ORDER = ("passed", "attested", *reversed(NEEDS_A_LOOK), "pending", "not_applicable", UNSEEN)


class CannotRender(Exception):
    """The template cannot be filled in; the message says what is wrong with it."""


def contents(
    page: Mapping[str, Any],
    summary: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    checklist: Sequence[Mapping[str, Any]],
    before: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Everything that the report shows. ``page``: the checklist as laid out; ``before``: the summary of the run before."""
    parts = [part["boxes"] for section in page["sections"] for part in section["parts"]]
    boxes = [one for part in [*parts, *(section["signatures"] for section in page["sections"])] for one in part]
    heading = KINDS.get(summary["kind"], summary["kind"].capitalize() + " of {} in {}")
    word, tone = OUTCOMES.get(summary["outcome"], (summary["outcome"].replace("_", " ").capitalize(), "doubtful"))
    closed: Mapping[str, Any] = next((event["facts"] for event in events if event["event"] == CLOSED), {})
    return {
        "page": page,
        "summary": summary,
        "heading": heading.format(summary.get("title") or summary["app"], summary["environment"]),
        "outcome": {"word": word, "tone": tone},
        "counts": _counts(boxes),
        "ticked": sum(one["ticked"] for one in boxes),
        "boxes": len(boxes),
        "attention": [one for status in NEEDS_A_LOOK for one in boxes if one["status"] == status],
        "failures": failures(events),
        "resumed": [event for event in events if event["event"] == "resumed"],
        "timeline": timeline(summary, events),
        "site": picture(summary.get("visitors") or [], closed.get(SAMPLES) or []),
        "before": compare(summary, before, checklist),
        "lines": len(events),
    }


def render(shown: Mapping[str, Any], templates: Path) -> str:
    """The page. What comes from elsewhere is escaped wherever it stands."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(moment=moment, clock=clock, span=span, change=change, pretty=pretty, values=values)
    try:
        return environment.get_template(TEMPLATE).render(shown)
    except jinja2.TemplateError as error:
        raise CannotRender(f"{templates / TEMPLATE}: {error}") from error


def moment(time: float) -> str:
    """A day and a time for people."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(time: float) -> str:
    """A time of the day."""
    return f"{datetime.fromtimestamp(time, UTC):%H:%M:%S}"


def span(seconds: float) -> str:
    """A length of time for people; a figure stays with its unit."""
    minutes, rest = divmod(round(seconds), MINUTE)
    if minutes >= MINUTE:
        figures = f"{minutes // MINUTE}~h {minutes % MINUTE:02}~min"
    else:
        figures = f"{minutes}~min {rest:02}~s" if minutes else f"{seconds:.1f}~s"
    return figures.replace("~", "\N{NO-BREAK SPACE}")


def change(seconds: float) -> str:
    """By how much something took longer, or less long."""
    if abs(seconds) < LEAST_CHANGE:
        return "the same"
    return ("+" if seconds > 0 else "\N{MINUS SIGN}") + span(abs(seconds))


def pretty(value: Any) -> str:
    """What was read, as text: an entry of a list or a mapping on a line of its own, texts as they are."""
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {_said(one)}" for name, one in value.items())
    return "\n".join(_said(one) for one in value) if isinstance(value, list) else _said(value)


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def values(look: Mapping[str, Any]) -> list[dict[str, str]]:
    """The named values of a look, what was expected of each beside what was observed."""
    expected, observed = (dict(look.get(name) or {}) for name in ("expected", "observed"))
    return [
        {"name": str(name), **{side: pretty(given[name]) if name in given else "" for side, given in sides.items()}}
        for sides in [{"expected": expected, "observed": observed}]
        for name in {**expected, **observed}
    ]


def _counts(boxes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many boxes have each status."""
    ways = [(status, [one for one in boxes if one["status"] == status]) for status in ORDER]
    return [{"status": status, "word": met[0]["word"], "count": len(met)} for status, met in ways if met]
