"""What a rollback has come to: the database as the policy said, the whole verification for the earlier release."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.record import Writer

DATABASE, VERIFIED = "rollback.initiate.database", "rollback.initiate.verified"
POINT, ASIDE = "shop_before_run_1", "shop_aside_run_2"
MANIFEST = {"release_id": "v1-bbbb", "version": "v1", "commit": "b" * 40, "migration_head": ["0003"]}
RUNNING, SMOKE, API, SLOW = (f"deploy.verification.{name}" for name in ("running", "smoke_tests", "api_endpoints", "performance"))
TABLES = {"public.orders": 12, "public.users": 3}
RESTORED = {
    "record": {"name": POINT, "database": "shop", "tables": {**TABLES}, "head": ["0003"]},
    "tables": TABLES,
    "head": ["0003"],
    "databases": ["postgres", "shop", ASIDE],
}
Run = Callable[..., dict[str, Any]]
Change = Callable[[dict[str, Any]], Any]


def look(item: str, host: str = "one", **more: Any) -> dict[str, Any]:
    expected = {"version": "v1", "commit": "b" * 40, "current": "/srv/shop/releases/v1-bbbb"}
    return {
        "event": "assertion",
        "phase": "rollback",
        "item": item,
        "host": host,
        "status": "passed",
        "summary": "seen",
        "expected": expected,
        **more,
    }


WHOLE = [
    look("rollback.initiate.code"),
    look("rollback.initiate.code", "two"),
    look(RUNNING),
    look(RUNNING, "two"),
    look(SMOKE, "controller"),
    look(API, "controller"),
]


@pytest.fixture
def seen(run_module: Run, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The verdict on an item, by a run's record of these events."""

    def judge(item: str, events: list[dict[str, Any]], **given: Any) -> dict[str, Any]:
        (tmp_path / "results.jsonl").write_text("")
        (tmp_path / "results.jsonl").unlink()
        for event in [{"event": "opened"}, *events]:
            Writer(tmp_path).append(event)
        about = {"items": [item], "directory": str(tmp_path), "manifest": MANIFEST, "database": "shop", "report_only": True}
        whole = {"hosts": ["one", "two"], "verification": [RUNNING, SMOKE, API]}
        assertion: dict[str, Any] = run_module("check_rollback", **{**about, **whole, **given})["assertions"][0]
        return assertion

    return judge


def test_a_database_that_went_back_to_its_restore_point(seen: Run) -> None:
    found = seen(DATABASE, [], policy="restore", restore_point=POINT, aside=ASIDE, restored=RESTORED)
    assert found["status"] == "passed", found["summary"]
    assert "2 tables with 15 rows at 0003" in found["summary"]
    assert f"kept as {ASIDE}" in found["summary"]


def test_a_database_that_a_run_before_restored_may_have_grown(seen: Run) -> None:
    there: dict[str, Any] = {**RESTORED, "earlier": True, "tables": {**TABLES, "public.orders": 14}}
    found = seen(DATABASE, [], policy="restore", restore_point=POINT, aside=ASIDE, restored=there)
    assert found["status"] == "passed", found["summary"]
    assert "but for 2 rows added since, as a run that was cut off had restored it" in found["summary"]
    there["tables"]["public.users"] = 2
    assert seen(DATABASE, [], policy="restore", restore_point=POINT, aside=ASIDE, restored=there)["status"] == "failed"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda there: there.update(record=None), "it is another database"),
        (lambda there: there["record"].update(name="shop_before_run_0"), "is the restore point shop_before_run_0"),
        (lambda there: there["record"].update(database="other"), "of other"),
        (lambda there: there["tables"].update({"public.orders": 11}), "public.orders (12 when it was made, 11 now)"),
        (lambda there: there["tables"].pop("public.users"), "it lacks public.users"),
        (lambda there: there["tables"].update({"public.more": 0}), "it has public.more besides"),
        (lambda there: there.update(head=["0004"]), "it is at migration 0004, the earlier release has 0003"),
        (lambda there: there.update(head=[]), "it is at migration none"),
        (lambda there: (there.update(head=["0004"]), there["record"].update(head=["0004"])), "the earlier release has 0003"),
        (lambda there: there.update(databases=["shop"]), f"the newer database is not kept as {ASIDE}"),
        (lambda there: there["databases"].append(POINT), "still there under its own name"),
    ],
)
def test_another_database_than_the_restore_point(seen: Run, change: Change, said: str) -> None:
    there = deepcopy(RESTORED)
    change(there)
    found = seen(DATABASE, [], policy="restore", restore_point=POINT, aside=ASIDE, restored=there)
    assert (found["status"], said in found["summary"]) == ("failed", True), found["summary"]


def test_a_restored_database_that_nobody_looked_at(seen: Run) -> None:
    assert seen(DATABASE, [], policy="restore", restore_point=POINT, aside=ASIDE)["status"] == "unverifiable"
    assert (
        seen(DATABASE, [], policy="restore", restore_point=POINT, aside=ASIDE, restored={"tables": 3})["status"] == "unverifiable"
    )
    assert seen(DATABASE, [], policy="restore", restore_point=POINT, restored=RESTORED)["status"] == "failed"


KEPT = {"current": ["0003"], "check": 0}


def test_a_database_that_was_kept(seen: Run) -> None:
    found = seen(DATABASE, WHOLE, policy="keep", schema=KEPT)
    assert (found["status"], "its own check of the schema and its smoke tests" in found["summary"]) == ("passed", True)


@pytest.mark.parametrize(
    ("schema", "events", "said"),
    [
        ({**KEPT, "current": ["0004"]}, WHOLE, "shop is at migration 0004, the earlier release has 0003"),
        ({**KEPT, "current": []}, WHOLE, "shop names no migration"),
        ({"current": ["0003"]}, WHOLE, "own check of the schema was not made"),
        ({**KEPT, "check": 1}, WHOLE, "own check of the schema ended with 1"),
        (KEPT, [], f"nobody looked at {SMOKE}"),
        (KEPT, [look(SMOKE, "controller", status="failed", summary="front page")], "failed, front page"),
        (KEPT, [look(SMOKE, "controller", phase="verification")], f"nobody looked at {SMOKE}"),
    ],
)
def test_a_kept_database_that_is_not_the_earlier_codes(
    seen: Run, schema: dict[str, Any], events: list[dict[str, Any]], said: str
) -> None:
    found = seen(DATABASE, events, policy="keep", schema=schema)
    assert (found["status"], said in found["summary"]) == ("failed", True), found["summary"]


def test_a_kept_database_that_nobody_looked_at(seen: Run) -> None:
    assert seen(DATABASE, WHOLE, policy="keep")["status"] == "unverifiable"


COMPATIBLE = {"current": ["0004"], "proof": {"asked": 5, "problems": []}}


def test_a_newer_schema_that_earlier_code_can_use(seen: Run) -> None:
    found = seen(DATABASE, WHOLE, policy="keep", schema=COMPATIBLE, compatible=["0004", "0005"])
    assert found["status"] == "passed", found["summary"]
    assert "kept: at 0004, which is declared compatible" in found["summary"]


@pytest.mark.parametrize(
    ("schema", "compatible", "events", "said"),
    [
        (COMPATIBLE, [], WHOLE, "is at migration 0004, the earlier release has 0003"),
        (COMPATIBLE, ["0005"], WHOLE, "nobody declared 0004 compatible"),
        ({**COMPATIBLE, "current": ["0004", "0006"]}, ["0004"], WHOLE, "nobody declared 0006 compatible"),
        ({**COMPATIBLE, "current": []}, ["0004"], WHOLE, "names no migration"),
        ({"current": ["0004"]}, ["0004"], WHOLE, "was not seen to use the schema: nobody asked it"),
        ({**COMPATIBLE, "proof": {"asked": 0, "problems": []}}, ["0004"], WHOLE, "nobody asked it"),
        ({**COMPATIBLE, "proof": {"asked": 5, "problems": ["orders: status 500"]}}, ["0004"], WHOLE, "orders: status 500"),
        (COMPATIBLE, ["0004"], [], f"nobody looked at {SMOKE}"),
        # The schema that is its own is not excused from its own check by a declaration.
        ({"current": ["0003"], "check": 1}, ["0003"], WHOLE, "own check of the schema ended with 1"),
    ],
)
def test_a_newer_schema_that_is_not_known_to_be_usable(
    seen: Run, schema: dict[str, Any], compatible: list[str], events: list[dict[str, Any]], said: str
) -> None:
    found = seen(DATABASE, events, policy="keep", schema=schema, compatible=compatible)
    assert (found["status"], said in found["summary"]) == ("failed", True), found["summary"]


DOWNGRADED = {
    "record": {"name": ASIDE, "database": "shop", "tables": {**TABLES, "public.favourites": 4}, "head": ["0004"]},
    "tables": {**TABLES, "public.orders": 13},
    "head": ["0003"],
    "databases": ["postgres", "shop", ASIDE],
}


def downgraded(seen: Run, there: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return seen(DATABASE, [], policy="downgrade", aside=ASIDE, downgraded=there, schema=schema)


def test_a_database_that_was_downgraded(seen: Run) -> None:
    found = downgraded(seen, DOWNGRADED, KEPT)
    assert found["status"] == "passed", found["summary"]
    assert "from 0004 to 0003" in found["summary"]
    assert "2 tables kept their rows, public.favourites went" in found["summary"]


def test_the_list_of_migrations_is_shorter_after_a_downgrade(seen: Run) -> None:
    there: dict[str, Any] = deepcopy(DOWNGRADED)
    there["record"]["tables"]["public.migrations"], there["tables"]["public.migrations"] = 2, 1
    given: dict[str, Any] = {"policy": "downgrade", "aside": ASIDE, "downgraded": there, "schema": KEPT}
    assert seen(DATABASE, [], **given, listing="public.migrations")["status"] == "passed"
    assert "rows were lost: public.migrations (2 before, 1 now)" in seen(DATABASE, [], **given)["summary"]


@pytest.mark.parametrize(
    ("change", "schema", "said"),
    [
        (lambda there: there.update(record=None), {}, "nobody recorded what shop held"),
        (lambda there: there["record"].update(name=POINT), {}, f"what was recorded is {POINT} of shop"),
        (lambda there: there["record"].update(database="other"), {}, "of other"),
        (lambda there: there.update(head=["0004"]), {}, "it is at migration 0004, the earlier release has 0003"),
        (lambda there: there.update(head=[]), {}, "it is at migration none"),
        (lambda there: None, {"current": ["0004"]}, "the earlier release has 0003"),
        (lambda there: None, {"check": 1}, "own check of the schema ended with 1"),
        (lambda there: None, {"check": None}, "own check of the schema was not made"),
        (lambda there: there["tables"].update({"public.users": 2}), {}, "rows were lost: public.users (3 before, 2 now)"),
        (lambda there: there.update(databases=["shop"]), {}, f"the newer database is not kept as {ASIDE}"),
    ],
)
def test_a_downgrade_that_is_none(seen: Run, change: Change, schema: dict[str, Any], said: str) -> None:
    there = deepcopy(DOWNGRADED)
    change(there)
    found = downgraded(seen, there, {**KEPT, **schema})
    assert (found["status"], said in found["summary"]) == ("failed", True), found["summary"]


def test_a_downgrade_that_nobody_looked_at(seen: Run) -> None:
    assert seen(DATABASE, [], policy="downgrade", aside=ASIDE, schema=KEPT)["status"] == "unverifiable"
    assert seen(DATABASE, [], policy="downgrade", aside=ASIDE, downgraded=DOWNGRADED)["status"] == "unverifiable"


def test_the_whole_verification(seen: Run) -> None:
    found = seen(VERIFIED, WHOLE)
    assert found["status"] == "passed", found["summary"]
    assert "running, smoke_tests, api_endpoints passed for v1-bbbb on one, two" in found["summary"]


def test_what_is_looked_at_from_one_host_alone_need_not_be_seen_on_the_others(seen: Run) -> None:
    found = seen(VERIFIED, [*WHOLE, look(SLOW, "one")], verification=[RUNNING, SMOKE, API, SLOW])
    assert found["status"] == "passed", found["summary"]


def test_a_waived_part_is_told(seen: Run) -> None:
    found = seen(VERIFIED, [*WHOLE, look(SLOW, "controller", status="waived")], verification=[RUNNING, SMOKE, API, SLOW])
    assert found["status"] == "passed", found["summary"]
    assert found["summary"] == "running, smoke_tests, api_endpoints passed for v1-bbbb on one, two; waived: performance"


OTHER = {"version": "v2", "commit": "a" * 40, "current": "/srv/shop/releases/v2-aaaa"}


@pytest.mark.parametrize(
    ("events", "given", "said"),
    [
        (WHOLE[:-1], {}, f"nobody looked at {API}"),
        (WHOLE[1:], {}, "rollback.initiate.code: nobody looked on one"),
        (WHOLE[2:], {}, "nobody looked at rollback.initiate.code"),
        ([event for event in WHOLE if event["host"] != "two"], {}, "nobody looked on two"),
        ([*WHOLE, look(API, "controller", status="failed", summary="one route at 500")], {}, "failed, one route at 500"),
        ([*WHOLE, look(RUNNING, "two", status="unverifiable", summary="no answer")], {}, "unverifiable"),
        ([*WHOLE, look("rollback.initiate.code", "two", expected=OTHER)], {}, "two was looked at for v2"),
        ([{**event, "phase": "verification"} for event in WHOLE], {}, "nobody looked at"),
        (WHOLE, {"verification": [RUNNING, SMOKE, API, SLOW]}, f"nobody looked at {SLOW}"),
    ],
)
def test_a_part_of_the_verification(seen: Run, events: list[dict[str, Any]], given: dict[str, Any], said: str) -> None:
    found = seen(VERIFIED, events, **given)
    assert (found["status"], said in found["summary"]) == ("failed", True), found["summary"]


def test_a_broken_record_says_nothing(seen: Run, tmp_path: Path, run_module: Run) -> None:
    seen(VERIFIED, WHOLE)
    path = tmp_path / "results.jsonl"
    path.write_text(path.read_text().replace("passed", "failed", 1))
    given = {"directory": str(tmp_path), "manifest": MANIFEST, "hosts": ["one"], "verification": [RUNNING], "report_only": True}
    assert run_module("check_rollback", items=[VERIFIED], **given)["assertions"][0]["status"] == "unverifiable"


def test_what_each_item_needs(run_module: Run, tmp_path: Path) -> None:
    given = {"directory": str(tmp_path), "manifest": MANIFEST}
    assert run_module("check_rollback", items=[VERIFIED], **given)["msg"] == f"{VERIFIED} needs hosts, verification"
    assert run_module("check_rollback", items=[DATABASE], **given)["msg"] == f"{DATABASE} needs database, policy"
    given["manifest"] = {}
    assert "manifest lacks" in run_module("check_rollback", items=[DATABASE], database="shop", policy="keep", **given)["msg"]
