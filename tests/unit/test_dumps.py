"""Dumps: of this run, whole, in keeping with the live database, and restored into the same."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.dumps import Contents, File, judge_dump, judge_restored, look_at_file, read_manifest

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MANIFEST = {
    "run_id": "one",
    "database": "shop",
    "file": "/backups/shop-one.dump",
    "size": 4567,
    "sha256": "5f2d",
    "started": BEGAN.timestamp() + 20,
    "tables": {"public.orders": 5000, "public.users": 40, "public.empty": 0, "public.shipped": 9},
    "migration_head": ["3f1c"],
}
LISTING = """;
; Archive created at 2026-01-02 03:04:25 UTC
;     dbname: shop
;     TOC Entries: 30
214; 1259 16390 TABLE public orders shop_owner
3345; 0 16390 TABLE DATA public orders shop_owner
3346; 0 16391 TABLE DATA public users shop_owner
3347; 0 16392 TABLE DATA public empty shop_owner
"""
FILE = File(4567, "5f2d", datetime(2026, 1, 2, 3, 4, 26, tzinfo=UTC), LISTING)
DEFINITIONS = {
    ("column", "public.users.name"): "text t",
    ("index", "public.users_name"): "CREATE INDEX",
    ("constraint", "u"): "UNIQUE",
}
LIVE = Contents(MANIFEST["tables"], frozenset({"public.shipped"}), ["3f1c"], DEFINITIONS)


def tables(**changes: int | None) -> dict[str, int]:
    merged = {**MANIFEST["tables"], **{f"public.{name}": count for name, count in changes.items()}}  # type: ignore[dict-item]
    return {name: count for name, count in merged.items() if count is not None}


def dump(
    manifest: dict[str, Any] | None = None,
    file: File | None = FILE,
    live: Contents = LIVE,
    counters: dict[str, Any] | None = None,
) -> Any:
    given = MANIFEST | (manifest or {})
    return judge_dump(given, file, live, counters=counters or {}, run="one", database="shop", run_started=BEGAN)


@pytest.mark.parametrize("live", [{}, {"orders": 5100}, {"orders": 4800}, {"empty": 90}])
def test_a_dump_of_this_run_passes(live: dict[str, int | None]) -> None:
    seen = dump(live=replace(LIVE, tables=tables(**live)))
    assert seen.status == "passed", seen.summary


def counted(inserted: int, deleted: int = 0, reset: str = "0") -> dict[str, Any]:
    """Counters of public.users as ``writes.read`` returns them."""
    of_table = {"oid": 1, "file": 1, "inserted": inserted, "updated": 7, "deleted": deleted}
    of_server = {"database": 1, "name": "shop", "reset": reset, "begun": reset, "server": "s", "xid": 9, "counted": True}
    return {**of_server, "tables": {"public.users": of_table}}


@pytest.mark.parametrize(
    ("there", "now", "status"),
    [
        (1240, counted(1240), "passed"),
        (1240, counted(140), "failed"),  # not so many were inserted since
        (1240, counted(1240, reset="1"), "failed"),
        (1240, counted(10), "failed"),
        (640, counted(840, 200), "passed"),
        (1240, {}, "failed"),
    ],
)
def test_a_table_may_have_grown_by_what_was_written_to_it_meanwhile(there: int, now: dict[str, Any], status: str) -> None:
    live = replace(LIVE, tables=tables(users=there))
    seen = dump({"counters": counted(40)} if now else None, live=live, counters=now or counted(40))
    assert seen.status == status
    assert ("public.users (40 dumped" in seen.summary) == (status == "failed")


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ({"run_id": "other"}, "of run other"),
        ({"database": "other"}, "of database other"),
        ({"started": BEGAN.timestamp() - 1}, "before the run began"),
        ({"size": 9}, "4567 bytes, not 9"),
        ({"sha256": "aa"}, "digest"),
        ({"tables": {}}, "has tables that the dump lacks: public.empty, public.orders"),
        ({"tables": tables(orders=0, users=0, shipped=0)}, "the dump has no row"),
        ({"tables": tables(orders=4000)}, "public.orders (4000 dumped, 5000 there)"),
        ({"tables": tables(users=None)}, "lacks: public.users"),
        ({"tables": tables(more=1)}, "made from: public.more"),
        ({"tables": tables(empty=3), "sha256": "5f2d"}, ""),
    ],
)
def test_another_dump_is_refused(manifest: dict[str, Any], says: str) -> None:
    seen = dump(manifest)
    assert seen.status == ("failed" if says else "passed")
    assert says in seen.summary


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (None, "/backups/shop-one.dump is missing"),
        (replace(FILE, size=0), "0 bytes"),
        (replace(FILE, modified=datetime(2026, 1, 1, tzinfo=UTC)), "the file is older"),
        (replace(FILE, listing=LISTING.replace("dbname: shop", "dbname: empty")), "a dump of database empty"),
        (
            replace(FILE, listing=LISTING.replace("03:04:25", "03:04:24")),
            "made at 2026-01-02 03:04:24 UTC, before the dump was begun",
        ),
        (replace(FILE, listing=LISTING.replace("2026-01-02", "lately")), "does not say when it was made"),
        (replace(FILE, listing=LISTING.replace("TABLE DATA public users", "TABLE DATA public others")), "no rows of public.users"),
        (
            replace(FILE, listing="pg_restore: error: input file does not appear to be a valid archive"),
            "the file is no dump: pg_res",
        ),
        (replace(FILE, listing=""), "the file is no dump"),
    ],
)
def test_another_file_is_refused(file: File | None, says: str) -> None:
    seen = dump(file=file)
    assert seen.status == "failed"
    assert says in seen.summary


def test_an_empty_live_database_has_an_empty_dump() -> None:
    assert dump({"tables": {}}, live=Contents({}, frozenset(), [], {})).status == "passed"


def test_the_restored_copy_passes() -> None:
    seen = judge_restored(MANIFEST, LIVE, replace(LIVE, tables=tables(orders=6000)))
    assert (seen.status, seen.summary) == ("passed", "restored: 4 tables, 5049 rows, 1 constraints, 1 indexes, migration 3f1c")


@pytest.mark.parametrize(
    ("restored", "says"),
    [
        (None, "cannot be restored: cut short"),
        (replace(LIVE, tables=tables(orders=4999)), "public.orders (5000 dumped, 4999 there)"),
        (replace(LIVE, tables=tables(users=None)), "lacks tables that the dump was made from: public.users"),
        (replace(LIVE, tables=tables(more=0)), "has tables that the dump lacks: public.more"),
        (replace(LIVE, head=["2a0b"]), "at migration 2a0b, not 3f1c"),
        (replace(LIVE, head=[]), "at migration none, not 3f1c"),
        (
            replace(LIVE, definitions=DEFINITIONS | {("column", "public.users.name"): "text f"}),
            "has changed column public.users.name",
        ),
        (replace(LIVE, definitions=DEFINITIONS | {("view", "v"): "SELECT"}), "has besides view v"),
        (replace(LIVE, definitions={}), "lacks column public.users.name, constraint u, index public.users_name"),
    ],
)
def test_another_copy_is_refused(restored: Contents | None, says: str) -> None:
    seen = judge_restored(MANIFEST, restored, LIVE, "cut short")
    assert seen.status == "failed"
    assert says in seen.summary


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", json.dumps(MANIFEST | {"size": "4567"}), json.dumps(MANIFEST | {"tables": {"a": None}}), "\x00", "1"],
)
def test_a_manifest_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "shop.json"
    path.write_text(text)
    with pytest.raises(CouldNotLook, match="no manifest of a dump"):
        read_manifest(path)


def test_a_manifest_as_written(tmp_path: Path) -> None:
    path = tmp_path / "shop.json"
    path.write_text(json.dumps(MANIFEST))
    assert read_manifest(path) == MANIFEST
    assert look_at_file(tmp_path / "absent.dump") is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"items": ["deploy.backup.database"]}, "needs database, manifest"),
        ({"items": ["deploy.backup.files"]}, "needs repository, snapshot, paths"),
        ({"items": ["deploy.backup.files"], "repository": "/r"}, "password_file"),
        ({"items": ["deploy.backup.integrity"], "database": "shop", "manifest": "/absent.json"}, "No such file"),
    ],
)
def test_what_is_missing_is_named_in_one_line(
    run_module: Callable[..., dict[str, Any]], arguments: dict[str, Any], says: str
) -> None:
    message = run_module("check_backup", run="one", run_started="1767323045", **arguments)["msg"]
    assert says in message
    assert "\n" not in message
