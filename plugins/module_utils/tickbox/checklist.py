# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checklist as the document that people know: its headings, its order and its words, with the boxes of one run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .assertion import TICKED
from .record import last_looks

UNSEEN = "not looked at"  # the status of an item without any
WORDS = {"not_applicable": "not applicable"}
MARKDOWN = re.compile(r"([\\`*\[<|&])")  # what would be markup in a sentence


def laid_out(
    document: Mapping[str, Any],
    checklist: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The document with each box as it is after a run, and the looks that made it so."""
    seen, looks = {item["id"]: item for item in summary["items"]}, last_looks(events)

    def boxes(phase: str) -> list[dict[str, Any]]:
        return [box(item, seen.get(item["id"]), looks.get(item["id"], {}), summary) for item in checklist if item["phase"] == phase]

    names = _names(str(summary.get("title") or summary["app"]))
    return {
        "title": document["title"].format_map(names),
        "text": document["text"].format_map(names),
        "sections": [
            {
                "title": section["title"],
                "text": section.get("text", ""),
                "parts": [{"title": part["title"], "boxes": boxes(part["phase"])} for part in section.get("parts", [])],
                "signatures": boxes(section["signatures"]) if "signatures" in section else [],
            }
            for section in document["sections"]
        ],
    }


def box(
    item: Mapping[str, Any], seen: Mapping[str, Any] | None, looks: Mapping[str, Mapping[str, Any]], summary: Mapping[str, Any]
) -> dict[str, Any]:
    """One box: ticked or open, with its status in a word and the reason."""
    status = seen["status"] if seen else UNSEEN
    return {
        "id": item["id"],
        "text": item["text"],
        "status": status,
        "word": WORDS.get(status, status),
        "ticked": status in TICKED,
        "reason": " ".join(str(seen["summary"]).split()) if seen else unseen(item["id"], summary["kind"]),
        "seconds": seen["seconds"] if seen else 0.0,
        "looks": [looks[host] for host in sorted(looks)],
        **(_signature(list(looks.values()), status) if item["phase"] == "signoff" else {}),
    }


def unseen(item: str, kind: str) -> str:
    """Why a run of this kind did not look at an item."""
    if item.startswith("rollback.") and kind != "rollback":
        return "of a rollback"
    if kind == "rollback" and not item.startswith("rollback."):
        return "of a deployment"
    return "the run did not come to it" if kind in ("deploy", "rollback") else f"no run of the kind {kind} looks at it"


def _signature(looks: Sequence[Mapping[str, Any]], status: str) -> dict[str, str]:
    """Who signed and when, as the look at a signature observed it."""
    if status not in TICKED or not looks:
        return {"name": "", "date": ""}
    observed = looks[-1].get("observed") or {}
    date = observed.get("date") or observed.get("issued") or looks[-1].get("ended") or ""
    return {"name": str(observed.get("name") or observed.get("signer") or ""), "date": str(date)[:10]}


def _names(title: str) -> dict[str, str]:
    """The application's name as it stands in a heading, {Title}, and in a sentence, {title}."""
    words = title.split()
    if len(words) > 1 and words[0].lower() == "the":
        words = words[1:]
    first = words[0].lower() if words[0].istitle() else words[0]
    return {"Title": " ".join(word[:1].upper() + word[1:] for word in words), "title": " ".join([first, *words[1:]])}


def markdown(page: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The document as Markdown: its own words, [x] or [ ], and beside each open box the reason."""
    lines = [f"# {escaped(page['title'])}", "", escaped(page["text"]), "", _of_run(summary)]
    for section in page["sections"]:
        lines += ["", f"## {section['title']}"]
        if section["text"]:
            lines += ["", section["text"]]
        for part in section["parts"]:
            lines += ["", f"### {part['title']}", *[_line(one) for one in part["boxes"]]]
        if section["signatures"]:
            lines += ["", "| Role | Name | Signature | Date |", "|------|------|-----------|------|"]
            lines += [_row(one) for one in section["signatures"]]
    return "\n".join(lines) + "\n"


def _of_run(summary: Mapping[str, Any]) -> str:
    began = datetime.fromtimestamp(summary["started"], UTC)
    versions = " -> ".join(str(summary[name]) for name in ("from_release", "to_release") if summary.get(name))
    of = f"{summary['kind']} of {summary['app']} to {summary['environment']}" + (f" ({versions})" if versions else "")
    return escaped(f"{began:%Y-%m-%d %H:%M} UTC, {of}: {summary['outcome']}. Run {summary['run_id']}, by {summary['who']}.")


def _line(one: Mapping[str, Any]) -> str:
    return f"- [x] {one['text']}" if one["ticked"] else f"- [ ] {one['text']} ({_why(one)})"


def _row(one: Mapping[str, Any]) -> str:
    cells = [one["text"], escaped(one["name"]), _why(one), escaped(one["date"])]
    return "| " + " | ".join(cells) + " |"


def _why(one: Mapping[str, Any]) -> str:
    """The status in a word, and the reason, which may begin with it."""
    return escaped(one["reason"] if one["reason"].startswith(one["word"]) else f"{one['word']}: {one['reason']}")


def escaped(text: str) -> str:
    """Foreign text, so that it is no markup of its own."""
    return MARKDOWN.sub(r"\\\1", " ".join(text.split()))
