"""Restore points: made, compared, gone back to, and not where somebody's rows would be left behind unasked."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from database_server import USER, Server

Run = Callable[..., dict[str, Any]]
POINT, ASIDE = "shop_before_run_1", "shop_aside_run_2"
HEAD = "SELECT version_num FROM alembic_version"


class Shop:
    """A database with a restore point, as go-live left it."""

    def __init__(self, server: Server, run_module: Run, folder: Path) -> None:
        self.server, self.run_module, self.path = server, run_module, folder / "run.json"

    def execute(self, *statements: str, database: str = "shop") -> list[Any]:
        return self.server.execute(database, *statements)

    def point(self, **arguments: Any) -> dict[str, Any]:
        return self.run_module("restore_point", **{"database": "shop", "name": POINT, "head_query": HEAD, **arguments})

    def back(self, **arguments: Any) -> dict[str, Any]:
        return self.point(state="restored", aside=ASIDE, **arguments)

    def mark(self) -> dict[str, Any]:
        done = self.run_module("database_writes", database="shop", path=str(self.path), state="marked", database_user=USER)
        found: dict[str, Any] = done["mark"]
        return found

    def names(self) -> set[str]:
        return {name for (name,) in self.execute("SELECT datname FROM pg_database", database="postgres")}


@pytest.fixture
def shop(server: Server, run_module: Run, tmp_path: Path) -> Iterator[Shop]:
    server.execute("postgres", "CREATE ROLE shop_owner", "CREATE DATABASE shop OWNER shop_owner")
    server.execute("postgres", "ALTER DATABASE shop SET statement_timeout = '9s'", "REVOKE CONNECT ON DATABASE shop FROM PUBLIC")
    made = Shop(server, run_module, tmp_path)
    made.execute(
        "CREATE TABLE orders AS SELECT generate_series(1, 50) AS id",
        "ALTER TABLE orders OWNER TO shop_owner",
        "CREATE TABLE alembic_version AS SELECT '0001'::text AS version_num",
    )
    yield made
    for name in made.names() - {"postgres", "template0", "template1"}:
        server.execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")
    server.execute("postgres", "DROP ROLE shop_owner")


def test_there_and_back(shop: Shop) -> None:
    assert shop.point()["changed"]
    assert not shop.point()["changed"]
    shop.execute("UPDATE alembic_version SET version_num = '0002'", "ALTER TABLE orders ADD note text")
    mark = shop.mark()
    back = shop.back(mark=mark)
    assert (back["changed"], back["kept"], back["refused"]) == (True, ASIDE, False)
    assert back["writes"]["known"]
    assert back["writes"]["total"] == 0
    assert back["restored"]["tables"] == {"public.orders": 50, "public.alembic_version": 1}
    assert (back["restored"]["head"], back["restored"]["record"]["name"]) == (["0001"], POINT)
    again = shop.back(mark=mark)
    assert (again["changed"], again["restored"]["record"]["name"]) == (False, POINT)
    settings = (
        "SELECT pg_get_userbyid(datdba), datallowconn, (SELECT array_agg(one::text ORDER BY one::text) FROM unnest(datacl) one)"
    )
    of_each = shop.execute(f"{settings} FROM pg_database WHERE datname IN ('shop', '{ASIDE}')", database="postgres")
    assert of_each[0] == of_each[1]
    assert of_each[0][:2] == ("shop_owner", True)
    assert shop.execute("SHOW statement_timeout") == [("9s",)]


@pytest.mark.parametrize("known", [True, False])
def test_rows_are_not_left_behind_unasked(shop: Shop, known: bool) -> None:
    shop.point()
    mark = shop.mark()
    # Still at work: what it wrote is counted all the same, as its connection ends before.
    visitor = psycopg2.connect(dbname="shop")
    visitor.autocommit = True
    visitor.cursor().execute("INSERT INTO orders VALUES (51), (52), (53)")
    refused = shop.back(mark=mark if known else None)
    assert refused["failed"]
    assert refused["refused"]
    said = "3 rows in 1 tables were written since go-live (public.orders 3)" if known else "no counters were noted at go-live"
    assert said in refused["msg"]
    assert refused["msg"].endswith("-e rollback_accept_data_loss=true")
    assert refused["writes"]["total"] == (3 if known else 0)
    assert {"shop", POINT} <= shop.names()
    assert ASIDE not in shop.names()
    assert shop.execute("SELECT count(*) FROM orders") == [(53,)]
    accepted = shop.back(mark=mark if known else None, accept_writes=True)
    assert (accepted["changed"], accepted["writes"]["some"]) == (True, True)
    assert shop.execute("SELECT count(*) FROM orders") == [(50,)]
    assert shop.execute("SELECT count(*) FROM orders", database=ASIDE) == [(53,)]


def test_an_attempt_that_was_cut_short_is_finished(shop: Shop) -> None:
    shop.point()
    shop.execute(f"ALTER DATABASE shop RENAME TO {ASIDE}", database="postgres")
    back = shop.back()
    assert back.get("restored", {}).get("head") == ["0001"], back


def test_check_mode_renames_nothing(shop: Shop) -> None:
    shop.point()
    assert shop.back(_ansible_check_mode=True)["changed"]
    shop.execute("DELETE FROM orders WHERE id = 1", database=POINT)
    assert "was changed since it was made" in shop.back(_ansible_check_mode=True)["msg"]
    assert "shop" in shop.names()


def test_what_is_not_there(shop: Shop) -> None:
    assert f"there is no restore point {POINT}" in shop.back()["msg"]
    assert "there is no database nowhere" in shop.point(database="nowhere")["msg"]
    assert "longer than the 63 bytes" in shop.point(name="x" * 60)["msg"]


def test_both_are_compared(shop: Shop) -> None:
    shop.point()
    shop.execute("DELETE FROM orders WHERE id <= 10")
    seen = shop.point(state="compared")
    assert not seen["changed"]
    assert seen["restored"]["record"]["tables"]["public.orders"] == 50
    assert seen["restored"]["tables"]["public.orders"] == 40
    assert shop.point(state="compared", name="shop_nowhere")["restored"]["record"] is None


@pytest.fixture
def dump(shop: Shop, tmp_path: Path) -> Path:
    made = shop.run_module("database_dump", database="shop", directory=str(tmp_path), run="run_1", head_query=HEAD)
    return Path(made["manifest"]["file"]).with_suffix(".json")


def test_a_dump_becomes_a_restore_point(shop: Shop, dump: Path) -> None:
    shop.execute("DELETE FROM orders", "UPDATE alembic_version SET version_num = '0002'")
    assert shop.point(dump=str(dump), _ansible_check_mode=True)["changed"]
    assert POINT not in shop.names()
    assert shop.point(dump=str(dump))["changed"]
    back = shop.back(accept_writes=True)
    assert back["restored"]["tables"]["public.orders"] == 50
    assert back["restored"]["head"] == ["0001"]
    owners = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'shop'"
    assert shop.execute(owners) == [("shop_owner",)]
    assert shop.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'") == [("shop_owner",)]
    assert shop.execute("SHOW statement_timeout") == [("9s",)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda said: said.update(sha256="00"), "is not the file that was made"),
        (lambda said: said.update(file="/nowhere/shop.dump"), "is missing"),
        (lambda said: said.update(database="other"), "is a dump of other"),
        (lambda said: said["tables"].update({"public.orders": 51}), "does not hold what was dumped"),
        (lambda said: said.update(migration_head=["0000"]), "does not hold what was dumped"),
        (lambda said: said.pop("tables"), "is no manifest of a dump"),
    ],
)
def test_another_dump_does_not(shop: Shop, dump: Path, change: Callable[[dict[str, Any]], Any], says: str) -> None:
    said = json.loads(dump.read_text())
    change(said)
    dump.write_text(json.dumps(said))
    done = shop.point(dump=str(dump))
    assert done["failed"]
    assert says in done["msg"]
    assert shop.names() >= {"shop"}
    assert not [name for name in shop.names() if name.startswith(POINT)]


def test_a_scratch_copy(shop: Shop) -> None:
    made = {"name": "shop_downgrade", "owner": "shop_owner", "source": "shop"}
    with psycopg2.connect(dbname="shop") as visitor:
        visitor.cursor().execute("SELECT 1")
        assert shop.run_module("scratch_database", **made)["name"] == "shop_downgrade"
        visitor.cursor().execute("SELECT 1")
    assert shop.execute("SELECT count(*) FROM orders", database="shop_downgrade") == [(50,)]
    assert shop.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'", database="shop_downgrade") == [
        ("shop_owner",)
    ]
    assert shop.execute("SHOW statement_timeout", database="shop_downgrade") == [("9s",)]
    shop.run_module("scratch_database", name="shop_downgrade", state="absent")
    assert "shop_downgrade" not in shop.names()
    refused = shop.run_module("scratch_database", name="shop", state="absent")
    assert "is not a scratch database" in refused["msg"]


def test_a_scratch_copy_of_nothing(shop: Shop) -> None:
    done = shop.run_module("scratch_database", name="shop_downgrade", owner="shop_owner", source="nowhere")
    assert done["failed"]
    assert "nowhere" in done["msg"]
