"""What is said of a task, and of a run at its end."""

from typing import Any

import pytest
from ansible.module_utils.tickbox.step_lines import SLOW, Step, Trouble, end_title, ending, look_lines, reasons, recap
from ansible.module_utils.tickbox.terminal import Line, Page

LOG = Page()
TEXTS = {"deploy.backup.integrity": "Verify backup integrity"}


def assertion(status: str = "passed", summary: str = "digest as written", **more: Any) -> dict[str, Any]:
    times = {"started": "2026-01-01T00:00:00.000+00:00", "ended": "2026-01-01T00:00:00.400+00:00"}
    return {"item": "deploy.backup.integrity", "status": status, "summary": summary, **times, **more}


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def look(*seen: tuple[str, dict[str, Any]]) -> list[str]:
    return texts(look_lines("deploy.backup.integrity", "Verify backup integrity", list(seen), LOG))


def test_hosts_that_saw_the_same_are_one_line() -> None:
    assert look(*((f"app{number}", assertion()) for number in range(1, 51))) == [
        "  [x] deploy.backup.integrity  Verify backup integrity  (0.4 s)",
        "      app1..app50: digest as written",
    ]


def test_one_that_saw_something_else_stands_apart_with_what_it_expected_and_saw() -> None:
    red = assertion("failed", "digest differs", expected={"sha256": "aa", "rows": 3}, observed={"sha256": "bb"})
    assert look(("app1", assertion()), ("app2", red), ("app3", assertion())) == [
        "  [x] deploy.backup.integrity  Verify backup integrity  (0.4 s)",
        "      app1, app3: digest as written",
        "  [!] deploy.backup.integrity  Verify backup integrity  (0.4 s)",
        "      app2: digest differs",
        "        expected  sha256: aa, rows: 3",
        "        observed  sha256: bb",
    ]


def test_figures_of_many_hosts_that_are_ticked_are_not_all_told_and_faults_are() -> None:
    ticked = look(*((f"app{number}", assertion(summary=f"{number} ms")) for number in range(1, 51)))
    assert len(ticked) == 7
    assert ticked[-1] == "      and 45 hosts more, each with its own figures"
    red = look(*((f"app{number}", assertion("failed", f"{number} ms")) for number in range(1, 51)))
    assert len(red) == 51


@pytest.mark.parametrize(
    ("status", "mark"),
    [
        ("passed", "[x]"),
        ("attested", "[x]"),
        ("failed", "[!]"),
        ("unverifiable", "[?]"),
        ("waived", "[-]"),
        ("not_applicable", "[-]"),
        ("pending", "[ ]"),
    ],
)
def test_each_status_has_its_mark(status: str, mark: str) -> None:
    assert look(("app1", assertion(status)))[0].startswith(f"  {mark} deploy.backup.integrity")


def test_a_step_of_which_nothing_is_to_be_said_is_silent_unless_it_was_slow() -> None:
    assert Step("Build", 0).lines(SLOW - 1, TEXTS, LOG) == []
    assert texts(Step("Build", 0).lines(SLOW, TEXTS, LOG)) == ["  . Build  (10.0 s)"]


def test_what_changed_is_told_once_for_all_hosts() -> None:
    step = Step("Install", 0, changed=[("b", ("nginx", "redis")), ("a", ("nginx", "redis"))])
    assert texts(step.lines(2, TEXTS, LOG)) == ["  * Install (nginx, redis): changed on a, b  (2.0 s)"]


def test_a_failure_names_its_hosts_says_why_where_and_what_comes_of_it() -> None:
    trouble = Trouble(("no space left",), 'rescued by "Go back"', "at roles/x/tasks/main.yml:3")
    step = Step("Run database migrations", 0, troubles=[("a", trouble), ("b", trouble)])
    assert texts(step.lines(0, TEXTS, LOG)) == [
        '  [!] "Run database migrations" failed on a, b',
        "      no space left",
        "      at roles/x/tasks/main.yml:3",
        '      rescued by "Go back"',
    ]
    away = Step("Look", 0, troubles=[("a", Trouble(("timed out",), unreachable=True))])
    assert texts(away.lines(0, TEXTS, LOG)) == ['  [!] UNREACHABLE at "Look": a', "      timed out"]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"msg": "One.\nTwo."}, ("One.\nTwo.",)),
        ({"msg": "non-zero return code", "rc": 3, "stderr": "bad", "stdout": "out"}, ("exit code 3", "bad", "out")),
        ({"msg": "Assertion failed", "assertion": "1 == 2"}, ("Assertion failed", "not so: 1 == 2")),
        ({"censored": "hidden", "msg": "secret"}, ("hidden",)),
        ({"status": 503, "_ansible_no_log": False}, ("status: 503",)),
        ({"msg": "deploy.backup.integrity failed: bad", "assertions": [assertion("failed", "bad")]}, ()),
    ],
)
def test_why_a_task_failed(result: dict[str, Any], said: tuple[str, ...]) -> None:
    assert reasons(result) == said


def test_how_a_run_ended() -> None:
    summary = {
        "kind": "deploy",
        "app": "examples",
        "outcome": "failed",
        "seconds": 93.1,
        "window_seconds": 21.4,
        "kept": ["database examples_aside_1"],
        "counts": {"passed": 80, "attested": 2, "failed": 1, "pending": 5},
        "items": [{"id": "deploy.backup.integrity", "status": "failed", "summary": "digest differs", "hosts": ["a", "b"]}],
    }
    assert end_title(summary) == ("deploy of examples: failed", "error")
    assert end_title({**summary, "outcome": "deployed"}).tone == "ok"
    assert texts(ending(summary, TEXTS, "reports/latest/checklist.md", LOG)) == [
        "  [!] deploy.backup.integrity  Verify backup integrity",
        "      a, b: digest differs",
        "  82 ticked (2 of them attested), 0 waived, 0 not applicable, 1 not ticked, 5 signatures pending",
        "  93.1 s in all, 21.4 s of it in the maintenance window",
        "  Kept: database examples_aside_1",
        "  Report: reports/latest/checklist.md",
    ]


def test_counts_of_tasks_are_folded() -> None:
    counts = dict.fromkeys(("ok", "changed", "unreachable", "failures", "skipped", "rescued", "ignored"), 0)
    lines = recap({"a": {**counts, "ok": 3}, "b": {**counts, "ok": 3}, "c": {**counts, "failures": 1}}, LOG)
    assert lines[0] == ("  a, b : ok=3 changed=0 unreachable=0 failed=0 skipped=0 rescued=0 ignored=0", "ok")
    assert lines[1].tone == "error"
    assert " failed=1 " in lines[1].text
