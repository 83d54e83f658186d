"""What a run asks of a look: the statements that its tags name, and whether what does not hold ends it."""

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.tickbox.callbacks import assertions_of
from ansible.module_utils.tickbox.looks import as_asked, narrowed, result_for

CHECKLIST: list[dict[str, Any]] = [
    {"id": "pre.one", "module": "check_pair"},
    {"id": "pre.two", "module": "check_pair"},
    {"id": "post.alone", "module": "check_alone"},
    {"id": "deploy.closed", "module": "check_door"},
    {"id": "deploy.open", "module": "check_door"},
]


@pytest.mark.parametrize(
    ("module", "arguments", "tags", "wanted"),
    [
        ("check_pair", {}, {"pre.one"}, {"items": ["pre.one"]}),
        ("check_pair", {"items": ["pre.one", "pre.two"]}, {"pre.two"}, {"items": ["pre.two"]}),
        ("check_pair", {"items": ["pre.one", "pre.two"]}, {"pre"}, {"items": ["pre.one", "pre.two"]}),
        ("check_pair", {"items": ["pre.one"]}, {"pre.two"}, None),
        ("check_alone", {"url": "x"}, {"post.alone"}, {"url": "x"}),
        ("check_alone", {"url": "x"}, {"pre.one"}, None),
        ("check_door", {"item": "deploy.open"}, {"deploy.open"}, {"item": "deploy.open"}),
        ("check_door", {"item": "deploy.open"}, {"deploy.closed"}, None),
        ("check_pair", {"items": ["pre.one"]}, {"soak"}, {"items": ["pre.one"]}),
        ("run_gate", {"phases": ["pre"]}, {"pre.one"}, {"phases": ["pre"]}),
    ],
)
def test_a_look_answers_what_is_asked(module: str, arguments: dict[str, Any], tags: set[str], wanted: Any) -> None:
    assert narrowed(module, arguments, CHECKLIST, tags) == wanted


def test_a_look_that_another_needs_looks_without_judging() -> None:
    seen = narrowed("check_pair", {"items": ["pre.one"], "texts": ["x"]}, CHECKLIST, {"post.alone"}, ["post.alone"])
    assert seen == {"items": [], "texts": ["x"]}


def test_a_run_that_only_reports_goes_on() -> None:
    red = {"item": "pre.one", "status": "failed", "summary": "no"}
    result = {"failed": True, "msg": "pre.one failed: no", "assertions": [red]}
    assert as_asked(result, [], report_only=False)["failed"]
    assert "failed" not in as_asked(result, [], report_only=True)
    broken = {"failed": True, "msg": "the module crashed", "assertions": [red]}
    assert as_asked(broken, [], report_only=True)["failed"]


@pytest.mark.parametrize(
    ("action", "arguments", "items"),
    [
        ("check_pair", {}, ["pre.one", "pre.two"]),
        ("check_pair", {"items": ["pre.two"]}, ["pre.two"]),
        ("check_door", {"item": "deploy.open"}, ["deploy.open"]),
        ("send_load", {}, []),
    ],
)
def test_a_look_that_breaks_off_has_not_seen_its_statements(action: str, arguments: dict[str, Any], items: list[str]) -> None:
    task = SimpleNamespace(action=action, args=arguments, delegate_to=None)
    templar = SimpleNamespace(template=lambda value: value)
    variables = {"tickbox_checklist": CHECKLIST, "run_report_only": True}
    seen = result_for({"failed": True, "msg": "it crashed\nat line 7"}, task, templar, variables)
    assert seen["failed"]
    assert [(one["item"], one["status"]) for one in seen["assertions"]] == [(item, "unverifiable") for item in items]
    assert all(one["summary"] == "the look ended without a result: it crashed" for one in seen["assertions"])
    crashed = {"failed": True, "exception": SimpleNamespace(event=SimpleNamespace(msg="division by zero"))}
    for result, says in (
        (crashed, "it crashed: division by zero"),
        ({"failed": True, "exception": "Traceback:\n  line 7\nKeyError: 'x'\n"}, "it crashed: KeyError: 'x'"),
        ({"failed": True}, "nobody knows why: it left neither a message nor an exception"),
    ):
        told = [one["summary"] for one in result_for(result, task, templar, variables)["assertions"]]
        assert told == [f"the look ended without a result: {says}"] * len(items)
    assert "assertions" not in result_for({"msg": "begun"}, task, templar, variables)


@pytest.mark.parametrize(("delegate_to", "host"), [(None, "app1"), ("monitor", "monitor"), ("localhost", "controller")])
def test_a_look_is_of_the_host_that_was_looked_at(delegate_to: str | None, host: str) -> None:
    """As a callback is told: of a delegated task it has the connection's settings, and not the name."""
    task = SimpleNamespace(action="check_door", args={}, delegate_to=delegate_to)
    own = {"assertions": [{"item": "deploy.open", "status": "passed"}]}
    result = result_for(own, task, SimpleNamespace(template=lambda value: value), {})
    if delegate_to:
        result["_ansible_delegated_vars"] = {"ansible_connection": "local" if delegate_to == "localhost" else "ssh"}
    seen = SimpleNamespace(result=result, host=SimpleNamespace(name="app1"))
    assert [name for name, _ in assertions_of(seen)] == [host]
