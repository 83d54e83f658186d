"""The way back to an earlier release."""

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.releases import NoWayBack, way_back


def release(version: str, earlier: str = "", restore_point: str = "", state: str = "verified", head: str = "1") -> dict[str, Any]:
    about = {"version": version, "from_release": earlier, "restore_point": restore_point, "state": state}
    return {**about, "migration_head": [head], "run_id": f"run of {version}"}


RELEASES = {
    "one": release("v1"),
    "two": release("v2", "one", "before_two", head="2"),
    "three": release("v3", "two", head="2"),
    "four": release("v4", "three", "before_four", head="4"),
}


@pytest.mark.parametrize(
    ("current", "target", "expected"),
    [
        ("two", None, {"target": "one", "restore_point": "before_two", "migrations": ["2"], "run": "run of v2"}),
        ("three", None, {"target": "two", "restore_point": "", "migrations": [], "run": ""}),
        ("three", "one", {"target": "one", "restore_point": "before_two", "migrations": ["2"], "run": "run of v2"}),
        ("four", "v2", {"target": "two", "restore_point": "before_four", "migrations": ["4"], "run": "run of v4"}),
        ("four", "v1", {"target": "one", "restore_point": "before_two", "migrations": ["2", "4"], "run": "run of v2"}),
    ],
)
def test_finds_the_release_and_the_restore_point_of_its_schema(current: str, target: str | None, expected: dict[str, Any]) -> None:
    assert way_back(current, RELEASES, target) == expected


@pytest.mark.parametrize(
    ("current", "releases", "target", "reason"),
    [
        ("", RELEASES, None, "no release serves"),
        ("one", RELEASES, None, "no other release served"),
        ("four", RELEASES, "v9", "no way leads back to v9"),
        ("two", {"two": RELEASES["two"]}, None, "not on this host any more"),
        ("two", {**RELEASES, "one": release("v1", state="staged")}, None, "never verified"),
        ("two", {**RELEASES, "one": release("v1", state="rolled_back")}, None, "never verified"),
        ("four", {key: RELEASES[key] for key in ("one", "two", "four")}, "one", "way back is cut"),
    ],
)
def test_says_why_there_is_no_way_back(current: str, releases: Any, target: str | None, reason: str) -> None:
    with pytest.raises(NoWayBack, match=reason):
        way_back(current, releases, target)


def test_a_release_that_migrated_without_a_restore_point_leaves_none() -> None:
    """What a later one made holds the schema of the rolling release, not that of the target."""
    rolling = {**RELEASES, "two": release("v2", "one", head="2")}
    expected = {"target": "one", "restore_point": "", "migrations": ["2"], "run": "run of v2"}
    assert way_back("two", rolling) == expected
    assert way_back("four", rolling, "v1") == {**expected, "migrations": ["2", "4"]}
    assert way_back("four", rolling)["restore_point"] == "before_four"


def test_does_not_turn_in_a_circle() -> None:
    circle = {"a": release("v1", "b"), "b": release("v2", "a")}
    assert way_back("a", circle) == {"target": "b", "restore_point": "", "migrations": [], "run": ""}
    with pytest.raises(NoWayBack):
        way_back("a", circle, "v9")


def test_a_folder_without_a_manifest_is_half_made(run_module: Any, tmp_path: Path) -> None:
    for name in ("whole", "half", "torn"):
        (tmp_path / "releases" / name).mkdir(parents=True)
    (tmp_path / "releases" / "whole" / "manifest.json").write_text(json.dumps(release("v1")))
    (tmp_path / "releases" / "torn" / "manifest.json").write_text('{"version": "v')
    (tmp_path / "current").symlink_to("releases/whole")
    found = run_module("release_info", home=str(tmp_path))
    assert found["current"] == "whole"
    assert list(found["releases"]) == ["whole"]
    assert found["half_made"] == ["half", "torn"]
