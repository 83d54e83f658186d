"""Dumps restored beside the database, renamed into place and back, and dropped when nobody goes back to them: on a real server."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import database_server
import pytest
from ansible.module_utils.tickbox.backup_points import on_this_host
from ansible.module_utils.tickbox.old_databases import beside, superfluous
from ansible.module_utils.tickbox.postgresql import DatabaseError, connection, databases, rows
from restore_point import restore as rename_into_place

PROGRAM = Path(__file__).parents[2] / "roles/backup/files/tickbox-database"
RUN, OTHER, OLD = "20260103t101112z_77aa", "20260102t030405z_9f1c", "20260101t030405z_0001"
HEADS = "SELECT version_num FROM alembic_version"
NAME = f"shop_restored_{RUN}"
ROLES = ["CREATE ROLE shop_owner LOGIN", "CREATE ROLE shop LOGIN"]
SHOP = [
    "ALTER DATABASE shop OWNER TO shop_owner",
    "REVOKE ALL ON DATABASE shop FROM PUBLIC",
    "GRANT CONNECT ON DATABASE shop TO shop",
    "ALTER DATABASE shop SET statement_timeout = '10s'",
]
SCHEMA = [
    "CREATE TABLE alembic_version (version_num text)",
    "INSERT INTO alembic_version VALUES ('0003')",
    "CREATE TABLE orders (id int PRIMARY KEY, what text NOT NULL)",
    "INSERT INTO orders SELECT n, 'thing ' || n FROM generate_series(1, 500) n",
    "ALTER TABLE orders OWNER TO shop_owner",
    "GRANT SELECT, INSERT ON orders TO shop",
]
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def own_server() -> Iterator[None]:
    """Its databases are all dropped, so it is nobody else's."""
    with database_server.running():
        yield


@pytest.fixture(autouse=True)
def shop(own_server: None) -> None:
    """A server with the database of the shop, and nothing else."""
    for name in there():
        if name != "postgres":
            do("postgres", f'DROP DATABASE "{name}" WITH (FORCE)')
    with connection("postgres") as opened:
        has_roles = rows(opened.cursor(), "SELECT 1 FROM pg_roles WHERE rolname = 'shop'")
    do("postgres", *([] if has_roles else ROLES), "CREATE DATABASE shop", *SHOP)
    do("shop", *SCHEMA)


@pytest.fixture
def dump(tmp_path: Path, run_module: Run) -> Path:
    """The manifest of a dump, since which an order was lost and another came."""
    done = run_module("database_dump", database="shop", directory=str(tmp_path), run=OTHER, head_query=HEADS)
    assert done["changed"], done
    do("shop", "DELETE FROM orders WHERE id < 100", "INSERT INTO orders VALUES (1000, 'new')")
    return tmp_path / f"shop-{OTHER}.json"


def do(database: str, *statements: str) -> None:
    with connection(database, autocommit=True) as opened:
        for statement in statements:
            opened.cursor().execute(statement)


def there() -> list[str]:
    with connection("postgres") as opened:
        return list(databases(opened.cursor()))


def value(database: str, query: str) -> Any:
    with connection(database) as opened:
        return rows(opened.cursor(), query)[0][0]


def restore(run_module: Run, manifest: Path, **more: Any) -> dict[str, Any]:
    return run_module("database_restore", database="shop", manifest=str(manifest), name=NAME, head_query=HEADS, **more)


def place(run_module: Run, **more: Any) -> dict[str, Any]:
    given = {"name": NAME, "aside": f"shop_aside_{RUN}"} | more
    return run_module("restore_point", database="shop", state="restored", accept_writes=True, head_query=HEADS, **given)


def test_a_dump_is_restored_beside_the_database(run_module: Run, dump: Path) -> None:
    done = restore(run_module, dump)
    assert done["changed"], done
    assert (done["tables"], done["head"]) == ({"public.alembic_version": 1, "public.orders": 500}, ["0003"])
    assert there() == ["postgres", "shop", NAME]
    assert value("shop", "SELECT count(*) FROM orders") == 402
    assert restore(run_module, dump)["changed"] is False


def test_it_is_like_the_database_in_owner_rights_and_settings(run_module: Run, dump: Path) -> None:
    restore(run_module, dump)
    query = """SELECT ARRAY[pg_get_userbyid(datdba)::text, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a)::text,
        (SELECT setconfig::text FROM pg_db_role_setting WHERE setdatabase = d.oid)] FROM pg_database d WHERE datname = '%s'"""
    assert value("postgres", query % NAME) == value("postgres", query % "shop")
    assert value(NAME, "SELECT reltuples FROM pg_class WHERE relname = 'orders'") == 500


def test_check_mode_restores_nothing(run_module: Run, dump: Path) -> None:
    done = restore(run_module, dump, _ansible_check_mode=True)
    assert done["changed"]
    assert done["tables"]["public.orders"] == 500
    assert there() == ["postgres", "shop"]


def test_what_a_killed_run_left_is_dropped(run_module: Run, dump: Path) -> None:
    do(
        "postgres",
        f"CREATE DATABASE shop_restored_{OLD}_part",
        f"CREATE DATABASE shop_restored_{OLD}",
        f"CREATE DATABASE {NAME}_part",
    )
    restore(run_module, dump)
    assert there() == ["postgres", "shop", f"shop_restored_{OLD}", NAME]


def test_it_takes_the_place_and_gives_it_back(run_module: Run, dump: Path) -> None:
    restore(run_module, dump)
    assert place(run_module, _ansible_check_mode=True)["restored"]["record"]["name"] == NAME
    done = place(run_module)
    assert (done["changed"], done["kept"]) == (True, f"shop_aside_{RUN}")
    assert value("shop", "SELECT count(*) FROM orders") == 500
    assert value(f"shop_aside_{RUN}", "SELECT count(*) FROM orders") == 402
    assert place(run_module)["changed"] is False
    assert place(run_module, name=f"shop_aside_{RUN}", aside=NAME)["changed"] is True
    assert value("shop", "SELECT count(*) FROM orders") == 402
    # Nothing was renamed: the same way back does nothing.
    assert place(run_module, name=f"shop_aside_{RUN}", aside=NAME)["changed"] is False


def test_both_names_change_or_none() -> None:
    with pytest.raises(DatabaseError, match="missing"), connection("postgres", autocommit=True) as opened:
        names = {"database": "shop", "name": "missing", "aside": f"shop_aside_{RUN}"}
        rename_into_place(opened.cursor(), {**names, "mark": {}, "accept_writes": True})
    assert there() == ["postgres", "shop"]
    assert value("shop", "SELECT count(*) FROM orders") == 500  # and connections are let in again


def edit(manifest: Path, **changes: Any) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))


def cut(manifest: Path) -> None:
    """Cut the dump short, and have the manifest describe what is left."""
    dump = manifest.with_suffix(".dump")
    dump.write_bytes(dump.read_bytes()[:-200])
    edit(manifest, sha256=hashlib.sha256(dump.read_bytes()).hexdigest())


def flip(manifest: Path) -> None:
    dump = manifest.with_suffix(".dump")
    content = bytearray(dump.read_bytes())
    content[len(content) // 2] ^= 1
    dump.write_bytes(content)


@pytest.mark.parametrize(
    ("breaks", "more", "says"),
    [
        (flip, {}, "is corrupt: its digest is not that of its manifest. Name another point"),
        (lambda manifest: manifest.with_suffix(".dump").unlink(), {}, ".dump is missing"),
        (lambda manifest: manifest.write_text("{}"), {}, "no manifest of a dump"),
        (lambda manifest: edit(manifest, database="other"), {}, "is a dump of other"),
        (lambda manifest: edit(manifest, database_size=1 << 60), {}, f"a copy of shop needs {1 << 60} bytes"),
        (lambda manifest: None, {"head": ["0004"]}, "the dump's schema is at 0003, that of the release which serves at 0004"),
        (lambda manifest: do("postgres", f"CREATE DATABASE {NAME}"), {}, f"there is a database {NAME} that no restore made"),
        (lambda manifest: None, {"name": "shop_restored_" + "x" * 50}, "shorten app_name"),
    ],
)
def test_it_refuses_before_anything_changes(
    run_module: Run, dump: Path, breaks: Callable[[Path], Any], more: dict[str, Any], says: str
) -> None:
    breaks(dump)
    before = there()
    for check in (True, False):
        failed = run_module(
            "database_restore",
            **{"database": "shop", "manifest": str(dump), "name": NAME, "head_query": HEADS, **more, "_ansible_check_mode": check},
        )
        assert failed.get("failed"), failed
        assert says in failed["msg"]
        assert "\n" not in failed["msg"]
    assert there() == before


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (cut, "cannot be restored"),
        (
            lambda manifest: edit(manifest, tables={"public.alembic_version": 1, "public.orders": 501}),
            "public.orders (501 dumped, 500",
        ),
        (lambda manifest: edit(manifest, tables={"public.orders": 500}), "public.alembic_version"),
        (lambda manifest: edit(manifest, migration_head=["0002"]), "it is at migration 0003, not 0002"),
    ],
)
def test_what_is_not_whole_never_gets_the_name(run_module: Run, dump: Path, breaks: Callable[[Path], Any], says: str) -> None:
    breaks(dump)
    failed = restore(run_module, dump)
    assert says in failed["msg"]
    assert there() == ["postgres", "shop"]


def test_there_has_to_be_a_database(run_module: Run, dump: Path) -> None:
    do("postgres", "ALTER DATABASE shop RENAME TO gone")
    assert "there is no database shop" in restore(run_module, dump)["msg"]


def scheduled(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the program that the timers run."""
    return subprocess.run([sys.executable, PROGRAM, *arguments], check=False, capture_output=True, text=True)


def query_file(folder: Path) -> Path:
    (folder / "head.sql").write_text(f"{HEADS}\n")
    return folder / "head.sql"


def test_what_the_timer_dumped_is_restored_as_well(run_module: Run, tmp_path: Path) -> None:
    dump = tmp_path / "shop-scheduled.dump"
    made = scheduled("dump", "shop", dump, query_file(tmp_path))
    assert made.returncode == 0, made.stderr
    assert [point.run for point in on_this_host(tmp_path, "shop")[0]] == ["scheduled"]
    done = restore(run_module, dump.with_suffix(".json"), head=["0003"])
    assert done["changed"], done
    assert done["tables"]["public.orders"] == 500


def test_the_drill_says_how_many_rows_came_back(tmp_path: Path) -> None:
    dump = tmp_path / "shop-scheduled.dump"
    do("shop", "DROP TABLE alembic_version", "CREATE MATERIALIZED VIEW later AS SELECT 1 WITH NO DATA")
    assert scheduled("dump", "shop", dump, query_file(tmp_path)).returncode == 0
    assert json.loads(dump.with_suffix(".json").read_text())["migration_head"] == []
    assert scheduled("test", dump).stdout == "500\n"
    edit(dump.with_suffix(".json"), tables={"public.orders": 501})
    failed = scheduled("test", dump)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "restored rows differ" in failed.stderr
    assert there() == ["postgres", "shop"]


def test_old_databases_are_dropped(run_module: Run) -> None:
    names = [f"shop_{kind}_202601{day:02}t030405z_9f1c" for day, kind in enumerate(["before", "aside", "restored", "before"], 1)]
    others = ["shop_before_sale", "shop_trial", f"shopping_before_{OLD}", f"shop_before_{OLD}_kept"]
    do("postgres", *(f"CREATE DATABASE {name}" for name in [*names, f"shop_before_{RUN}_part", *others]))
    given = {"database": "shop", "named": [names[0]], "keep": 1}
    seen = run_module("database_prune", **given, _ansible_check_mode=True)
    assert list(seen["dropped"]) == [names[1], names[2], f"shop_before_{RUN}_part"]
    assert all(size > 1_000_000 for size in seen["dropped"].values())
    assert set(names) <= set(there())
    with connection(names[2]):
        seen = run_module("database_prune", **given)
    assert (list(seen["dropped"]), seen["in_use"]) == ([names[1], f"shop_before_{RUN}_part"], [names[2]])
    assert seen["kept"] == [names[3], names[2], names[0]]
    assert there() == sorted(["postgres", "shop", names[0], names[2], names[3], *others])
    assert list(run_module("database_prune", **given)["dropped"]) == [names[2]]
    assert run_module("database_prune", **given)["changed"] is False
    assert "negative" in run_module("database_prune", database="shop", keep=-1)["msg"]


def test_only_what_a_run_left_beside_this_database_is_known_as_such() -> None:
    names = ["shop", f"shop_before_{RUN}", f"shop_aside_{OLD}_part", f"shop_restore_{RUN}", f"x_shop_before_{RUN}", "shop_aside_1"]
    assert beside(names, "shop") == [(f"shop_before_{RUN}", RUN, False), (f"shop_aside_{OLD}_part", OLD, True)]
    assert superfluous(names, "shop", [], 1) == [f"shop_aside_{OLD}_part"]
    assert superfluous(names, "shop", [f"shop_before_{RUN}"], 0) == [f"shop_aside_{OLD}_part"]
    assert superfluous(names, "shop", [], 0) == [f"shop_aside_{OLD}_part", f"shop_before_{RUN}"]


def test_a_dump_that_was_fetched_lies_beside_its_manifest(run_module: Run, dump: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for ending in (".json", ".dump"):
        shutil.move(dump.with_suffix(ending), moved)
    assert restore(run_module, moved / dump.name)["changed"]


def look(run_module: Run, manifest: Path) -> dict[str, Any]:
    """Whether the dump is in keeping with the database, to which people go on writing."""
    given = {"run": OTHER, "run_started": "2026-01-02T03:04:05+00:00", "database": "shop", "manifest": str(manifest)}
    done = run_module("check_backup", items=["deploy.backup.database"], report_only=True, **given)
    return dict(done["assertions"][0])


def test_rows_that_came_since_are_no_difference(run_module: Run, dump: Path) -> None:
    with connection("shop", autocommit=True) as pooled:
        # A connection that stays open tells of its second transaction within a second only when it has been idle for ten.
        pooled.cursor().execute("INSERT INTO orders VALUES (2000, 'new')")
        pooled.cursor().execute("INSERT INTO orders SELECT n, 'new' FROM generate_series(2001, 2900) n")
        seen = look(run_module, dump)
    assert (seen["status"], seen["evidence"]["live"]["public.orders"]) == ("passed", 1303), seen["summary"]


def test_rows_that_nobody_wrote_since_are_one(run_module: Run, dump: Path) -> None:
    manifest = json.loads(dump.read_text())
    manifest["tables"]["public.orders"] = 90
    dump.write_text(json.dumps(manifest))
    seen = look(run_module, dump)
    assert (seen["status"], seen["summary"]) == (
        "failed",
        "rows differ from the live database: public.orders (90 dumped, 402 there)",
    )
