# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges whether backups make themselves: timers, the last runs, retention, a copy off the host, the last restore test."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .assertion import CouldNotLook, Verdict, listed, verdict
from .systemd import Properties, timestamp
from .units import timer_problems

SERVICE = ("LoadState", "ActiveState", "Result", "Environment", "NeedDaemonReload", "ExecMainStartTimestamp")
TIMER = (
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "UnitFileState",
    "NextElapseUSecRealtime",
    "NextElapseUSecMonotonic",
    "NeedDaemonReload",
    "LastTriggerUSec",
    "Unit",
)
# Repositories that restic reaches over a network, by the beginning of their address; those of NAMES_HOST name a machine in it.
NAMES_HOST = ("s3:", "sftp:", "rest:")
REMOTE = ("s3:", "sftp:", "rest:", "b2:", "azure:", "gs:", "swift:", "rclone:")
NETWORK = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "ceph",
    "glusterfs",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.s3fs",
    "fuse.rclone",
    "9p",
    "virtiofs",
)
NO_DISK = ("tmpfs", "ramfs", "overlay", "squashfs")
# The machine that a repository or the source of a mount names; a password may stand before it.
HOST = re.compile(r"(?:(?:s3|sftp|rest):(?:\w+:)?)?(?://)?(?:[^@/]*@)?(\[[^\]]*\]|[^@:/,\[]+)[:/]")
HERE = re.compile(r"(?:^|[/@:])(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)(?=[:/]|$)")
AHEAD = timedelta(minutes=5)  # by which a clock may differ before a time counts as one of the future
TO_RUN = timedelta(hours=6)  # a run that began longer ago and has not succeeded has failed


@dataclass(frozen=True)
class Kept:
    """A job: its service, its timer, and when it last succeeded by its own word; None where it never did."""

    service: Properties
    timer: Properties
    succeeded: datetime | None


@dataclass(frozen=True)
class Place:
    """Where the repository is: the mount that holds it, and the numbers of the devices that hold the data."""

    point: str = ""
    kind: str = ""
    source: str = ""
    device: int = 0
    data_devices: frozenset[int] = frozenset()
    disks: frozenset[str] = frozenset()
    data_disks: frozenset[str] = frozenset()


def read_success(text: str, name: str) -> datetime | None:
    """Read the time that a job left for the monitoring; None where it left none."""
    found = re.search(rf"^tickbox_{name}_last_success_timestamp_seconds (\d{{1,11}})$", text, re.MULTILINE | re.ASCII)
    return datetime.fromtimestamp(int(found[1]), UTC) if found else None


def commands(service: Properties) -> list[list[str]]:
    """The commands of a service, as systemctl show prints them all on lines of one name."""
    return [found.split() for found in re.findall(r"argv\[\]=(.*?) ; ignore_errors=", service.get("ExecStart", ""))]


def place(path: Path, data: Sequence[Path], mountinfo: str, block: Path = Path("/sys/dev/block")) -> Place:
    """Find the mount of a local repository."""
    mounts = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        parts, rest = before.split(), after.split()
        if len(parts) > 4 and len(rest) > 1:  # noqa: PLR2004 - the fifth is where it is mounted
            mounts.append((parts[4].encode().decode("unicode_escape"), rest[0], rest[1]))
    holding = [mount for mount in mounts if path.resolve().is_relative_to(mount[0])]
    if not holding:
        raise CouldNotLook(f"no mount holds {path}")
    point, kind, source = max(reversed(holding), key=lambda mount: len(mount[0]))
    device = path.stat().st_dev
    devices = frozenset(entry.stat().st_dev for entry in data if entry.exists())
    return Place(
        point,
        kind,
        source,
        device,
        devices,
        _disks(device, block),
        frozenset[str]().union(*(_disks(one, block) for one in devices)),
    )


def host_of(repository: str, where: Place | None) -> str:
    """The machine that a repository is said to be on; empty where neither its address nor its mount names one."""
    address = _address(repository, where)
    found = HOST.match(address) if address.startswith(NAMES_HOST) or where else None
    return found[1].strip("[]") if found else ""


def judge_backup_system(
    backup: Kept,
    test: Kept | None,
    snapshots: Sequence[Mapping[str, Any]],
    superfluous: int,
    where: Place | None,
    *,
    now: datetime,
    repository: str,
    settings: Mapping[str, str],
    host: str,
    paths: Sequence[str],
    keep: Mapping[str, int],
    max_age: timedelta,
    test_max_age: timedelta,
    trust_mount: bool,
    own_host: str = "",
) -> Verdict:
    """pre.environment.backup: backups are made by themselves, are young and whole, go off the host, and were restored.

    settings: what the service's environment file says. snapshots: the repository's own, of this host's timer. superfluous: how many
    of them the retention would not keep. where: the place of a local repository. test: None where nothing is restored on this host.
    trust_mount: whether a mount of its own counts as off the host. own_host: the repository's machine, where that is this very one.
    """
    problems = [f"backup: {problem}" for problem in _job_problems(backup, now, max_age)]
    if test is not None:
        problems += [f"restore test: {problem}" for problem in _job_problems(test, now, test_max_age)]
    if settings.get("RESTIC_REPOSITORY") != repository:
        problems.append("the service backs up to another repository than the one that is set")
    if "RESTIC_REPOSITORY=" in backup.service.get("Environment", ""):
        problems.append("the service's own environment names another repository")
    problems += _command_problems(backup.service.get("ExecStart", ""), commands(backup.service), host, paths, keep)
    problems += _snapshot_problems(snapshots, now, backup.succeeded, paths, max_age)
    if superfluous:
        problems.append(f"{superfluous} snapshots are there that the retention does not keep: old ones are not dropped")
    off, said = _off_host(repository, where, trust_mount, own_host)
    problems += off
    latest = max((_time(snapshot) for snapshot in snapshots), default=None)
    tested = f", restored {_ago(now, test.succeeded)}" if test else ""
    return verdict(
        problems,
        f"{len(snapshots)} scheduled backups, the last {_ago(now, latest)}{tested}; "
        f"next {backup.timer.get('NextElapseUSecRealtime', '')[:20]}; "
        f"kept {', '.join(f'{count} {name}' for name, count in keep.items())}; {said}",
        expected={
            "max_age": max_age.total_seconds(),
            "test_max_age": test_max_age.total_seconds(),
            "keep": dict(keep),
            "paths": list(paths),
        },
        observed={
            "last_backup": latest.isoformat() if latest else None,
            "last_success": backup.succeeded.isoformat() if backup.succeeded else None,
            "last_test": test.succeeded.isoformat() if test and test.succeeded else None,
            "snapshots": len(snapshots),
            "place": {"point": where.point, "kind": where.kind, "source": where.source} if where else said,
        },
        evidence={"timer": dict(backup.timer), "test_timer": dict(test.timer) if test else None},
    )


def _job_problems(job: Kept, now: datetime, max_age: timedelta) -> Iterator[str]:
    for problem in timer_problems(job.timer):
        yield f"its timer: {problem}"
    if job.service.get("LoadState") != "loaded":
        yield f"its service: {job.service.get('LoadState') or 'unknown'}"
    if job.service.get("NeedDaemonReload") == "yes":
        yield "its service changed without a daemon-reload"
    if job.service.get("Result") != "success":
        yield f"its last run failed ({job.service.get('Result') or 'unknown'})"
    if job.succeeded is None:
        yield "it has never succeeded"
        return
    if job.succeeded > now + AHEAD:
        yield f"its last success is of the future ({job.succeeded:%Y-%m-%d %H:%M} UTC)"
    if now - job.succeeded > max_age:
        yield f"its last success was {_ago(now, job.succeeded)}, {_span(max_age)} at most"
    running = job.service.get("ActiveState") == "activating"
    for begun in (timestamp(job.timer.get("LastTriggerUSec", "")), timestamp(job.service.get("ExecMainStartTimestamp", ""))):
        if begun and begun > job.succeeded + timedelta(seconds=1) and not (running and now - begun < TO_RUN):
            yield f"a run that began {_ago(now, begun)} has not succeeded"
            return


def _command_problems(
    executed: str, given: Sequence[Sequence[str]], host: str, paths: Sequence[str], keep: Mapping[str, int]
) -> Iterator[str]:
    restic = {words[1]: words[2:] for words in given if len(words) > 1 and Path(words[0]).name == "restic"}
    for verb in ("backup", "forget", "check"):
        if verb not in restic:
            yield f"the service does not call restic {verb}"
    backup, forget = list(restic.get("backup", [])), list(restic.get("forget", []))
    if lacking := set(paths) - set(backup):
        yield f"the service does not back up {listed(lacking)}"
    if "backup" in restic and host not in backup:
        yield f"the service does not back up as host {host}"
    if left := [word for word in backup if word.startswith(("--exclude", "-e", "--iexclude", "--files-from", "--dry-run"))]:
        yield f"the service leaves something out: {listed(left)}"
    if "ignore_errors=yes" in executed:
        yield "the service goes on after a step that failed"
    if "forget" not in restic:
        return
    found = {forget[at][len("--keep-") :]: forget[at + 1] for at in range(len(forget) - 1) if forget[at].startswith("--keep-")}
    wanted = {name: str(count) for name, count in keep.items()}
    if found != wanted:
        yield f"retention is {_pairs(found)}, not {_pairs(wanted)}"
    if "--prune" not in forget:
        yield "what retention drops is never removed"
    if "--dry-run" in forget:
        yield "retention is only tried"


def _snapshot_problems(
    snapshots: Sequence[Mapping[str, Any]], now: datetime, succeeded: datetime | None, paths: Sequence[str], max_age: timedelta
) -> Iterator[str]:
    if not snapshots:
        yield "the repository has no scheduled backup of this host"
        return
    last = max(snapshots, key=_time)
    if now - _time(last) > max_age:
        yield f"the repository's last backup is of {_ago(now, _time(last))}, {_span(max_age)} at most"
    if _time(last) > now + AHEAD:
        yield "the repository's last backup is of the future"
    if lacking := set(paths) - set(last.get("paths") or []):
        yield f"the last backup lacks {listed(lacking)}"
    if succeeded and not any(_time(snapshot) <= succeeded for snapshot in snapshots):
        yield "no backup in the repository is as old as the last success"
    elif succeeded and succeeded - max(_time(one) for one in snapshots if _time(one) <= succeeded) > TO_RUN:
        yield "the last success left no backup in the repository"


def _address(repository: str, where: Place | None) -> str:
    """Where a repository is on the network; empty where it is not."""
    return repository if where is None else where.source if where.kind in NETWORK else ""


def _off_host(repository: str, where: Place | None, trust_mount: bool, own_host: str) -> tuple[list[str], str]:
    """Problems with the repository's place, and what it is for a person."""
    if own_host or HERE.search(_address(repository, where)):
        return [f"the repository is on this very host, reached as {own_host or 'localhost'}"], ""
    if where is None:
        return [], f"in {repository.partition(':')[0]} off the host"
    described = f"{where.point} ({where.kind} of {where.source})"
    if where.kind in NETWORK:
        return [], f"off the host on {described}"
    if where.device in where.data_devices or where.disks & where.data_disks or where.source.startswith("/dev/loop"):
        return [f"the repository is on the disk of the data alone: {described}"], ""
    if where.kind in NO_DISK:
        return [f"the repository is on {described}, which keeps nothing off the host"], ""
    if not trust_mount:
        raise CouldNotLook(f"the repository is on {described}: whether that is off the host cannot be seen from it")
    return [], f"on a mount of its own, said to be off the host: {described}"


def _disks(device: int, block: Path) -> frozenset[str]:
    """The whole disks under a device, as far as the kernel names them; none for a file system without a device of its own."""
    entry = block / f"{os.major(device)}:{os.minor(device)}"
    if not entry.exists():
        return frozenset()
    folder = entry.resolve()
    below = [path.name for path in (folder / "slaves").iterdir()] if (folder / "slaves").is_dir() else []
    if below:
        numbers = [(folder / "slaves" / name / "dev").read_text().strip().split(":") for name in below]
        return frozenset[str]().union(*(_disks(os.makedev(int(major), int(minor)), block) for major, minor in numbers))
    return frozenset({folder.parent.name if (folder / "partition").exists() else folder.name})


def _time(snapshot: Mapping[str, Any]) -> datetime:
    try:
        # restic writes nanoseconds, of which Python reads six digits.
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", str(snapshot["time"]))).astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        raise CouldNotLook("restic names a backup without a time") from None


def _ago(now: datetime, then: datetime | None) -> str:
    return f"{_span(now - then)} ago" if then else "never"


def _span(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"  # noqa: PLR2004


def _pairs(counts: Mapping[str, str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
