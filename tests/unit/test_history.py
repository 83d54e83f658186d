"""What hosts remember of their runs, and what is told of them."""

import json
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import Verdict
from ansible.module_utils.tickbox.history import HISTORY, MOST, append, brought, merged, read, rollback_time
from ansible.module_utils.tickbox.overview import overview, overview_lines
from ansible.module_utils.tickbox.waivers import Waiver

OLD, NEW = "v1-aaaa", "v2-bbbb"
NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
MINE = {"id": "mine", "kind": "deploy", "who": "ops@control", "started": 100.0}
ENDED = {"outcome": "deployed", "from_release": OLD, "to_release": NEW, "commit": "c" * 40, "rollback_seconds": 0.0}


def run(number: int, kind: str = "deploy", outcome: str = "deployed", to: str = NEW, **more: Any) -> dict[str, Any]:
    started = 1000.0 * number
    named = {"id": f"run{number}", "kind": kind, "who": f"operator {number}", "started": started, "ended": started + 60}
    return {**named, "outcome": outcome, "from_release": OLD, "to_release": to, **more}


def test_a_run_is_remembered_when_its_lock_is_given_back(run_module: Any, tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    run_module("deploy_lock", path=str(lock), run=MINE)
    run_module("deploy_lock", path=str(lock), run=MINE, state="absent", ended=ENDED)
    assert not lock.exists()
    entry = run_module("deploy_lock", path=str(lock), state="found")["history"][0]
    assert abs(entry.pop("ended") - time.time()) < 60
    assert entry == {**MINE, **ENDED}


def test_a_run_that_leaves_the_hosts_between_two_releases_keeps_the_lock_and_is_remembered(run_module: Any, tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    run_module("deploy_lock", path=str(lock), run=MINE, plan={"from_release": OLD})
    run_module("deploy_lock", path=str(lock), run=MINE, state="absent", keep=True, ended={**ENDED, "outcome": "failed"})
    found = run_module("deploy_lock", path=str(lock), state="found")
    assert (found["interrupted"]["id"], [one["outcome"] for one in found["history"]]) == ("mine", ["failed"])


def test_a_run_that_never_had_the_lock_is_not_remembered(run_module: Any, tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    for more in ({}, {"_ansible_check_mode": True}):
        run_module("deploy_lock", path=str(lock), run=MINE, state="absent", ended=ENDED, **more)
        run_module("deploy_lock", path=str(lock), run={**MINE, "id": "another"})
    run_module("deploy_lock", path=str(lock), run={**MINE, "id": "another"}, state="absent", ended=ENDED, _ansible_check_mode=True)
    assert not (tmp_path / HISTORY).exists()


def test_a_history_that_cannot_be_kept_keeps_no_lock(run_module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []
    # Ansible hands warnings to its display, or to the result, by what else this process has imported.
    monkeypatch.setattr(AnsibleModule, "warn", lambda self, warning: warned.append(warning))
    lock = tmp_path / "lock.json"
    (tmp_path / HISTORY).mkdir()
    run_module("deploy_lock", path=str(lock), run=MINE)
    result = run_module("deploy_lock", path=str(lock), run=MINE, state="absent", ended=ENDED)
    assert "failed" not in result
    assert ["not in the history" in warning for warning in warned] == [True]
    assert not lock.exists()


def test_the_history_is_bounded_and_whole(tmp_path: Path) -> None:
    path = tmp_path / HISTORY
    for number in range(MOST + 5):
        append(path, run(number))
    kept = read(path)
    assert [kept[0]["id"], kept[-1]["id"], len(kept)] == ["run5", f"run{MOST + 4}", MOST]
    assert [file.name for file in tmp_path.iterdir()] == [HISTORY]


def test_a_line_that_is_none_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / HISTORY
    good = json.dumps(run(1))
    path.write_bytes(
        b"\n".join([b"", b"{", b"[]", b'"x"', b'{"started": "soon"}', b"\xff\xfe", b'{"id": "x"}', good.encode()]) + b"\n"
    )
    assert [one["id"] for one in read(path)] == ["run1"]
    append(path, run(2))
    assert [one["id"] for one in read(path)] == ["run1", "run2"]
    assert read(tmp_path / "none") == []


def test_hosts_and_controller_remember_each_run_once() -> None:
    summary = {**run(2, window_seconds=4.0), "run_id": "run2", "items": ["much"]}
    foreign = {**run(3), "run_id": "run3"}
    one = [run(1), run(2, rollback_seconds=12.5)]
    runs = merged([one, [run(2, rollback_seconds=0)]], [summary, foreign, {"run_id": "broken"}])
    assert [entry["id"] for entry in runs] == ["run3", "run2", "run1"]
    assert runs[1]["rollback_seconds"] == 12.5
    assert runs[1]["window_seconds"] == 4.0
    assert "items" not in runs[1]


@pytest.mark.parametrize(
    ("runs", "by"),
    [
        ([run(1)], "run1"),
        ([run(1), run(2)], "run2"),
        ([run(1), run(2, outcome="failed"), run(3, outcome="unchanged")], "run1"),
        # a deployment that was taken back brought nothing, whatever it was on its way to
        ([run(1), run(2, outcome="rolled_back")], "run1"),
        ([run(1), run(2, to="v3"), run(3, kind="rollback", outcome="rolled_back")], "run3"),
        ([run(1, outcome="staged"), run(2, kind="backup", outcome="verified")], None),
    ],
)
def test_since_when_a_release_serves(runs: list[dict[str, Any]], by: str | None) -> None:
    found = brought(runs[::-1], NEW)
    assert (found["id"] if found else None) == by


def test_how_long_a_rollback_takes() -> None:
    assert rollback_time([], "run1") == (None, "not measured yet")
    assert rollback_time([run(1, rollback_seconds=0.0)], "run1") == (None, "not measured yet")
    estimated = [run(1, rollback_seconds=38.2), run(2, rollback_seconds=99.0)]
    assert rollback_time(estimated, "run1") == (38.2, "estimated when it went live")
    back = [
        run(number, kind="rollback", outcome="rolled_back", ended=1000.0 * number + took)
        for number, took in ((3, 20), (4, 50), (5, 40))
    ]
    assert rollback_time([*estimated, *back], "run1") == (40.0, "median of 3 rollbacks")
    assert rollback_time([run(3, kind="rollback", outcome="failed")], "run1") == (None, "not measured yet")


def host(**more: Any) -> dict[str, Any]:
    manifests = {
        OLD: {"state": "verified", "version": "v1", "run_id": "run0", "from_release": ""},
        NEW: {"state": "verified", "version": "v2", "run_id": "run1", "from_release": OLD, "commit": "c" * 40},
        "v3-cccc": {"state": "staged", "version": "v3", "run_id": "run9", "from_release": NEW},
    }
    return {"lock": {}, "releases": {"current": NEW, "releases": manifests}, "maintenance": [], **more}


def seen(hosts: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"recovery": {}, "runs": [run(1)], "incidents": [], "waivers": {}, "signatures": {}, **more}
    told: dict[str, Any] = overview(hosts or {"app": host()}, now=NOW, **given)
    return told


def words(**more: Any) -> str:
    return "\n".join(overview_lines(seen(**more)))


def test_what_is_live_and_staged_and_where_back_leads() -> None:
    text = words(hosts={"app": host(maintenance=["operator"]), "db": {"lock": {}, "maintenance": []}})
    assert (
        f"app serves {NEW}, since 1970-01-01T00:17:40+00:00 by operator 1; releases: {OLD} verified, {NEW} verified, v3-cccc staged"
        in text
    )
    assert "app: maintenance mode, set by operator" in text
    assert "staged: v3-cccc" in text
    assert f"rollback: to {OLD}, not measured yet" in text
    assert "no run under way" in text
    assert f"run run1: deploy deployed, {OLD} -> {NEW}, ended 1970-01-01T00:17:40+00:00, by operator 1" in text
    assert "db serves" not in text


def test_nothing_is_live() -> None:
    empty = {"app": {"lock": {}, "releases": {"current": "", "releases": {}}, "maintenance": []}}
    text = words(hosts=empty, runs=[])
    assert "app serves no release; releases: none" in text
    assert "rollback: no release serves" in text
    assert seen(empty, runs=[])["signatures"] == {"run": None, "roles": {}, "unsigned": []}


def test_who_has_not_signed() -> None:
    given = {"qa_lead": Verdict("attested", "signed"), "security_officer": Verdict("failed", "no valid signature")}
    assert "not signed by security_officer: ansible-playbook playbooks/signoff.yml -e signoff_run=run1" in words(signatures=given)
    assert seen(signatures=given)["signatures"]["roles"]["qa_lead"] == {"status": "attested", "summary": "signed"}
    assert "not signed" not in words(signatures={"qa_lead": given["qa_lead"]})
    assert "is not on this controller" in words(signatures=None)


@pytest.mark.parametrize(
    ("expires", "told"),
    [
        (date(2026, 7, 15), ""),
        (date(2026, 7, 14), "waiver of a.b (Carla) ends in 14 days, 2026-07-14"),
        (date(2026, 6, 30), "waiver of a.b (Carla) ends today, 2026-06-30"),
        (date(2026, 6, 29), "waiver of a.b (Carla) has expired, 2026-06-29"),
    ],
)
def test_waivers_that_end_soon(expires: date, told: str) -> None:
    text = words(waivers={"a.b": Waiver("a.b", "why", "Carla", expires)})
    assert told in text
    assert ("waiver" in text) is bool(told)


def test_an_open_incident() -> None:
    incident = {
        "run": "run7",
        "opened": "2026-06-01T00:00:00+00:00",
        "severity": {"level": "major"},
        "cause": {"text": "x"},
        "fix": None,
    }
    text = words(incidents=[incident])
    assert "open incident of 2026-06-01T00:00:00+00:00, major: no fix yet: ansible-playbook playbooks/incident.yml" in text
    assert "playbooks/incident.yml -e incident_run=run7" in text


def test_the_lock_names_the_run_that_is_alive() -> None:
    holder = {"id": "run9", "kind": "deploy", "who": "ops", "started": 60.0, "age": 2.6}
    hosts = {"app": host(lock={"holder": {**holder, "age": 99.0}}), "db": {"lock": {"holder": holder}, "maintenance": []}}
    lock = seen(hosts)["lock"]
    assert (lock["run"], lock["dead"], lock["last_sign_seconds"], lock["hosts"]) == ("run9", False, 3, ["app", "db"])
    assert seen()["lock"] is None


def documented() -> set[str]:
    """The keys that docs/status.md describes."""
    lines = (Path(__file__).parents[2] / "docs" / "status.md").read_text().splitlines()
    return {line.split("`")[1] for line in lines if line.startswith("| `")}


def test_each_key_is_documented(run_module: Any, tmp_path: Path) -> None:
    given = {"application": "shop", "environment": "test", "allowed_signers": "", "signatories": {}, "repository": "none"}
    status = run_module("run_status", hosts={"app": host()}, reports=str(tmp_path), **given)["status"]
    assert set(status) == documented()
    json.dumps(status)
