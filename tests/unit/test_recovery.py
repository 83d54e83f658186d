"""What makes the hosts whole after a run was cut off, and what an operator is told to type."""

from typing import Any

import pytest
from ansible.module_utils.tickbox.recovery import recovery
from ansible.module_utils.tickbox.status import run_lines

OLD, NEW, POINT, ASIDE = "v1-aaaa", "v2-bbbb", "shop_before_one", "shop_aside_one"
PLAN = {"from_release": OLD, "to_release": NEW, "restore_point": POINT, "aside": ASIDE}
WAY_BACK = {"from_release": NEW, "to_release": OLD, "restore_point": POINT, "aside": ASIDE, "policy": "restore"}


def host(current: str, newer: str = "staged", run: str = "one") -> dict[str, Any]:
    manifests = {OLD: {"state": "verified", "version": "v1"}, NEW: {"state": newer, "version": "v2", "run_id": run}}
    return {"current": current, "releases": manifests}


def decide(plan: dict[str, Any], hosts: list[dict[str, Any]], closed: bool, *databases: str) -> Any:
    interrupted = {"id": "one", "kind": "deploy", "who": "an operator", "started": 0.0, "plan": plan}
    named = {f"app{number}": one for number, one in enumerate(hosts)}
    return recovery(interrupted, named, {"web": closed}, ["postgres", *databases], "shop")


@pytest.mark.parametrize(
    ("hosts", "closed", "databases", "action", "target", "point"),
    [
        # before the page was up; workers may have been stopped
        ([host(OLD)], False, ["shop"], "none", OLD, ""),
        ([host(OLD)], True, ["shop"], "back", OLD, ""),
        ([host(OLD)], True, ["shop", POINT], "back", OLD, POINT),
        ([host(OLD), host(NEW)], True, ["shop", POINT], "back", OLD, POINT),
        ([host(OLD), host(NEW)], False, ["shop"], "back", OLD, ""),
        ([host(NEW)], True, ["shop", POINT], "back", OLD, POINT),
        ([host(NEW)], True, ["shop"], "back", OLD, ""),
        # on the way back of a failed deployment: between the two names, and after them
        ([host(NEW)], True, [POINT, ASIDE], "back", OLD, POINT),
        ([host(NEW)], True, ["shop", ASIDE], "back", OLD, POINT),
        ([host(OLD)], True, ["shop", ASIDE], "back", OLD, POINT),
        ([host(OLD)], False, ["shop", ASIDE], "none", OLD, ""),
        # visitors are in
        ([host(NEW)], False, ["shop", POINT], "on", OLD, POINT),
        ([host(NEW)], False, ["shop"], "on", OLD, ""),
        ([host(NEW, "verified")], False, ["shop", POINT], "none", NEW, ""),
        ([host(NEW, "verified"), host(NEW)], False, ["shop", POINT], "on", OLD, POINT),
        ([host(NEW, "verified")], True, ["shop", POINT], "on", OLD, POINT),
        # verified by an earlier deployment of the same release
        ([host(NEW, "verified", "zero")], False, ["shop", POINT], "on", OLD, POINT),
        ([host(NEW, "verified", "zero")], True, ["shop", POINT], "back", OLD, POINT),
    ],
)
def test_a_deployment_that_was_cut_off(
    hosts: list[dict[str, Any]], closed: bool, databases: list[str], action: str, target: str, point: str
) -> None:
    decided = decide(PLAN, hosts, closed, *databases)
    assert (decided.action, decided.target, decided.restore_point) == (action, target, point)
    assert decided.taken_back == ("" if action == "none" else NEW)
    assert "deploy one was cut off" in decided.summary


def test_visitors_who_met_the_release_before_are_not_forgotten() -> None:
    decided = decide({**PLAN, "visited": True}, [host(NEW)], True, "shop", POINT)
    assert decided.action == "on"


@pytest.mark.parametrize(
    ("hosts", "closed", "databases", "action"),
    [
        ([host(NEW, "verified")], False, ["shop", POINT], "back"),
        ([host(NEW, "verified")], True, ["shop", POINT], "back"),
        ([host(NEW, "verified")], True, [POINT, ASIDE], "back"),
        ([host(OLD, "verified"), host(NEW, "verified")], True, ["shop", ASIDE], "back"),
        ([host(OLD, "verified")], True, ["shop", ASIDE], "back"),
        ([host(OLD, "verified")], False, ["shop", ASIDE], "none"),
        ([host(OLD, "rolled_back")], False, ["shop", ASIDE], "none"),
    ],
)
def test_a_way_back_that_was_cut_off(hosts: list[dict[str, Any]], closed: bool, databases: list[str], action: str) -> None:
    decided = decide(WAY_BACK, hosts, closed, *databases)
    assert (decided.action, decided.target) == (action, OLD)
    assert decided.restore_point == (POINT if action == "back" else "")


def test_a_way_back_that_keeps_the_database_restores_nothing() -> None:
    assert decide({**WAY_BACK, "policy": "keep"}, [host(NEW)], True, "shop", POINT).restore_point == ""


def test_a_first_deployment_goes_back_to_nothing() -> None:
    decided = decide({**PLAN, "from_release": ""}, [{"current": "", "releases": {NEW: {"state": "staged"}}}], True, "shop")
    assert (decided.action, decided.target) == ("back", "")


HOLDER = {"id": "one", "kind": "deploy", "who": "ops@control", "started": 0.0, "age": 3.0}
RECOVERY = {"action": "back", "target": OLD, "taken_back": NEW, "summary": "deploy one was cut off: between the two"}


def said(lock: dict[str, Any], found: dict[str, Any] | None = None, **more: Any) -> str:
    hosts = {"app": {"lock": lock, "releases": {**host(OLD), **more}, "maintenance": ["deploy"]}}
    return "\n".join(run_lines(hosts, found or {}, 120.0))


def test_no_run_is_told() -> None:
    assert said({}) == "no run under way"


def test_a_run_under_way_is_told_even_in_the_middle() -> None:
    text = said({"holder": HOLDER, "interrupted": {**HOLDER, "plan": PLAN}, "dead": False}, RECOVERY)
    assert "under way on app: deploy one by ops@control, begun 2 min ago, last sign of life 3 s ago" in text
    assert "type:" not in text


@pytest.mark.parametrize("signs", [{"dead": True}, {"dead": False, "age": 61.0}])
def test_what_to_type_is_told(signs: dict[str, Any]) -> None:
    holder = {**HOLDER, **({"age": signs["age"]} if "age" in signs else {})}
    lock = {"holder": holder, "interrupted": {**HOLDER, "plan": PLAN}, "dead": signs["dead"]}
    text = said(lock, RECOVERY)
    assert f"type: ansible-playbook deploy.yml -e app_version=v2 (goes back to {OLD}, and then deploys v2)" in text
    assert f"type: ansible-playbook rollback.yml (ends with {OLD})" in text
    assert f"goes on with {NEW}" in said(lock, {**RECOVERY, "action": "on"})
    assert "rollback.yml" not in said(lock, {**RECOVERY, "action": "none"})
    assert "rollback.yml" not in said(lock, {**RECOVERY, "target": ""})


def test_a_way_back_is_finished_by_rollback() -> None:
    lock = {"holder": HOLDER, "interrupted": {**HOLDER, "plan": WAY_BACK}, "dead": True}
    first, second = said(lock, RECOVERY).splitlines()[-2:]
    assert first.startswith("type: ansible-playbook rollback.yml")
    assert f"finishes the way back to {OLD} first" in second


def test_a_run_that_had_changed_nothing_is_told() -> None:
    assert "cut off before it changed anything" in said({"holder": HOLDER, "interrupted": {}, "dead": True})
