"""The points of a sweep: numbered, sampled in turn, judged, written down and taken up again."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from points import CODE, Point, Seen, State, code_digest, faults, following, points, sample, table, tried
from steps import Step, steps


def listed(*names: str, changes: bool = True) -> list[Step]:
    return [Step(name, ["one"] if changes else [], []) for name in names]


TASKS = {
    "deploy": listed("run : Open", "release : Plan", "release : Stage"),
    "rollback": listed("run : Open", "rollback : Go | back"),
}
ALL = points(TASKS)
DEPLOY, ROLLBACK = ALL[1], ALL[4]


def seen(**other: Any) -> Seen:
    whole = Seen(
        killed=True,
        task=DEPLOY.task,
        changed=(1,),
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


def wrong(point: Point, found: Seen) -> list[str]:
    return faults(point, found, TASKS[point.run])


def test_points_are_numbered_through_both_runs() -> None:
    assert [(point.number, point.run, point.at) for point in ALL] == [
        (1, "deploy", 1),
        (2, "deploy", 2),
        (3, "deploy", 3),
        (4, "rollback", 1),
        (5, "rollback", 2),
    ]


def test_points_between_which_nothing_changed_are_proved_by_the_last_of_them() -> None:
    quiet, loud = listed("Look", changes=False), listed("Write")
    everything = points({"deploy": [*quiet, *quiet, *loud, *loud, *quiet], "rollback": [*quiet, *loud]})
    assert [point.proof for point in everything] == [3, 3, 3, 4, 5, 7, 7]
    assert [point.number for point in tried(everything)] == [3, 4, 5, 7]


def lines(*came: dict[str, Any]) -> list[dict[str, Any]]:
    begun = [{"number": number, "task": f"task {number}", "action": "command"} for number in range(1, 7)]
    return [*begun, *({"host": "one", "outcome": "ok", **one} for one in came)]


def different(found: list[dict[str, Any]]) -> list[int]:
    return [number for number, step in enumerate(steps(found), 1) if not step.same]


def test_a_task_that_says_that_it_changed_something_did() -> None:
    found = steps(lines({"of": 1}, {"of": 2, "outcome": "changed"}, {"of": 2, "host": "two", "outcome": "skipped"}))
    assert [step.same for step in found] == [True, False, True, True, True, True]
    assert found[1] == Step("task 2", ["one"], [])


def test_a_task_after_which_something_is_other_changed_it_whatever_it_says() -> None:
    assert different(lines({"of": 3}, {"after": 3, "other": ["lock.json"]}, {"after": 4, "other": []})) == [3]
    assert steps(lines({"after": 3, "other": ["lock.json"]}))[2].other == ["lock.json"]


def test_a_task_that_tells_somebody_changed_something_unless_it_was_skipped() -> None:
    telling = [{**line, "action": "send_notices"} for line in lines()]
    assert different([*telling, {"of": 2, "host": "one", "outcome": "ok"}, {"of": 3, "host": "one", "outcome": "skipped"}]) == [2]


@pytest.mark.parametrize(
    ("ended", "numbers"),
    [
        ({"outcome": "ok"}, []),
        ({"outcome": "changed"}, [2, 3, 4]),
        ({"outcome": "failed"}, [2, 3, 4]),
        ({"job": "another"}, [2, 3, 4, 5, 6]),
        ({"finished": False}, [2, 3, 4, 5, 6]),
    ],
)
def test_beside_a_job_that_changes_something_no_two_points_are_the_same(ended: dict[str, Any], numbers: list[int]) -> None:
    assert different(lines({"of": 2, "job": "j", "finished": False}, {"of": 4, "job": "j", "finished": True, **ended})) == numbers


def test_a_whole_recovery_has_no_fault() -> None:
    assert wrong(DEPLOY, seen()) == []
    nothing_begun = seen(left=(), advice="")
    assert wrong(DEPLOY, nothing_begun) == []
    done = seen(
        task=ROLLBACK.task,
        left=(),
        advice="",
        recovery=None,
        served={"one": "v1.0.0-1"},
        site="v1.0.0",
        units=("examples-web@v1.0.0-1.service",),
    )
    assert wrong(ROLLBACK, done) == []


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"killed": False}, "the run was not killed: it never came to this task"),
        ({"task": "run : Close"}, "the run was killed before another task, run : Close"),
        ({"changed": ()}, "it came another way: not both times did something change in 1"),
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
    assert wrong(DEPLOY, seen(**other)) == [told]


@pytest.mark.parametrize(("release", "told"), [("v1.0.0-1", "two has v1.0.0-1"), ("", "two has no release")])
def test_a_host_that_serves_another_release_is_named(release: str, told: str) -> None:
    assert wrong(DEPLOY, seen(served={"one": "v1.1.0-1", "two": release})) == [told]


def test_samples_take_turns_until_all_were_tried() -> None:
    many = points({"deploy": listed(*(f"task {number}" for number in range(23))), "rollback": []})
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
    state.record("deploy", TASKS["deploy"])
    state.add_error(DEPLOY, "it could not be looked at", 3.0)
    state.add(DEPLOY, seen(), 60.0)
    assert State(tmp_path / "sweep.jsonl", "one").results[DEPLOY.number]["faults"] == []


def test_the_table_tells_of_every_point(tmp_path: Path) -> None:
    state = State(tmp_path / "sweep.jsonl", "one")
    state.record("deploy", [*listed("run : Open", changes=False), *TASKS["deploy"][1:]])
    state.record("rollback", TASKS["rollback"])
    state.add(DEPLOY, seen(changed=()), 61.4)
    state.add_error(ROLLBACK, "it could not be looked at", 3.0)
    text = table(points(state.tasks), state.results)
    assert "The 5 tasks leave 4 states behind" in text
    assert "Recovered: 1 of the 2 states that were tried, of 4; with them 2 of the 5 points." in text
    assert "| 1 | deploy | 1. run : Open | same state as point 2 | | | |" in text
    assert "| 3 | deploy | 3. release : Stage | not tried | | | |" in text
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
