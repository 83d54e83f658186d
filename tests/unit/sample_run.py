"""Records of runs as real ones leave them, for tests of what is made of them."""

import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.tickbox.record import SUMMARY, Writer, end_of, read
from ansible.module_utils.tickbox.summary import summarise

ROOT = Path(__file__).parents[2]
KEPT: dict[str, Any] = yaml.safe_load((ROOT / "checklist.yml").read_text())
CHECKLIST: list[dict[str, Any]] = KEPT["items"]
DOCUMENT: dict[str, Any] = KEPT["document"]
TEMPLATES = ROOT / "roles" / "run" / "templates"
BEGAN = 1767323045.0  # 2026-01-02 03:04:05 UTC
HOSTILE = """<script>document.title = "owned"</script><img src=x onerror=alert(1)>"'&{{ 7 * 7 }}"""

# Name, role, seconds, and the phases of the checklist that are looked at there.
PHASES = [
    ("Open the run", "run", 1.6, ()),
    ("1. Preflight", "preflight", 21.4, ("pre.",)),
    ("2. Backup", "backup", 14.2, ("deploy.backup",)),
    ("3. Stage the release beside the one that serves", "release", 18.9, ()),
    ("3. Try the staged release", "preflight", 9.3, ()),
    ("4. Maintenance mode", "maintenance", 2.1, ("deploy.maintenance",)),
    ("5. Release", "release", 6.4, ("deploy.release",)),
    ("6. Verification", "verification", 5.2, ("deploy.verification",)),
    ("7. Go live", "go_live", 31.0, ("deploy.go_live",)),
    ("8. Post-deployment", "post_deployment", 27.7, ("post.",)),
    ("Close the run", "run", 1.1, ()),
]
WAIVER = {"reason": "the advisory service cannot be reached from here", "approver": "the security officer", "expires": "2026-03-31"}
STATUSES: dict[str, tuple[str, str]] = {
    "pre.security.audit": (
        "attested",
        'signed as security officer, 2 findings, none critical and open: "Audit of the first quarter"',
    ),
    "pre.quality.no_critical_bugs": (
        "attested",
        "no critical bug is open by the export of 2026-01-01, signed by the tracker's keeper",
    ),
    "pre.security.vulnerability_scan": ("waived", f"waived by {WAIVER['approver']} until {WAIVER['expires']}: {WAIVER['reason']}"),
    "post.performance.memory_leaks": ("failed", "the memory of the worker grew by 41 MB in 30 s under load, 16 MB at most may be"),
    "post.monitoring.dashboard": ("unverifiable", "the dashboard could not be asked: connection refused"),
    "deploy.release.migrations": ("not_applicable", "the release has no migration"),
}


def look(item: str, at: float, host: str, phase: str, **more: Any) -> dict[str, Any]:
    """One look at one item, ticked unless STATUSES has it otherwise."""
    status, summary = STATUSES.get(item, ("passed", "3 of 3 are as they should be"))
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return {
        "event": "assertion",
        "time": at,
        "host": host,
        "phase": phase,
        "item": item,
        "status": status,
        "summary": summary,
        "expected": {"status": 200, "least": 3},
        "observed": {"status": 200, "met": 3, "addresses": ["/healthz", "/api/v1/examples"]},
        "evidence": [{"asked": "GET /healthz", "answer": "200 OK, in 4.1 ms"}, "HTTP/1.1 200 OK\ncontent-type: application/json"],
        "started": stamp,
        "ended": stamp,
        "seconds": 0.42,
        **({"waiver": {**WAIVER, "seen": "unverifiable"}} if status == "waived" else {}),
        **more,
    }


def events(began: float = BEGAN, run_id: str = "20260102t030405z_9f1c", slower: float = 1.0) -> list[dict[str, Any]]:
    """All events of a deployment but for its close."""
    opened = {"id": run_id, "kind": "deploy", "app": "examples", "title": "Interactive examples", "environment": "production"}
    made: list[dict[str, Any]] = [
        {"event": "opened", "time": began, "directory": "", "started": began, "who": "deployer@controller", **opened}
    ]
    at = began
    for name, role, seconds, held in PHASES:
        made.append({"event": "phase", "time": at, "name": name, "phase": role})
        items = [item["id"] for item in CHECKLIST if held and item["phase"].startswith(held)]
        for number, item in enumerate(items):
            hosts = ["app1", "app2"] if item.startswith("deploy.release") else ["controller"]
            moment = at + seconds * (number + 1) / (len(items) + 1)
            made += [look(item, moment, host, role) for host in hosts]
        at += seconds * slower
    return made


def visits(began: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What a probe saw of a site that was closed for a while: runs of equal answers, and samples."""
    start, shut, opened, end = began + 65.6, began + 67.0, began + 79.3, began + 137.0
    answers = [
        {"status": 200, "first": start, "last": shut - 0.05, "count": 28},
        {"status": 503, "first": shut, "last": opened - 0.05, "count": 244},
        {"status": 200, "first": opened, "last": opened + 30, "count": 70},
        {"status": 0, "first": opened + 31, "last": opened + 31, "count": 1},
        {"status": 200, "first": opened + 32, "last": end, "count": 26},
    ]
    samples = []
    for number in range(200):
        at = start + number * (end - start) / 199
        closed = shut <= at < opened
        median = (0.0012 if closed else 0.006) * (1 + 0.3 * math.sin(number * 1.7)) * (3 if opened <= at < opened + 2 else 1)
        slowest = median * (1.5 + (number * 7919 % 13) / 4)
        samples.append({"at": at, "answers": {"503" if closed else "200": 3}, "median": median, "slowest": slowest})
    return answers, samples


def facts(began: float = BEGAN, **more: Any) -> dict[str, Any]:
    """What a run tells when it is closed."""
    answers, samples = visits(began)
    return {
        "outcome": "deployed",
        "from_release": "v1.0.0-1a2b3c4d",
        "to_release": "v1.1.0-5e6f7a8b",
        "commit": "5e6f7a8b9c0d1e2f30415263748596a7b8c9d0e1",
        "window_seconds": 12.3,
        "visitors": answers,
        "samples": samples,
        "kept": ["examples_before_20260102t030405z_9f1c"],
        "notices": [],
        **more,
    }


def keep(directory: Path, happened: Iterable[dict[str, Any]], told: dict[str, Any] | None = None, ended: float = 0.0) -> Path:
    """Write a record, and its summary where the run came to its close."""
    directory.mkdir(parents=True, exist_ok=True)
    writer = Writer(directory)
    for event in happened:
        writer.append(event)
    if told is not None:
        writer.append({"event": "closed", "time": ended, "facts": told})
        summary = summarise(read(directory), CHECKLIST) | end_of(directory)
        (directory / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n")
    return directory


def deployments(reports: Path) -> Path:
    """A deployment, and one the day before; the folder of the later one."""
    earlier = BEGAN - 86400
    before = events(earlier, run_id="20260101t030405z_77aa", slower=1.1)
    for event in before:
        if event.get("item") == "post.performance.memory_leaks":
            event.update(status="passed", summary="the worker's memory grew by 2 MB")
    told = facts(earlier, from_release="v0.9.0-0a0b0c0d", to_release="v1.0.0-1a2b3c4d", window_seconds=14.1)
    keep(reports / "20260101t030405z_77aa", before, told, earlier + 153.0)
    return keep(reports / "20260102t030405z_9f1c", events(), facts(), BEGAN + 139.0)
