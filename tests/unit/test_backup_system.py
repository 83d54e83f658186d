"""Backups that make themselves: what keeps them from being there when they are needed."""

import importlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox import backup_system
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict
from ansible.module_utils.tickbox.backup_system import Kept, Place, judge_backup_system, place, read_success
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
PATHS = ["/etc", "/var/backups/shop"]
KEEP = {"daily": 7, "weekly": 5}
BACKUP = "/usr/bin/restic backup --quiet --host db1 --tag scheduled /etc /var/backups/shop"
FORGET = "/usr/bin/restic forget --prune --keep-daily 7 --keep-weekly 5"
CHECK = "/usr/bin/restic check --quiet"


def executed(*commands: str, ignore: str = "no") -> str:
    return "\n".join(f"{{ path=/usr/bin/restic ; argv[]={command} ; ignore_errors={ignore} ; pid=0 }}" for command in commands)


SERVICE = {
    "LoadState": "loaded",
    "ActiveState": "inactive",
    "Result": "success",
    "NeedDaemonReload": "no",
    "Environment": "",
    "ExecMainStartTimestamp": "Fri 2026-01-02 02:31:00.000000 UTC",
    "ExecStart": executed(BACKUP, FORGET, CHECK),
}
TIMER = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "waiting",
    "UnitFileState": "enabled",
    "NextElapseUSecRealtime": "Sat 2026-01-03 02:30:00.000000 UTC",
    "NeedDaemonReload": "no",
    "LastTriggerUSec": "Fri 2026-01-02 02:30:00.000000 UTC",
}
BEFORE = datetime(2026, 1, 2, 2, 32, tzinfo=UTC)
JOB = Kept(SERVICE, TIMER, BEFORE)
SNAPSHOT = {"time": "2026-01-02T02:31:10.123456789Z", "paths": PATHS}
REMOTE = "s3:https://s3.example.com/db1"
MOUNTED = Place("/mnt/backup", "ext4", "/dev/sdb", 7, frozenset({1}), frozenset({"sdb"}), frozenset({"sda"}))


def judge(job: Kept = JOB, test: Kept | None = JOB, where: Place | None = None, **changes: Any) -> Verdict:
    seen: dict[str, Any] = {"snapshots": [SNAPSHOT], "superfluous": 0}
    asked: dict[str, Any] = {
        "now": NOW,
        "repository": REMOTE,
        "settings": {"RESTIC_REPOSITORY": REMOTE},
        "host": "db1",
        "paths": PATHS,
        "keep": KEEP,
        "max_age": timedelta(hours=26),
        "test_max_age": timedelta(hours=180),
        "trust_mount": False,
    }
    merged = {**seen, **asked, **changes}
    return judge_backup_system(job, test, merged.pop("snapshots"), merged.pop("superfluous"), where, **merged)


def with_service(**changes: str) -> Kept:
    return replace(JOB, service={**SERVICE, **changes})


def with_timer(**changes: str) -> Kept:
    return replace(JOB, timer={**TIMER, **changes})


def test_backups_in_place_pass() -> None:
    assert judge().status == "passed"
    assert judge(test=None).status == "passed"


@pytest.mark.parametrize(
    ("job", "says"),
    [
        (with_timer(UnitFileState="disabled"), "its timer: disabled"),
        (with_timer(UnitFileState="enabled-runtime"), "its timer: enabled-runtime"),
        (with_timer(UnitFileState="static"), "its timer: static"),
        (with_timer(ActiveState="inactive"), "its timer: inactive"),
        (with_timer(LoadState="masked"), "its timer: masked"),
        (with_timer(NextElapseUSecRealtime="n/a"), "will not elapse"),
        (with_timer(LastTriggerUSec="Fri 2026-01-02 09:30:00.000000 UTC"), "a run that began 2 h ago has not succeeded"),
        (with_service(Result="exit-code"), "its last run failed (exit-code)"),
        (with_service(LoadState="not-found"), "its service: not-found"),
        (with_service(NeedDaemonReload="yes"), "daemon-reload"),
        (with_service(Environment="RESTIC_REPOSITORY=/tmp/x"), "names another repository"),
        (replace(JOB, succeeded=None), "never succeeded"),
        (replace(JOB, succeeded=NOW - timedelta(days=9)), "its last success was 9 days ago"),
        (replace(JOB, succeeded=NOW + timedelta(days=1)), "of the future"),
        (with_service(ExecStart=executed(BACKUP, CHECK)), "does not call restic forget"),
        (with_service(ExecStart=executed(BACKUP, FORGET)), "does not call restic check"),
        (with_service(ExecStart=""), "does not call restic backup"),
        (with_service(ExecStart=executed(BACKUP, FORGET.replace("7", "1"), CHECK)), "retention is 1 daily, 5 weekly, not 7 daily"),
        (with_service(ExecStart=executed(BACKUP, FORGET.replace("--prune ", ""), CHECK)), "never removed"),
        (with_service(ExecStart=executed(BACKUP.replace("/etc ", ""), FORGET, CHECK)), "does not back up /etc"),
        (with_service(ExecStart=executed(BACKUP + " --exclude=*.dump", FORGET, CHECK)), "leaves something out"),
        (with_service(ExecStart=executed(BACKUP.replace("db1", "db2"), FORGET, CHECK)), "as host db1"),
        (with_service(ExecStart=executed(BACKUP, FORGET, CHECK, ignore="yes")), "after a step that failed"),
    ],
)
def test_refuses_a_job(job: Kept, says: str) -> None:
    judged = judge(job)
    assert judged.status == "failed"
    assert says in judged.summary


def test_refuses_a_restore_test_that_failed() -> None:
    assert "restore test: its last run failed" in judge(test=with_service(Result="exit-code")).summary
    assert "restore test: its last success was 9 days ago" in judge(test=replace(JOB, succeeded=NOW - timedelta(days=9))).summary


def test_a_run_under_way_is_no_failure() -> None:
    running = replace(
        with_timer(LastTriggerUSec="Fri 2026-01-02 11:59:00.000000 UTC"), service={**SERVICE, "ActiveState": "activating"}
    )
    assert judge(running).status == "passed"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"snapshots": []}, "no scheduled backup"),
        ({"snapshots": [{**SNAPSHOT, "time": "2025-12-30T02:31:10Z"}]}, "is of 3 days ago"),
        ({"snapshots": [{**SNAPSHOT, "time": "2026-02-02T02:31:10Z"}]}, "of the future"),
        ({"snapshots": [{**SNAPSHOT, "paths": ["/etc"]}]}, "lacks /var/backups/shop"),
        ({"snapshots": [{**SNAPSHOT, "time": "2026-01-01T12:31:10Z"}]}, "left no backup in the repository"),
        ({"superfluous": 3}, "3 snapshots are there that the retention does not keep"),
        ({"settings": {"RESTIC_REPOSITORY": "/var/backups/restic"}}, "another repository"),
        ({"settings": {}}, "another repository"),
        ({"repository": "sftp:root@localhost:/x", "settings": {"RESTIC_REPOSITORY": "sftp:root@localhost:/x"}}, "this very host"),
        (
            {"repository": "rest:http://127.0.0.1:8000/", "settings": {"RESTIC_REPOSITORY": "rest:http://127.0.0.1:8000/"}},
            "this very",
        ),
        ({"where": replace(MOUNTED, kind="nfs4", source="localhost:/b"), "trust_mount": True}, "this very host"),
        ({"where": replace(MOUNTED, kind="nfs4", source="db1:/b"), "own_host": "db1"}, "this very host, reached as db1"),
        ({"own_host": "10.0.0.5"}, "this very host, reached as 10.0.0.5"),
        ({"where": replace(MOUNTED, device=1)}, "on the disk of the data alone"),
        ({"where": replace(MOUNTED, disks=frozenset({"sda"}))}, "on the disk of the data alone"),
        ({"where": replace(MOUNTED, source="/dev/loop3"), "trust_mount": True}, "on the disk of the data alone"),
        ({"where": replace(MOUNTED, kind="tmpfs", source="tmpfs"), "trust_mount": True}, "keeps nothing"),
    ],
)
def test_refuses(changes: dict[str, Any], says: str) -> None:
    judged = judge(**changes)
    assert judged.status == "failed"
    assert says in judged.summary


def test_what_lies_behind_a_mount_cannot_be_seen_unless_it_is_known() -> None:
    with pytest.raises(CouldNotLook, match="cannot be seen"):
        judge(where=MOUNTED)
    assert "said to be off the host" in judge(where=MOUNTED, trust_mount=True).summary
    assert judge(where=replace(MOUNTED, kind="nfs4", source="nas:/b")).status == "passed"


@pytest.mark.parametrize(
    ("repository", "host"),
    [
        ("s3:https://s3.example.com/db1", "s3.example.com"),
        ("s3:s3.example.com/db1", "s3.example.com"),
        ("sftp:root@10.0.0.5:/x", "10.0.0.5"),
        ("sftp://root@[fd00::5]:22//x", "fd00::5"),
        ("sftp://root@nas:22//x", "nas"),
        ("sftp:nas:/x", "nas"),
        ("rest:https://user:secret@nas:8000/", "nas"),
        ("rest:http://[fd00::5]:8000/", "fd00::5"),
        ("b2:bucket:path", ""),
        ("rclone:remote:path", ""),
    ],
)
def test_the_machine_of_a_repository(repository: str, host: str) -> None:
    assert backup_system.host_of(repository, None) == host


@pytest.mark.parametrize(
    ("kind", "source", "host"),
    [
        ("nfs4", "nas:/b", "nas"),
        ("nfs4", "[fd00::5]:/b", "fd00::5"),
        ("cifs", "//nas/b", "nas"),
        ("fuse.sshfs", "root@nas:/b", "nas"),
        ("ceph", "10.0.0.5,10.0.0.6:/", ""),
        ("9p", "share", ""),
        ("ext4", "/dev/sdb", ""),
    ],
)
def test_the_machine_of_a_mount(kind: str, source: str, host: str) -> None:
    assert backup_system.host_of("/mnt/backup", replace(MOUNTED, kind=kind, source=source)) == host


def test_a_machine_by_an_address_of_this_host() -> None:
    is_here = importlib.import_module("check_backup_system").is_here
    assert [name for name in ("127.0.0.1", "::1", "192.0.2.1", "absent.invalid", "." * 300) if is_here(name)] == [
        "127.0.0.1",
        "::1",
    ]


def test_a_backup_without_a_time_cannot_be_looked_at() -> None:
    with pytest.raises(CouldNotLook, match="without a time"):
        judge(snapshots=[{"paths": PATHS}])


def test_the_place_of_a_folder(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    text = f"25 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 25 8:17 /x {tmp_path} rw shared:1 - nfs4 nas:/x rw\nrubbish\n"
    found = place(tmp_path, [Path("/nowhere"), tmp_path], text, tmp_path)
    assert (found.point, found.kind, found.source, found.data_devices) == (str(tmp_path), "nfs4", "nas:/x", frozenset({device}))
    with pytest.raises(CouldNotLook, match="no mount"):
        place(tmp_path, [], "", tmp_path)


@given(st.text(max_size=80))
@settings(max_examples=100)
def test_foreign_texts_are_read(text: str) -> None:
    assert read_success(text, "backup") is None
    assert isinstance(backup_system.commands({"ExecStart": text}), list)


def test_the_time_of_a_success() -> None:
    assert read_success("tickbox_backup_last_success_timestamp_seconds 1767323045\n", "backup") == datetime(
        2026, 1, 2, 3, 4, 5, tzinfo=UTC
    )
    assert read_success("tickbox_backup_last_success_timestamp_seconds nan\n", "backup") is None


def test_the_module_says_what_it_could_not_see(run_module: Any) -> None:
    given = {"repository": "/nowhere", "password_file": "/nowhere", "host": "x", "paths": ["/etc"], "keep": {"daily": 7}}
    seen = run_module("check_backup_system", **given, report_only=True)["assertions"][0]
    assert (seen["item"], seen["status"]) == ("pre.environment.backup", "unverifiable")
    seen = run_module("check_backup_system", **{**given, "keep": {"daily": "lots"}}, report_only=True)["assertions"][0]
    assert (seen["status"], "keep" in seen["summary"]) == ("unverifiable", True)
