"""Which backup is meant, how it is fetched, and which are forgotten: with a real repository of restic."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.backup_points import NoSuchPoint, Point, choose, in_repository
from snapshot_prune import old

OLD, RUN, NEW = "20260101t030405z_0001", "20260102t030405z_9f1c", "20260103t030405z_77aa"
Run = Callable[..., dict[str, Any]]


def point(run: str, time: str, snapshot: str = "") -> Point:
    return Point(run, datetime.fromisoformat(f"2026-01-{time}+00:00"), snapshot)


HERE = [point(RUN, "02T03:05"), point("scheduled", "03T02:30"), point(NEW, "03T03:05")]
COPIES = [
    point(OLD, "01T03:06", "a1"),
    point("scheduled", "01T02:31", "a0"),
    point("scheduled", "02T02:31", "b0"),
    point(RUN, "02T03:06", "b1"),
    point("scheduled", "03T02:31", "c0"),
    point(NEW, "03T03:06", "c1"),
]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("latest", HERE[2]),
        (NEW, HERE[2]),
        (RUN, HERE[0]),
        (OLD, COPIES[0]),
        ("2026-01-03T03:00:00Z", HERE[1]),
        ("2026-01-03T03:05:00+00:00", HERE[2]),
        ("2026-01-03T03:30:00+01:00", HERE[1]),
        ("2026-01-03T02:29:59Z", HERE[0]),
        ("2026-01-02T03:00:00Z", COPIES[2]),
        ("2026-01-01T03:00:00Z", COPIES[1]),
    ],
)
def test_the_point_that_is_asked_for_is_found(asked: str, found: Point) -> None:
    assert choose(asked, HERE, COPIES) == found
    assert choose(asked, HERE[::-1], COPIES[::-1]) == found


def test_of_what_only_the_repository_has_the_newest_is_found() -> None:
    assert choose("latest", [], COPIES) == COPIES[5]
    assert choose("latest", HERE[:2], COPIES) == COPIES[5]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            "20260104t030405z_dead",
            "no backup of 20260104t030405z_dead. There are: 20260103t030405z_77aa of 2026-01-03 03:05:00 UTC, on th",
        ),
        ("2026-01-01T02:00:00Z", "no backup of 2026-01-01T02:00:00Z. There are: "),
        ("2026-01-03T03:00:00", "has no time zone; give the id of a run"),
        ("yesterday", "'yesterday' is not a time"),
        ("", "'' is not a time"),
    ],
)
def test_another_point_is_refused_and_those_there_are_named(asked: str, says: str) -> None:
    with pytest.raises(NoSuchPoint) as refused:
        choose(asked, HERE, COPIES)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_refusal_stays_one_line_that_can_be_read() -> None:
    many = [point(f"202601{day:02}t030405z_0001", f"{day:02}T03:05") for day in range(1, 29)]
    with pytest.raises(NoSuchPoint, match="and 16 older ones"):
        choose("20260104t030405z_dead", many, [])
    with pytest.raises(NoSuchPoint, match="There is no backup at all"):
        choose("latest", [], [])


def test_a_snapshot_of_something_else_is_no_point() -> None:
    snapshots = [
        {"id": "a", "time": "2026-01-02T03:04:05Z", "tags": [RUN], "paths": ["/srv/shop/shared"]},
        {"id": "b", "time": "2026-01-02T03:04:05Z", "tags": ["mine"], "paths": ["/backups"]},
        {"id": "c", "time": "2026-01-02T03:04:05Z", "paths": ["/backups"]},
        {"id": "d", "time": "2026-01-02T03:04:05Z", "tags": [RUN], "paths": [f"/backups/shop-{RUN}.dump"]},
        {"id": "e", "time": "2026-01-02T03:04:05Z", "tags": ["scheduled"], "paths": ["/etc", "/backups"]},
    ]
    found = in_repository(snapshots, Path("/backups"), "shop")
    assert [(one.run, one.snapshot, one.path) for one in found] == [
        (RUN, "d", f"/backups/shop-{RUN}.dump"),
        ("scheduled", "e", "/backups/shop-scheduled.dump"),
    ]


def test_runs_that_releases_name_are_not_forgotten() -> None:
    assert old([OLD, RUN, NEW], [], 1) == [OLD, RUN]
    assert old([OLD, RUN, NEW], [OLD], 1) == [RUN]
    assert old([OLD, RUN, NEW], [], 5) == []


class Backups:
    """A folder of dumps and one of files, and a repository that has what was backed up of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.dumps, self.shared = root / "dumps", root / "shared"
        self.given = {
            "repository": str(root / "repository"),
            "password_file": str(root / "password"),
            "host": "one",
        }
        self.dumps.mkdir()
        (self.shared / "uploads").mkdir(parents=True)
        (self.shared / "uploads" / "one.txt").write_text("one")
        (self.shared / "link").symlink_to("uploads/one.txt")
        (root / "password").write_text("horse-battery")
        self.restic("init")

    def restic(self, *arguments: str | Path) -> str:
        settings = {"RESTIC_REPOSITORY": self.given["repository"], "RESTIC_PASSWORD_FILE": self.given["password_file"]}
        command = ["restic", "--no-cache", *arguments]
        return subprocess.run(command, env={**os.environ, **settings}, check=True, capture_output=True, text=True).stdout

    def dump(self, run: str, started: str) -> list[Path]:
        """A dump, as far as looking for it goes."""
        files = [self.dumps / f"shop-{run}{ending}" for ending in (".dump", ".json")]
        files[0].write_text(f"the dump of {run}")
        manifest = {"run_id": run, "database": "shop", "file": str(files[0]), "size": 9, "sha256": "5f2d", "tables": {}}
        files[1].write_text(json.dumps(manifest | {"started": datetime.fromisoformat(started).timestamp()}))
        return files

    def keep(self, tag: str, time: str, *paths: Path) -> None:
        self.restic("backup", "--host", "one", "--tag", tag, "--time", time, *paths)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Backups:
    assert shutil.which("restic"), "apt-get install restic"
    backups = Backups(tmp_path_factory.mktemp("backups"))
    backups.keep(OLD, "2026-01-01 03:06:00", *backups.dump(OLD, "2026-01-01T03:05:00+00:00"))
    backups.keep(OLD, "2026-01-01 03:06:10", backups.shared)
    backups.dump("scheduled", "2026-01-02T02:30:00+00:00")
    backups.keep("scheduled", "2026-01-02 02:31:00", backups.dumps, backups.shared)
    backups.keep(RUN, "2026-01-02 03:06:00", *backups.dump(RUN, "2026-01-02T03:05:00+00:00"))
    backups.restic("backup", "--host", "two", "--tag", NEW, backups.shared)
    return backups


@pytest.fixture
def backups(made: Backups, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backups]:
    """The newest run's dump and the scheduled one are on the host; of the oldest only the repository knows."""
    monkeypatch.setenv("TZ", "UTC")
    for file in made.dumps.glob(f"shop-{OLD}*"):
        file.unlink()
    kept = {file: file.read_bytes() for file in made.dumps.iterdir()}
    repository = made.root / "repository"
    shutil.copytree(repository, made.root / "kept")
    yield made
    for file in made.dumps.iterdir():
        file.unlink()
    for file, content in kept.items():
        file.write_bytes(content)
    shutil.rmtree(repository, ignore_errors=True)
    (made.root / "kept").rename(repository)


def find(run_module: Run, backups: Backups, **more: Any) -> dict[str, Any]:
    where = {"database": "shop", "directory": str(backups.dumps), "fetch_to": str(backups.root / "fetched"), "owner": "root"}
    return run_module("backup_point", **{**backups.given, **where, **more})


def test_a_dump_on_the_host_is_used_as_it_lies_there(run_module: Run, backups: Backups) -> None:
    found = find(run_module, backups)
    assert (found["changed"], found["point"]["run"], found["point"]["snapshot"]) == (False, RUN, "")
    assert found["manifest"] == str(backups.dumps / f"shop-{RUN}.json")
    assert found["unseen"] == []
    assert found["point"]["age_hours"] > 0
    assert (
        find(run_module, backups, point="2026-01-02T02:31:30Z")["point"]["text"]
        == "scheduled of 2026-01-02 02:30:00 UTC, on this host"
    )


def test_what_is_not_there_any_more_is_fetched(run_module: Run, backups: Backups) -> None:
    seen = find(run_module, backups, point=OLD, _ansible_check_mode=True)
    assert (seen["manifest"], seen["point"]["run"]) == ("", OLD)
    assert not (backups.root / "fetched").exists()
    found = find(run_module, backups, point=OLD)
    folder = backups.root / "fetched"
    assert found["manifest"] == str(folder / f"shop-{OLD}.json")
    assert sorted(file.name for file in folder.iterdir()) == [f"shop-{OLD}.dump", f"shop-{OLD}.json"]
    assert (folder / f"shop-{OLD}.dump").read_text() == f"the dump of {OLD}"
    assert folder.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(folder)
    (backups.dumps / f"shop-{RUN}.dump").unlink()  # of a dump whose file is gone the manifest is not enough
    assert find(run_module, backups)["point"]["snapshot"]
    shutil.rmtree(folder)


def test_what_cannot_be_read_is_named(run_module: Run, backups: Backups) -> None:
    (backups.dumps / f"shop-{RUN}.json").write_text("{")
    found = find(run_module, backups)
    assert found["point"]["snapshot"]
    assert f"shop-{RUN}.json is no manifest of a dump" in found["unseen"][0]
    shutil.rmtree(backups.root / "fetched")


def test_the_host_has_dumps_when_the_repository_is_silent(run_module: Run, backups: Backups) -> None:
    shutil.rmtree(backups.root / "repository")
    found = find(run_module, backups)
    assert found["point"]["run"] == RUN
    assert "the repository" in found["unseen"][0]
    refused = find(run_module, backups, point=OLD)
    assert f"There are: {RUN}" in refused["msg"]
    assert "not read: the repository" in refused["msg"]
    shutil.rmtree(backups.dumps)
    backups.dumps.mkdir()
    assert "cannot be had: restic:" in find(run_module, backups)["msg"]


def test_a_snapshot_without_a_manifest_is_refused(run_module: Run, backups: Backups) -> None:
    dump, manifest = backups.dump(NEW, "2026-01-03T03:05:00+00:00")
    backups.keep(NEW, "2026-01-03 03:06:00", dump)
    dump.unlink()
    manifest.unlink()
    assert f"holds no {manifest}" in find(run_module, backups, point=NEW)["msg"]
    assert not (backups.root / "fetched").exists()


def bring(run_module: Run, backups: Backups, target: Path, *paths: str, **more: Any) -> dict[str, Any]:
    return run_module(
        "snapshot_files", **{**backups.given, "paths": list(paths) or [str(backups.shared)], "target": str(target), **more}
    )


def test_files_are_brought_beside_the_live_ones(run_module: Run, backups: Backups, tmp_path: Path) -> None:
    target = tmp_path / "restored" / NEW
    seen = bring(run_module, backups, target, point=OLD, _ansible_check_mode=True)
    assert (seen["changed"], seen["entries"], seen["point"]["run"]) == (True, 4, OLD)
    assert not target.parent.exists()
    done = bring(run_module, backups, target, point=OLD)
    copy = target / str(backups.shared).lstrip("/")
    assert (done["changed"], done["size"]) == (True, seen["size"])
    assert (copy / "uploads" / "one.txt").read_text() == "one"
    assert (copy / "link").is_symlink()
    assert [path.stat().st_mode & 0o777 for path in (target, target.parent)] == [0o700, 0o700]
    assert [path.name for path in target.parent.iterdir()] == [NEW]
    assert bring(run_module, backups, target, point=OLD)["changed"] is False


def test_one_path_of_the_newest_snapshot(run_module: Run, backups: Backups, tmp_path: Path) -> None:
    wanted = str(backups.shared / "uploads") + "/"
    done = bring(run_module, backups, tmp_path / "restored", wanted)
    assert done["point"]["run"] == "scheduled"
    assert done["entries"] == 2
    assert not (tmp_path / "restored" / str(backups.shared).lstrip("/") / "link").exists()


@pytest.mark.parametrize(
    ("paths", "more", "says"),
    [
        ([], {"point": NEW}, f"no backup of {NEW}. There are: scheduled of 2026-01-02 02:31:00 UTC"),
        (["/elsewhere"], {}, "There is no backup at all"),
        (["{shared}/lost.txt"], {}, "does not hold {shared}/lost.txt"),
        (["{shared}/*.txt"], {}, "from the root"),
        (["shared"], {}, "from the root"),
        ([], {"host": "three"}, "There is no backup at all"),
    ],
)
def test_what_the_repository_lacks_is_refused(
    run_module: Run, backups: Backups, tmp_path: Path, paths: list[str], more: dict[str, Any], says: str
) -> None:
    shared = str(backups.shared)
    wanted = [path.replace("{shared}", shared) for path in paths]
    failed = bring(run_module, backups, tmp_path / "restored", *wanted, **more)
    assert says.replace("{shared}", shared) in failed["msg"]
    assert list(tmp_path.iterdir()) == []


def forgotten(run_module: Run, backups: Backups, **more: Any) -> dict[str, Any]:
    return run_module("snapshot_prune", **{**backups.given, "keep": 1, **more})


def test_the_snapshots_of_old_runs_are_forgotten(run_module: Run, backups: Backups) -> None:
    assert forgotten(run_module, backups, named=[OLD])["changed"] is False
    seen = forgotten(run_module, backups, _ansible_check_mode=True)
    assert {run: len(ids) for run, ids in seen["forgotten"].items()} == {OLD: 2}
    assert len(json.loads(backups.restic("snapshots", "--json"))) == 5
    assert forgotten(run_module, backups)["kept"] == 1
    tags = [snapshot["tags"] for snapshot in json.loads(backups.restic("snapshots", "--json"))]
    assert sorted(tags) == [[RUN], [NEW], ["scheduled"]]  # NEW is of another host
    assert forgotten(run_module, backups)["changed"] is False
    assert "negative" in forgotten(run_module, backups, keep=-1)["msg"]


def test_a_locked_repository_is_waited_for_and_then_said(run_module: Run, backups: Backups) -> None:
    assert "were not forgotten" in forgotten(run_module, backups, repository="/nowhere")["msg"]
    with pytest.MonkeyPatch.context() as patch:
        said = "unable to create lock in backend: repository is already locked exclusively by PID 4711"
        patch.setattr("ansible.module_utils.tickbox.file_backup.Repository.forget", lambda *_: said)
        assert "already locked" in forgotten(run_module, backups, patience=0)["msg"]
