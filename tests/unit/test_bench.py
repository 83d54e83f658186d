"""The arithmetic of the benchmarks: what answers and events say, who has which turn, and the page."""

import json
from pathlib import Path
from typing import Any

import pytest
from machines import hosts_of

from tools.bench import __main__ as command
from tools.bench import growth, page, rounds
from tools.bench.figures import RATE, Answer, Spread, Task, away, by_phase, medians, seen, tasks
from tools.bench.versions import code_change, locked, npm_locked

NOW = 1_000.0
PLAYBOOK = "playbooks/deploy.yml"


def answers(*runs: tuple[int, int, str]) -> list[Answer]:
    """Answers at the client's rate, each after 10 ms: how many, their status and version."""
    listed = [(status, version) for count, status, version in runs for _ in range(count)]
    return [
        Answer(NOW + number / RATE, NOW + number / RATE + 0.01, status, version) for number, (status, version) in enumerate(listed)
    ]


def test_a_change_that_nobody_notices() -> None:
    found = seen(answers((50, 200, "one"), (50, 200, "two")), NOW + 0.5, "two")
    assert found.pop("statuses") == {}
    assert found == pytest.approx({"answering": 0.51, "requests": 100, "failed": 0, "away": 0, "slowest": 0.01})


def test_what_failed_is_counted_and_timed() -> None:
    found = seen(answers((50, 200, "one"), (20, 503, ""), (30, 200, "two"), (5, 0, ""), (10, 200, "two")), NOW, "two")
    assert (found["failed"], found["statuses"]) == (25, {"503": 20, "0": 5})
    assert found["away"] == pytest.approx(25 / RATE)
    assert found["answering"] == pytest.approx(70 / RATE + 0.01)


def test_a_site_that_does_not_come_back_is_away_until_the_end() -> None:
    assert away(answers((10, 200, "one"), (10, 502, ""))) == pytest.approx(9 / RATE + 0.01)


@pytest.mark.parametrize("after", [(10, 200, "one"), (10, 503, "")])
def test_a_change_that_was_not_made_has_no_figures(after: tuple[int, int, str]) -> None:
    with pytest.raises(ValueError, match="does not answer with two"):
        seen(answers((10, 200, "one"), (1, 200, "two"), after), NOW, "two")
    with pytest.raises(ValueError, match="does not answer with two"):
        seen(answers((10, 200, "one")), NOW, "two")


def test_spread() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)


def event(kind: str, second: float, task: str = "", **data: Any) -> dict[str, Any]:
    minutes, seconds = divmod(second, 60)
    created = f"1970-01-01T00:{int(minutes):02}:{seconds:09.6f}"
    return {"event": kind, "created": created, "event_data": {"task": task, "task_uuid": task, "host": "one", **data}}


def started(second: float, task: str, action: str = "command", path: str = "roles/x/tasks/main.yml:3") -> dict[str, Any]:
    return event("playbook_on_task_start", second, task, task_action=action, task_path=f"/work/{path}")


EVENTS = [
    event("playbook_on_start", 1),
    started(2, "Begin", "ansible.builtin.include_role", f"{PLAYBOOK}:7"),
    started(3, "Look"),
    event("runner_on_ok", 4, "Look", task_action="check_server", res={}),
    started(5, "Say", "ansible.builtin.debug"),
    event("runner_on_ok", 5, "Say", task_action="ansible.builtin.debug", res={}),
    started(6, "Build", "build_artifact"),
    event("runner_on_ok", 8, "Build", task_action="build_artifact", res={"_ansible_delegated_vars": {"ansible_host": "localhost"}}),
    started(9, "Go on", "ansible.builtin.include_role", f"{PLAYBOOK}:9"),
    started(10, "Write"),
    event("runner_item_on_ok", 11, "Write", task_action="template", res={}),
    event("runner_item_on_ok", 12, "Write", task_action="template", res={}),
    event("runner_on_ok", 12, "Write", task_action="template", res={}),
    started(13, "Leave out"),
    event("runner_on_skipped", 13, "Leave out", task_action="command", res={}),
    event("playbook_on_stats", 15),
]


def test_tasks_belong_to_the_phases_of_the_playbook() -> None:
    assert tasks(EVENTS, 0.5, PLAYBOOK) == [
        Task("start", "ansible-playbook starts", 1.5, 0),
        Task("Begin", "Begin", 1, 0),
        Task("Begin", "Look", 2, 1),
        Task("Begin", "Say", 1, 0),
        Task("Begin", "Build", 3, 0),
        Task("Go on", "Go on", 1, 0),
        Task("Go on", "Write", 3, 2),
        Task("Go on", "Leave out", 2, 0),
    ]


def test_phases_are_the_sums_of_their_tasks() -> None:
    assert by_phase(tasks(EVENTS, 0.5, PLAYBOOK)) == [
        Task("start", "", 1.5, 0),
        Task("Begin", "", 7, 1),
        Task("Go on", "", 6, 2),
    ]


def test_medians_are_of_tasks_that_all_runs_have() -> None:
    runs = [[Task("a", "x", seconds, 1), *extra] for seconds, extra in ((1.0, []), (5.0, [Task("a", "y", 1.0, 1)]), (2.0, []))]
    assert medians(runs, key=lambda task: (task.phase, task.name)) == [Task("a", "x", 2.0, 1)]


def test_a_full_version_has_other_lock_files_each_time() -> None:
    package = json.dumps({"dependencies": {"a": "1"}})
    lock = json.dumps({"packages": {"": {"dependencies": {"a": "1"}}, "node_modules/a": {}}})
    first = (locked("a==1 \\\n    --hash=sha256:0\n", 5), *npm_locked(package, lock, 5))
    second = (locked(first[0], 6), *npm_locked(first[1], first[2], 6))
    third = (locked(second[0], 7), *npm_locked(second[1], second[2], 7))
    for before, after in ((first, second), (second, third), (first, third)):
        assert all(one != other for one, other in zip(before, after, strict=True))
    assert third[0].startswith("a==1 \\\n    --hash=sha256:0\n")
    assert third[0].count("itsdangerous==") == 1
    assert json.loads(third[2])["packages"]["node_modules/ms"]["version"] == json.loads(third[1])["dependencies"]["ms"]


def test_a_code_change_keeps_the_module() -> None:
    assert code_change("x", '"""Says."""\n') == '"""Says."""\n\nCHANGED_FOR = "x"\n'
    assert code_change("x", "") == 'CHANGED_FOR = "x"\n'


class Imagined:
    """A contender, or the versions, of which only the calls are kept."""

    def __init__(self, name: str) -> None:
        self.name, self.last, self.made = name, "start", 0

    def deploy(self, version: str) -> str:
        return f"deploy {version}"

    def update(self, version: str) -> str:
        return f"update {version}"

    def rollback(self) -> str:
        return "rollback"

    def code_only(self) -> str:
        self.made += 1
        return f"code-{self.made}"

    def full(self) -> str:
        self.made += 1
        return f"full-{self.made}"


@pytest.fixture
def imagined(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(rounds, "attest", lambda: None)
    monkeypatch.setattr(rounds, "measure", lambda case, one, _site, version, act: {"of": one.name, "to": version, "did": act()})

    def run(*asked: str, count: int = 2) -> list[tuple[str, str, str, str]]:
        listed: Any = [Imagined("a"), Imagined("b")]
        versions: Any = Imagined("versions")
        sites: Any = {"a": None, "b": None}
        found = rounds.rounds(set(asked), count, listed, sites, versions)
        return [(case, *run.values()) for part in found for case, runs in part.items() for run in runs]

    return run


def test_all_have_their_turn_and_who_begins_changes(imagined: Any) -> None:
    assert imagined("code_only") == [
        ("code_only", "a", "code-1", "update code-1"),
        ("code_only", "b", "code-1", "update code-1"),
        ("code_only", "b", "code-2", "update code-2"),
        ("code_only", "a", "code-2", "update code-2"),
    ]


def test_a_way_back_leads_to_what_served_before(imagined: Any) -> None:
    found = [(case, to) for case, of, to, _ in imagined("code_only", "rollback", "full") if of == "a"]
    assert found == [
        *(("code_only", "code-1"), ("rollback", "start"), ("full", "full-2")),
        *(("code_only", "code-3"), ("rollback", "full-2"), ("full", "full-4")),
    ]
    assert [to for case, of, to, _ in imagined("rollback") if of == "a" and case == "rollback"] == ["start", "start"]


STEP = Task("start", "Look", 2.0, 1)


def results() -> dict[str, Any]:
    def run(contender: str, factor: float) -> dict[str, Any]:
        figures = {"answering": factor, "ended": 2 * factor, "away": 0.0, "slowest": 0.1, "requests": 100, "failed": 0, "load": 0.5}
        made = [vars(task) for task in tasks(EVENTS, 0.5, PLAYBOOK)]
        return {"contender": contender, **figures, **({"tasks": made} if contender == "tickbox" else {})}

    def look(contender: str, seconds: float) -> dict[str, Any]:
        return {"contender": contender, "ended": seconds, **({"tests": 9} if contender == "testinfra" else {"tasks": [vars(STEP)]})}

    runs = [
        run(name, factor * more) for name, factor in (("tickbox", 6), ("capistrano", 2), ("floor", 1)) for more in (1, 1.1, 0.9)
    ]
    taken = {"when": "2026-01-01T10:00+00:00", "machine": {"cores": "2"}, "versions": {"Tickbox": "0.1.0, commit abc"}}
    looks = [look(name, seconds) for name, seconds in (("tickbox", 6.0), ("testinfra", 4.0), ("all", 40.0))]
    measured = {"code_only": runs, "verify": looks}
    return {"cases": {case: {**taken, "runs": listed} for case, listed in measured.items()}}


def test_the_page_has_ratios_spreads_and_phases(tmp_path: Path) -> None:
    page.write(results(), tmp_path)
    text = (tmp_path / "benchmarks.md").read_text()
    assert "| Tickbox | 6.0 (5.4 to 6.6) | 3.0 | 6.0 | 12.0 (10.8 to 13.2) |" in text
    assert "| Go on | 6.0 | 2 |" in text
    assert "3 rounds, 2026-01-01" in text
    assert "| testinfra | 4.0 (4.0 to 4.0) | 1.0 | 9 tests |" in text
    first = (tmp_path / "benchmarks.svg").read_bytes()
    page.write(results(), tmp_path)
    assert (tmp_path / "benchmarks.svg").read_bytes() == first


def test_the_page_of_one_case(tmp_path: Path) -> None:
    page.write({"cases": {"verify": results()["cases"]["verify"]}}, tmp_path)
    text = (tmp_path / "benchmarks.md").read_text()
    assert "## Looking at a host" in text
    assert "| cores | 2 |" in text


def test_the_page_has_what_each_size_of_the_database_took(tmp_path: Path) -> None:
    def turn(case: str, size: int, **took: float) -> dict[str, Any]:
        made = [{"phase": "2. Backup", "name": "x", "seconds": 9.0, "remote": 1}]
        made += [{"phase": "y", "name": name, "seconds": spent, "remote": 1} for name, spent in took.items()]
        return {"contender": "tickbox", "case": case, "bytes": size, "answering": 30.0, "away": 8.0, "tasks": made}

    runs = [
        turn("full", 10**9, **{page.RESTORE_POINT: 2.5, page.MIGRATION: 1.0}),
        turn("rollback", 10**9, **{page.GO_BACK: 0.7}),
    ]
    page.write({"cases": {"data": {**results()["cases"]["verify"], "runs": runs}}}, tmp_path)
    assert "| 1.00 GB | 9.0 | 8.0 | 2.5 | 1.0 | 30.0 | 8.0 | 0.7 |" in (tmp_path / "benchmarks.md").read_text()


def test_the_page_has_what_each_number_of_hosts_took(tmp_path: Path) -> None:
    def turn(case: str, hosts: int, ended: float) -> dict[str, Any]:
        return {"contender": "tickbox", "case": case, "hosts": hosts, "answering": ended / 2, "ended": ended, "away": 8.0}

    runs = [turn("full", 4, 150.0), turn("rollback", 4, 60.0), turn("full", 1, 100.0), turn("rollback", 1, 40.0)]
    page.write({"cases": {"hosts": {**results()["cases"]["verify"], "runs": runs}}}, tmp_path)
    text = (tmp_path / "benchmarks.md").read_text()
    assert "| 1 | 50.0 | 100.0 | 1.00 | 8.0 | 20.0 | 40.0 | 1.00 |\n| 4 | 75.0 | 150.0 | 1.50 | 8.0 | 30.0 | 60.0 | 1.50 |" in text
    assert "How the figures grow with the number of hosts" not in text


def test_an_inventory_is_reduced_to_so_many_hosts_of_the_application(tmp_path: Path) -> None:
    left_out = growth.reduced(4, tmp_path)
    assert len(left_out) == max(growth.COUNTS) - 4
    names = set(hosts_of(tmp_path))
    assert names == {"tickbox-growth", *(f"tickbox-growth-app0{number}" for number in range(1, 5))}
    assert not names & left_out
    assert (tmp_path / "group_vars/testhosts/growth.yml").exists()
    assert growth.reduced(max(growth.COUNTS), tmp_path) == set()


def test_cases_that_are_asked_for() -> None:
    assert command.cases("rollback,full") == {"rollback", "full"}
    with pytest.raises(Exception, match="there is no case speed"):
        command.cases("rollback,speed")
