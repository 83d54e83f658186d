"""The points of a sweep: numbered, sampled in turn, judged, written down and taken up again."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from points import CODE, Seen, State, code_digest, faults, following, points, sample, table

TASKS = {"deploy": ["run : Open", "release : Plan", "release : Stage"], "rollback": ["run : Open", "rollback : Go | back"]}
ALL = points(TASKS)
DEPLOY, ROLLBACK = ALL[1], ALL[4]


def seen(**other: Any) -> Seen:
    whole = Seen(
        killed=True,
        task=DEPLOY.task,
        left=("a lock",),
        advice="ansible-playbook deploy.yml",
        recovery=0,
        served={"one": "v1.1.0-1", "two": "v1.1.0-1"},
        site="v1.1.0",
        witness="40 rows acknowledged",
        witness_clean=True,
        lock=False,
        units=("examples-web@v1.1.0-1.service", "examples-cleanup@v1.1.0-1.timer"),
        half_made=(),
    )
    return dataclasses.replace(whole, **other)


def test_points_are_numbered_through_both_runs() -> None:
    assert [(point.number, point.run, point.at) for point in ALL] == [
        (1, "deploy", 1),
        (2, "deploy", 2),
        (3, "deploy", 3),
        (4, "rollback", 1),
        (5, "rollback", 2),
    ]


def test_a_whole_recovery_has_no_fault() -> None:
    assert faults(DEPLOY, seen()) == []
    nothing_begun = seen(left=(), advice="")
    assert faults(DEPLOY, nothing_begun) == []
    done = seen(
        task=ROLLBACK.task,
        left=(),
        advice="",
        recovery=None,
        served={"one": "v1.0.0-1"},
        site="v1.0.0",
        units=("examples-web@v1.0.0-1.service",),
    )
    assert faults(ROLLBACK, done) == []


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"killed": False}, "the run was not killed: it never came to this task"),
        ({"task": "run : Close"}, "the run was killed before another task, run : Close"),
        ({"advice": ""}, "status.yml does not say what to type, and there is a lock"),
        ({"recovery": 2}, "the recovery ended with 2"),
        ({"recovery": None}, "the recovery ended with None"),
        ({"site": "maintenance"}, "visitors get maintenance"),
        ({"witness_clean": False, "witness": "1 lost (7)"}, "1 lost (7)"),
        ({"lock": True}, "the lock is still held"),
        ({"units": ("examples-web@v1.0.0-1.service",)}, "examples-web@v1.0.0-1.service runs"),
        ({"half_made": ("database examples_trial",)}, "left: database examples_trial"),
    ],
)
def test_each_fault_is_told_alone(other: dict[str, Any], told: str) -> None:
    assert faults(DEPLOY, seen(**other)) == [told]


@pytest.mark.parametrize(("release", "told"), [("v1.0.0-1", "two has v1.0.0-1"), ("", "two has no release")])
def test_a_host_that_serves_another_release_is_named(release: str, told: str) -> None:
    assert faults(DEPLOY, seen(served={"one": "v1.1.0-1", "two": release})) == [told]


def test_samples_take_turns_until_all_were_tried() -> None:
    many = points({"deploy": [f"task {number}" for number in range(23)], "rollback": []})
    tried = [point.number for seed in range(6) for point in sample(many, 4, seed)]
    assert set(tried) == set(range(1, 24))
    assert len(sample(many, 4, 3)) == 4
    assert sample(many, 4, 3) == sample(many, 4, 3)
    assert sample(many, 4, 3) != sample(many, 4, 4)
    assert sample(many, 99, 0) == many


def test_the_next_point_begins_where_the_host_is() -> None:
    assert following(ALL, "v1.0.0") == ALL[0]
    assert following(ALL, "v1.1.0") == ALL[3]
    assert following(ALL[:2], "v1.1.0") == ALL[0]
    assert following(ALL, "maintenance") == ALL[0]


def test_what_was_found_is_taken_up_again_for_the_same_code_alone(tmp_path: Path) -> None:
    path = tmp_path / "reports/sweep.jsonl"
    state = State(path, "one")
    for run, names in TASKS.items():
        state.record(run, names)
    assert state.add(DEPLOY, seen(), 61.4) == []
    assert state.add(ROLLBACK, seen(task=ROLLBACK.task), 1.0) != []
    assert state.add_error(ALL[0], "it could not be looked at", 3.0) == ["it could not be looked at"]
    again = State(path, "one")
    assert again.tasks == TASKS
    assert {number: bool(result["faults"]) for number, result in again.results.items()} == {1: True, 2: False, 5: True}
    assert State(path, "other").results == {}
    assert State(path, "other").tasks == {}


def test_a_point_that_is_tried_again_has_its_last_result(tmp_path: Path) -> None:
    state = State(tmp_path / "sweep.jsonl", "one")
    state.add_error(DEPLOY, "it could not be looked at", 3.0)
    state.add(DEPLOY, seen(), 60.0)
    assert State(tmp_path / "sweep.jsonl", "one").results[DEPLOY.number]["faults"] == []


def test_the_table_tells_of_every_point(tmp_path: Path) -> None:
    state = State(tmp_path / "sweep.jsonl", "one")
    state.add(DEPLOY, seen(), 61.4)
    state.add_error(ROLLBACK, "it could not be looked at", 3.0)
    text = table(ALL, state.results)
    assert "Recovered: 1 of the 2 points that were tried, of 5." in text
    assert "| 1 | deploy | 1. run : Open | not tried | | | |" in text
    assert "| 2 | deploy | 2. release : Plan | ansible-playbook deploy.yml | exit code 0, v1.1.0 | 61 | yes |" in text
    assert "| 5 | rollback | 2. rollback : Go \\| back | not seen | not seen | 3 | it could not be looked at |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {8}


def test_a_changed_role_is_other_code(tmp_path: Path) -> None:
    for name in CODE:
        file = tmp_path / name if "." in name else tmp_path / name / "main.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(name))
    before = code_digest(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/sweep.md").write_text("found")
    assert code_digest(tmp_path) == before
    (tmp_path / "roles/main.yml").write_text("other")
    assert code_digest(tmp_path) != before
