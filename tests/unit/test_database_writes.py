"""What was written since go-live: noted, counted and exported, against a server of the tests' own."""

import csv
import io
import json
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from ansible.module_utils.tickbox import writes
from ansible.module_utils.tickbox.row_export import Row, csv_line, differing
from database_server import USER, Server
from hypothesis import given
from hypothesis import strategies as st

TABLES = (
    "CREATE TABLE orders (id int PRIMARY KEY, article text, note text)",
    "INSERT INTO orders SELECT n, 'article ' || n, NULL FROM generate_series(1, 100) n",
    "CREATE TABLE users (id int PRIMARY KEY, name text)",
    "INSERT INTO users VALUES (1, 'ann'), (2, '')",
)
Run = Callable[..., dict[str, Any]]


class Shop:
    """A database at work, marked at go-live."""

    def __init__(self, server: Server, run_module: Run, folder: Path) -> None:
        self.server, self.run_module, self.mark = server, run_module, folder / "writes" / "run.json"
        self.directory = server.folder / f"export-{folder.name}"
        self.execute(*TABLES)
        self.ask(state="marked")

    def execute(self, *statements: str, database: str = "shop") -> list[Any]:
        return self.server.execute(database, *statements)

    def ask(self, **arguments: Any) -> dict[str, Any]:
        given = {"database": "shop", "path": str(self.mark), "database_user": USER, **arguments}
        return self.run_module("database_writes", **given)

    def counted(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(state="counted")["writes"]
        return found

    def set_aside(self, *statements: str) -> None:
        """The database as it was takes its place again, as far as these statements make it so."""
        self.execute("ALTER DATABASE shop RENAME TO shop_aside", "CREATE DATABASE shop", database="postgres")
        self.execute(*statements)

    def exported(self) -> dict[str, Any]:
        done = self.ask(state="exported", aside="shop_aside", directory=str(self.directory))
        assert done["changed"], done
        assert self.directory.stat().st_mode & 0o777 == 0o700
        assert done["export"] == json.loads((self.directory / "index.json").read_text())
        found: dict[str, Any] = done["export"]["tables"]
        return found

    def rows(self, file: str) -> list[list[str]]:
        with (self.directory / file).open(newline="") as opened:
            return list(csv.reader(opened))


@pytest.fixture
def shop(server: Server, run_module: Run, tmp_path: Path) -> Iterator[Shop]:
    server.execute("postgres", "CREATE DATABASE shop")
    yield Shop(server, run_module, tmp_path)
    for name in ("shop", "shop_aside"):
        server.execute("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def test_nothing_was_written(shop: Shop) -> None:
    seen = shop.counted()
    assert (seen["known"], seen["total"], seen["some"], seen["tables"]) == (True, 0, False, {})
    assert shop.mark.stat().st_mode & 0o777 == 0o640


def test_what_was_written_is_counted(shop: Shop) -> None:
    shop.execute(
        "INSERT INTO orders VALUES (101), (102)",
        "UPDATE orders SET note = 'paid' WHERE id <= 3",
        "DELETE FROM orders WHERE id = 102",
        "DELETE FROM users WHERE id = 2",
        "CREATE TABLE later AS SELECT 1 AS number",
    )
    seen = shop.counted()
    assert seen["tables"] == {"public.orders": 6, "public.users": 1, "public.later": 1}
    assert seen["text"] == "8 rows in 3 tables were written since go-live (public.later 1, public.orders 6, public.users 1)"
    assert (seen["known"], seen["some"], seen["total"]) == (True, True, 8)


def test_a_large_object_is_somebodys_row_too(shop: Shop) -> None:
    shop.execute("SELECT lo_from_bytea(0, 'a picture')")
    assert shop.counted()["tables"] == {"pg_catalog.pg_largeobject": 1}


def test_counters_outlive_an_orderly_restart(shop: Shop) -> None:
    shop.execute("DELETE FROM users")
    assert shop.server.process
    shop.server.process.terminate()
    shop.server.process.wait()
    shop.server.start()
    assert shop.counted()["tables"] == {"public.users": 2}


def test_counters_that_a_crash_took_are_not_believed(shop: Shop) -> None:
    shop.execute("DELETE FROM users")
    shop.server.crash()
    seen = shop.counted()
    assert (seen["known"], seen["some"]) == (False, True)
    assert "lost in a crash" in seen["text"]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("SELECT pg_stat_reset()", "counters were reset"),
        ("SELECT pg_stat_reset_single_table_counters('orders'::regclass)", "reset"),
        ("TRUNCATE users", "public.users was rewritten"),
        ("DROP TABLE users", "public.users was dropped"),
        ("DROP TABLE users; CREATE TABLE users (id int)", "public.users was made anew"),
        ("ALTER DATABASE shop SET track_counts = off", "track_counts is off"),
    ],
)
def test_what_is_not_known_counts_as_some(shop: Shop, statement: str, says: str) -> None:
    shop.execute(statement)
    seen = shop.counted()
    assert (seen["known"], seen["some"], seen["total"]) == (False, True, 0)
    assert says in seen["why"]
    assert "\n" not in seen["text"]


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"tables": {}}'])
def test_without_a_whole_mark_nothing_is_known(shop: Shop, content: str | None) -> None:
    shop.mark.unlink()
    if content is not None:
        shop.mark.write_text(content)
    assert shop.counted()["why"] == "no counters were noted at go-live"


def test_a_database_that_takes_the_place_is_another(shop: Shop) -> None:
    shop.set_aside(*TABLES)
    assert "shop is another database" in shop.counted()["why"]


def test_check_mode_notes_nothing(shop: Shop) -> None:
    shop.mark.unlink()
    assert shop.ask(state="marked", _ansible_check_mode=True)["changed"]
    assert not shop.mark.exists()


def test_rows_that_differ_are_exported(shop: Shop) -> None:
    shop.execute("INSERT INTO orders VALUES (101, 'x \"y\", z', '')", "UPDATE orders SET note = 'paid' WHERE id = 3")
    shop.execute("DELETE FROM orders WHERE id = 7")
    shop.set_aside(*TABLES)
    seen = shop.exported()
    assert list(seen) == ["public.orders"]
    assert {name: seen["public.orders"][name] for name in ("counted", "written", "gone", "only_there")} == {
        "counted": 3,
        "written": 2,
        "gone": 0,  # the one that serves was made later than the mark, so none of its rows can be told
        "only_there": [],
    }
    header, *found = shop.rows("public.orders.csv")
    assert header == ["_change", "id", "article", "note"]
    assert sorted(found) == [["written", "101", 'x "y", z', ""], ["written", "3", "article 3", "paid"]]
    lines = (shop.directory / "public.orders.csv").read_text()
    assert '"101","x ""y"", z",""\n' in lines
    again = shop.ask(state="exported", aside="shop_aside", directory=str(shop.directory))
    assert (again["changed"], again["export"]["tables"]) == (False, seen)


def restored(shop: Shop, *migrations: str, later: tuple[str, ...]) -> None:
    """A restore point is made, the schema migrated, go-live marked, people write, and the restore point takes the place again."""
    shop.execute("CREATE DATABASE shop_before TEMPLATE shop", database="postgres")
    shop.execute(*migrations)
    shop.ask(state="marked")
    shop.execute(*later)
    shop.execute("ALTER DATABASE shop RENAME TO shop_aside", "ALTER DATABASE shop_before RENAME TO shop", database="postgres")


def test_deleted_rows_are_gone_and_later_ones_are_not(shop: Shop) -> None:
    restored(shop, later=("DELETE FROM orders WHERE id IN (7, 8)",))
    shop.execute("INSERT INTO orders VALUES (900, 'of a visitor after the way back')")
    seen = shop.exported()["public.orders"]
    assert (seen["written"], seen["gone"]) == (0, 2)
    assert sorted(shop.rows("public.orders.csv")[1:]) == [["gone", "7", "article 7", ""], ["gone", "8", "article 8", ""]]


def test_a_change_to_a_renamed_column_is_not_lost(shop: Shop) -> None:
    rename = "ALTER TABLE orders RENAME COLUMN note TO remark"
    restored(shop, rename, later=("UPDATE orders SET remark = 'call' WHERE id = 5",))
    seen = shop.exported()["public.orders"]
    assert (seen["written"], seen["gone"], seen["only_there"]) == (1, 0, ["remark"])
    assert shop.rows("public.orders.csv") == [["_change", "id", "article", "remark"], ["written", "5", "article 5", "call"]]


def test_a_new_table_is_exported_as_a_whole(shop: Shop) -> None:
    restored(shop, 'CREATE TABLE "odd/name" (a int)', later=('INSERT INTO "odd/name" VALUES (1), (1), (NULL)',))
    assert shop.exported()["public.odd/name"]["written"] == 3
    assert sorted(shop.rows("public.odd%2Fname.csv")[1:]) == [["written", ""], ["written", "1"], ["written", "1"]]


def test_where_nothing_is_known_all_tables_are_compared(shop: Shop) -> None:
    restored(shop, later=("UPDATE users SET name = 'eve' WHERE id = 2", "SELECT pg_stat_reset()"))
    seen = shop.exported()
    assert (seen["public.users"]["written"], seen["public.users"]["gone"]) == (1, 1)
    assert seen["public.orders"] == {"file": None, "written": 0, "gone": 0, "counted": None, "only_there": []}


def test_without_a_mark_all_of_a_table_is_exported_that_has_more_columns(shop: Shop) -> None:
    restored(shop, "ALTER TABLE users ADD level int", later=())
    done = shop.ask(path=None, state="exported", aside="shop_aside", directory=str(shop.directory))
    assert done["export"]["tables"]["public.users"]["written"] == 2
    assert done["export"]["tables"]["public.orders"]["written"] == 0
    assert "nobody knows" in done["export"]["counted"]


def test_what_no_file_can_hold_is_named(shop: Shop) -> None:
    restored(shop, later=("SELECT lo_from_bytea(0, 'a picture')",))
    assert shop.exported()["pg_catalog.pg_largeobject"] == {
        "file": None,
        "written": None,
        "gone": None,
        "counted": 1,
        "only_there": [],
    }


def test_a_big_table_needs_no_memory(shop: Shop) -> None:
    many = "INSERT INTO orders SELECT n, repeat('x', 100), 'note' FROM generate_series(1000, 200999) n"
    restored(shop, many, later=("UPDATE orders SET note = 'late' WHERE id % 2 = 0",))
    tracemalloc.start()
    seen = shop.exported()["public.orders"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen["written"] == 100 + 200_000 - 50  # what the migration wrote is not in the restore point either
    assert peak < 8_000_000


def test_a_database_that_is_not_there(shop: Shop) -> None:
    done = shop.ask(state="exported", aside="shop_aside", directory=str(shop.directory))
    assert done["failed"]
    assert 'database "shop_aside" does not exist' in done["msg"]
    assert not shop.directory.exists()
    again = shop.ask(state="counted", database="nowhere")
    assert again["msg"].startswith("What is written to nowhere cannot be counted: ")


ROWS = st.lists(st.tuples(st.sampled_from("abcd"), st.just(False)), max_size=12).map(sorted)


@given(newer=ROWS, other=ROWS)
def test_two_sequences_differ_by_what_one_has_more_of(newer: list[Row], other: list[Row]) -> None:
    found: dict[str, Counter[Any]] = {"written": Counter(), "gone": Counter()}
    for change, row in differing(iter(newer), iter(other)):
        found[change][row] += 1
    assert found == {"written": Counter(newer) - Counter(other), "gone": Counter(other) - Counter(newer)}


# A server keeps neither of the two in a text.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.one_of(st.none(), TEXTS), min_size=1, max_size=4))
def test_postgresql_reads_what_was_written(server: Server, values: list[str | None]) -> None:
    opened = psycopg2.connect(dbname="postgres")
    try:
        with opened.cursor() as cursor:
            names = ", ".join(f"c{number} text" for number in range(len(values)))
            cursor.execute(f"CREATE TEMPORARY TABLE back ({names})")
            cursor.copy_expert("COPY back FROM STDIN WITH (FORMAT csv)", io.StringIO(csv_line(values), newline=""))
            cursor.execute("SELECT * FROM back")
            assert list(cursor.fetchone()) == values
    finally:
        opened.close()


def test_a_mark_of_another_server_says_nothing() -> None:
    mark: dict[str, Any] = {
        "server": "1",
        "database": 5,
        "counted": True,
        "reset": None,
        "begun": "1",
        "tables": {},
        "name": "shop",
    }
    assert writes.count(mark, mark).known
    assert not writes.count(mark, {**mark, "server": "2"}).known
