"""The way back: what would stop a rollback, seen before one is needed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.answers import Answer
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict
from ansible.module_utils.tickbox.dumps import Contents, File
from ansible.module_utils.tickbox.rollback_ready import Data, Earlier, estimate, judge_data, judge_earlier
from ansible.module_utils.tickbox.spare_start import Started, read_service
from hypothesis import given, settings
from hypothesis import strategies as st

MANIFEST = {
    "release_id": "one",
    "tree_digest": "abc",
    "version": "v1",
    "commit": "c1",
    "migration_head": ["0001"],
    "units": ["shop-web@one.service"],
}
WELL = Answer(200, {}, b'{"status": "ok"}')
VERSION = Answer(200, {}, b'{"version": "v1", "commit": "c1"}')
POINT = "shop_before_x"
DUMP = {"run_id": "x", "database": "shop", "file": "/b/shop-x.dump", "size": 9, "sha256": "d", "tables": {"public.orders": 50}}
HELD = Contents({"public.orders": 50}, frozenset(), ["0001"], {})
DATA = Data(
    manifest=DUMP,
    file=File(9, "d", datetime(2026, 1, 2, tzinfo=UTC), ""),
    live_head=["0002"],
    counters={},
    owners={"shop": "shop_owner", POINT: "shop_owner"},
    point=HELD,
    written=0,
    rename=0.02,
    copies=[{"paths": ["/b/shop-x.dump"]}],
)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    (tmp_path / "one").mkdir()
    (tmp_path / "shop-web@one.service").touch()
    return tmp_path / "one"


@pytest.fixture
def earlier(release: Path) -> Earlier:
    unit = {
        "LoadState": "loaded",
        "FragmentPath": str(release.parent / "shop-web@one.service"),
        "NeedDaemonReload": "no",
        "ExecStart": f"{{ path={release}/venv/bin/gunicorn }}",
    }
    way = {"target": "one", "restore_point": POINT}
    return Earlier("abc", "", 100, {"shop-web@one.service": unit}, way, "", Started(1.5, WELL, VERSION))


def test_a_whole_release_that_starts_passes(earlier: Earlier, release: Path) -> None:
    seen = judge_earlier(earlier, MANIFEST, release, POINT)
    assert (seen.status, "1.5 s after its start" in seen.summary) == ("passed", True)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"no_way": "release one is not on this host any more"}, "not on this host any more"),
        ({"way": {"target": "zero", "restore_point": POINT}}, "would go to zero"),
        ({"way": {"target": "one", "restore_point": ""}}, "would use restore point none"),
        ({"digest": "", "started": None}, "release one is not there"),
        ({"digest": "other"}, "not those that were deployed"),
        ({"damage": "1 files edited: x.py"}, "its packages: 1 files edited"),
        ({"environment": None}, "environment file is missing"),
        ({"environment": 0}, "environment file is empty"),
        ({"units": {}}, "names no unit"),
        ({"started": None}, "it was not started"),
        (
            {"started": Started(30, Answer(0, {}, b"refused"), Answer(0, {}, b"refused"), "ImportError")},
            "does not start: no answer",
        ),
        ({"started": Started(1, WELL, Answer(200, {}, b'{"version": "v2", "commit": "c2"}'))}, "another version"),
        ({"started": Started(1, WELL, Answer(200, {}, b"hello"))}, "another version"),
    ],
)
def test_refuses_a_release(earlier: Earlier, release: Path, changes: dict[str, Any], says: str) -> None:
    judged = judge_earlier(replace(earlier, **changes), MANIFEST, release, POINT)
    assert judged.status == "failed"
    assert says in judged.summary


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"LoadState": "masked"}, "masked"),
        ({"LoadState": "not-found"}, "not-found"),
        ({"FragmentPath": "/nowhere"}, "its file is gone"),
        ({"FragmentPath": ""}, "its file is gone"),
        ({"NeedDaemonReload": "yes"}, "daemon-reload"),
        ({"ExecStart": "{ path=/usr/bin/true }"}, "starts nothing of one"),
        ({"ExecStart": "{ path=/srv/shop/releases/one-old/bin/x }"}, "starts nothing of one"),
    ],
)
def test_refuses_a_unit(earlier: Earlier, release: Path, changes: dict[str, str], says: str) -> None:
    units = {name: {**unit, **changes} for name, unit in earlier.units.items()}
    assert says in judge_earlier(replace(earlier, units=units), MANIFEST, release, POINT).summary


def test_a_release_is_well_on_its_own_schema_and_starts_on_another(earlier: Earlier, release: Path) -> None:
    unwell = replace(earlier, started=Started(30, Answer(503, {}, b""), VERSION, "no column"))
    assert judge_earlier(unwell, MANIFEST, release, POINT).status == "passed"
    alone = replace(unwell, way={"target": "one", "restore_point": ""})
    assert "is not well: status 503; no column" in judge_earlier(alone, MANIFEST, release, "").summary


def judge(seen: Data = DATA, point: str = POINT) -> Verdict:
    return judge_data(seen, MANIFEST, run="x", database="shop", restore_point=point)


def test_a_restore_point_and_a_dump_pass() -> None:
    assert judge().status == "passed"
    assert judge(replace(DATA, live_head=["0001"], point=None), "").status == "passed"


def tables(**counts: int) -> Data:
    return replace(DATA, point=Contents({f"public.{name}": count for name, count in counts.items()}, frozenset(), ["0001"], {}))


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (replace(DATA, manifest={**DUMP, "run_id": "y"}), "of shop and run y"),
        (replace(DATA, manifest={**DUMP, "database": "other"}), "of other and run x"),
        (replace(DATA, file=None), "dump /b/shop-x.dump is missing"),
        (replace(DATA, file=replace(DATA.file, size=8)), "is not the file that was made"),
        (replace(DATA, file=replace(DATA.file, sha256="e")), "is not the file that was made"),
        (replace(DATA, copies=[]), "no copy in the repository"),
        (replace(DATA, copies=[{"paths": ["/srv/shop"]}]), "no copy in the repository"),
        (replace(DATA, point=None), "restore point shop_before_x is missing"),
        (replace(DATA, point=replace(HELD, head=["0002"])), "restore point is at 0002"),
        (replace(DATA, point=replace(HELD, head=[])), "restore point is at no migration"),
        (replace(DATA, written=3), "3 rows of the restore point were written"),
        (replace(DATA, owners={"shop": "shop_owner", POINT: "postgres"}), "belongs to postgres"),
        (tables(), "lacks public.orders"),
        (tables(orders=0), "public.orders (50 dumped, 0 there)"),
        (tables(orders=500), "public.orders (50 dumped, 500 there)"),
    ],
)
def test_refuses_data(seen: Data, says: str) -> None:
    judged = judge(seen)
    assert judged.status == "failed"
    assert says in judged.summary


def test_refuses_a_newer_schema_without_a_restore_point() -> None:
    assert "the schema is at 0002" in judge(point="").summary


@pytest.mark.parametrize(("compatible", "status"), [(["0002", "0009"], "passed"), (["0009"], "failed"), ([], "failed")])
def test_a_newer_schema_that_is_declared_compatible_needs_none(compatible: list[str], status: str) -> None:
    seen = judge_data(DATA, MANIFEST, run="x", database="shop", restore_point="", compatible=compatible)
    assert seen.status == status
    assert ("is to go on with 0002" in seen.summary) is (status == "passed")


def test_an_older_schema_is_never_compatible() -> None:
    older = replace(DATA, live_head=[])
    assert judge_data(older, MANIFEST, run="x", database="shop", restore_point="", compatible=["0001"]).status == "failed"


PHASES = [
    {"phase": "release", "time": 10},
    {"phase": "preflight", "time": 100},
    {"phase": "maintenance", "time": 110},
    {"phase": "release", "time": 113},
    {"phase": "verification", "time": 120},
    {"phase": "go_live", "time": 130},
]


def test_the_time_is_the_sum_of_what_was_measured() -> None:
    seen = estimate(PHASES, 140, 2, 0.5, 60)
    assert (seen.status, seen.observed["rollback_seconds"]) == ("passed", 23.0)
    assert "about 23 s" in seen.summary
    assert "23 s, 20 s at most" in estimate(PHASES, 140, 2, 0.5, 20).summary


@pytest.mark.parametrize("phases", [[], PHASES[:3], [{"phase": "release"}], [{"phase": "release", "time": "soon"}], [{}]])
def test_what_was_not_measured_is_not_estimated(phases: list[dict[str, Any]]) -> None:
    with pytest.raises(CouldNotLook):
        estimate(phases, 140, 2, 0.5, 60)


def test_times_that_run_backwards_are_refused() -> None:
    assert estimate(PHASES[:-1], 100, 2, 0.5, 60).status == "failed"


UNIT = """[Unit]
Description=x
[Service]
# a comment
Restart=on-failure
User=shop
EnvironmentFile=/srv/shop/releases/one/config/app.env
ExecStart=/srv/shop/bin/gunicorn shop:app \\
  --bind unix:/run/shop/%i.sock --name "a b"
[Install]
WantedBy=multi-user.target
"""


def test_a_unit_file_is_read() -> None:
    command = ["/srv/shop/bin/gunicorn", "shop:app", "--bind", "unix:/run/shop/one.sock", "--name", "a b"]
    assert read_service(UNIT, "one") == (command, ["User=shop", "EnvironmentFile=/srv/shop/releases/one/config/app.env"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[Service]\nUser=x\n",
        UNIT.replace("%i", "%n"),
        UNIT.replace("User=shop", "ExecStartPre=/bin/true"),
        UNIT.replace('"a b"', '"a b'),
        UNIT.replace("User=shop", "ExecStart=/bin/true"),
    ],
)
def test_a_unit_that_cannot_be_tried_in_the_same_way_is_not(text: str) -> None:
    with pytest.raises(CouldNotLook):
        read_service(text, "one")


@given(st.text(max_size=80))
@settings(max_examples=100)
def test_foreign_units_are_read_or_not_tried(text: str) -> None:
    try:
        assert read_service("[Service]\n" + text, "one")[0] is not None
    except CouldNotLook as reason:
        assert str(reason)


def test_nothing_is_started_in_check_mode(run_module: Callable[..., dict[str, Any]]) -> None:
    given = {"earlier": MANIFEST, "phases": [], "now": 1, "home": "/nowhere", "report_only": True}
    seen = run_module("check_rollback_ready", **given, _ansible_check_mode=True)["assertions"][0]
    assert (seen["status"], seen["summary"]) == ("unverifiable", "nothing is started in check mode")
    seen = run_module("check_rollback_ready", **{**given, "earlier": {"release_id": "../x"}})["assertions"][0]
    assert (seen["item"], seen["status"]) == ("deploy.go_live.rollback_ready", "unverifiable")
