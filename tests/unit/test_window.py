"""The maintenance window: when it is open, how long it must be, and which alerts are held back."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox import window
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict
from hypothesis import given, settings
from hypothesis import strategies as st
from web import serving

NOW = datetime(2026, 1, 7, 2, 30, tzinfo=UTC)  # a Wednesday
NIGHT = {"days": ["tue", "wed"], "start": "02:00", "end": "05:00"}
ITEM = "deploy.maintenance.window"
RUN = "20260107t022900z_9f1c"
Run = Callable[..., dict[str, Any]]


def judge(*windows: dict[str, Any], measured: tuple[float, ...] = (20.0, 9.0), now: datetime = NOW, **given: Any) -> Verdict:
    freezes = given.pop("freezes", [])
    return window.judge_window(
        list(windows), freezes, window.Measured(measured), given.get("least", 60), given.get("factor", 2), now
    )


@pytest.mark.parametrize(
    ("windows", "says"),
    [
        ([NIGHT], "open until Wed 05:00 UTC; 60 s are needed (at least 60 s"),
        ([{"start": "00:00", "end": "24:00"}], "always open"),
        ([{"days": ["tue"], "start": "22:00", "end": "03:00"}], "open until Wed 03:00"),
        ([{"start": "01:00", "end": "02:31"}, {"start": "02:31", "end": "04:00"}], "open until Wed 04:00"),
        ([{"days": ["mon"], "start": "01:00", "end": "02:00"}, NIGHT], "open until Wed 05:00"),
    ],
)
def test_a_window_that_is_open(windows: list[dict[str, Any]], says: str) -> None:
    seen = judge(*windows)
    assert (seen.status, says in seen.summary) == ("passed", True), seen.summary


@pytest.mark.parametrize(
    ("windows", "given", "says"),
    [
        (
            [{"days": ["mon"], "start": "02:00", "end": "05:00"}],
            {},
            "is in no maintenance window; the next opens on Mon 2026-01-12 at 02:00 UTC",
        ),
        ([{"start": "02:31", "end": "05:00"}], {}, "Wed 2026-01-07 02:30 UTC is in no maintenance window"),
        ([{"start": "01:00", "end": "02:30"}], {}, "is in no maintenance window"),
        ([{"days": ["wed"], "start": "22:00", "end": "03:00"}], {}, "is in no maintenance window"),
        ([{"start": "01:00", "end": "02:31"}], {"least": 61}, "the window closes in 60 s, at 02:31 UTC, and 61 s are needed"),
        ([{"start": "01:00", "end": "02:35"}], {"measured": (9.0, 151.0)}, "and 302 s are needed"),
        ([NIGHT], {"freezes": [{"from": "2026-01-07", "reason": "inventory"}]}, "frozen until 2026-01-08 UTC: inventory"),
        ([NIGHT], {"freezes": [{"from": "2026-01-01", "to": "2026-01-07"}]}, "frozen until 2026-01-08 UTC"),
        (
            [{"start": "00:00", "end": "24:00"}],
            {"now": NOW.replace(hour=23, minute=59, second=30), "freezes": [{"from": "2026-01-08"}]},
            "frozen until 2026-01-09",
        ),
    ],
)
def test_a_window_that_is_not_is_refused(windows: list[dict[str, Any]], given: dict[str, Any], says: str) -> None:
    seen = judge(*windows, **given)
    assert seen.status == "failed"
    assert says in seen.summary


def test_a_freeze_that_is_over_or_far() -> None:
    assert judge(NIGHT, freezes=[{"from": "2026-01-05", "to": "2026-01-06"}, {"from": "2026-01-08"}]).status == "passed"


@pytest.mark.parametrize(
    ("windows", "freezes"),
    [
        ([], []),
        ([{"start": "2:00 pm", "end": "05:00"}], []),
        ([{"start": "25:00", "end": "05:00"}], []),
        ([{"start": "24:01", "end": "05:00"}], []),
        ([{"start": "02:60", "end": "05:00"}], []),
        ([{"end": "05:00"}], []),
        ([{**NIGHT, "days": ["wednesday"]}], []),
        ([{**NIGHT, "days": "wed"}], []),
        ([{**NIGHT, "zone": "Europe/Berlin"}], []),
        ([NIGHT], [{"from": "7 January"}]),
        ([NIGHT], [{}]),
        ([NIGHT], [{"from": "2026-01-07", "to": "2026-01-06"}]),
        ([NIGHT], [{"from": "2026-01-05", "until": "2026-01-07"}]),
    ],
)
def test_a_calendar_that_cannot_be_read(windows: list[dict[str, Any]], freezes: list[dict[str, Any]]) -> None:
    with pytest.raises(CouldNotLook):
        judge(*windows, freezes=freezes)


@settings(max_examples=100)
@given(start=st.text(max_size=6), end=st.text("0123456789:", max_size=6), day=st.text(max_size=10))
def test_any_calendar_is_judged_or_refused(start: str, end: str, day: str) -> None:
    with suppress(CouldNotLook):
        assert judge({"start": start, "end": end}, freezes=[{"from": day}]).status in {"passed", "failed"}


def record(reports: Path, name: str, **facts: Any) -> None:
    (reports / name).mkdir()
    summary = {"app": "shop", "environment": "production", "started": 1.0, "window_seconds": 10.0, **facts}
    (reports / name / "summary.json").write_text(json.dumps(summary))


def test_what_was_measured(run_module: Run, tmp_path: Path) -> None:
    assert window.read_measured(tmp_path, "shop", "production").longest == 0
    record(tmp_path, "a", window_seconds=70.0, started=3.0)
    record(tmp_path, "b", window_seconds=12.0, started=5.0)
    record(tmp_path, "other", window_seconds=900.0, app="blog")
    record(tmp_path, "elsewhere", window_seconds=900.0, environment="test")
    record(tmp_path, "none", window_seconds=0)
    (tmp_path / "killed").mkdir()
    (tmp_path / "latest").symlink_to("b")
    assert list(window.read_measured(tmp_path, "shop", "production").seconds) == [12.0, 70.0]
    arguments = {"reports": str(tmp_path), "app": "shop", "environment": "production", "report_only": True}
    always = [{"start": "00:00", "end": "24:00"}]
    result = run_module("check_window", windows=always, **arguments)
    assert (result["assertions"][0]["item"], result["assertions"][0]["status"], result["seconds"]) == (ITEM, "passed", 140)
    assert run_module("check_window", **arguments)["assertions"][0]["status"] == "unverifiable"
    for broken in ("{", "[]", '{"app": "shop"}', '{"app": "shop", "environment": "production", "window_seconds": "long"}'):
        (tmp_path / "b" / "summary.json").write_text(broken)
        result = run_module("check_window", windows=always, **arguments)
        assert (result["assertions"][0]["status"], "is no summary of a run" in result["assertions"][0]["summary"]) == (
            "unverifiable",
            True,
        )


def matcher(
    name: str = "alertname", value: str = "TargetDown|SlowResponses", regex: bool = True, equal: bool = True
) -> dict[str, Any]:
    return {"name": name, "value": value, "isRegex": regex, "isEqual": equal}


def silence(*matchers: dict[str, Any], run: str = RUN, state: str = "active", minutes: float = 10) -> dict[str, Any]:
    ends = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    comment = f"maintenance of shop, run {run}"
    return {"id": "1", "matchers": list(matchers) or [matcher()], "comment": comment, "status": {"state": state}, "endsAt": ends}


def silent(run_module: Run, answer: str, status: int = 200, **given: Any) -> dict[str, Any]:
    with serving(lambda *_: (status, {}, answer)) as port:
        arguments = {"run": RUN, "alerts": ["TargetDown", "SlowResponses"], "alertmanager_url": f"http://127.0.0.1:{port}"}
        result = run_module("check_window", **{**arguments, "report_only": True, **given})
    seen: dict[str, Any] = result["assertions"][0]
    return seen


def test_a_silence_for_this_run(run_module: Run) -> None:
    seen = silent(run_module, json.dumps([silence(run="earlier"), silence()]))
    assert (seen["status"], "held back until" in seen["summary"]) == ("passed", True)


@pytest.mark.parametrize(
    ("silences", "says"),
    [
        ([], "there is no active silence for run"),
        ([silence(run="another")], "there is no active silence for run"),
        ([silence(state="expired")], "there is no active silence for run"),
        ([silence(state="pending")], "there is no active silence for run"),
        ([silence(matcher(value="TargetDown"))], "does not hold back SlowResponses"),
        ([silence(matcher(equal=False))], "does not hold back"),
        ([silence(matcher(), matcher("instance", "db", False))], "does not hold back"),
        ([silence(matcher(value=".*"))], "holds back all alerts"),
        ([silence(matcher("severity", ".*"))], "holds back all alerts"),
        ([silence(minutes=1)], "and 120 s are needed"),
        ([{**silence(), "endsAt": "soon"}], "and 120 s are needed"),
    ],
)
def test_a_silence_that_is_none(run_module: Run, silences: list[dict[str, Any]], says: str) -> None:
    seen = silent(run_module, json.dumps(silences))
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("no JSON", 200),
        ("{}", 200),
        ("[]", 401),
        (json.dumps([{**silence(), "matchers": 7}]), 200),
        (json.dumps([silence(matcher(value="("))]), 200),
    ],
)
def test_an_alertmanager_that_cannot_be_asked(run_module: Run, answer: str, status: int) -> None:
    assert silent(run_module, answer, status)["status"] == "unverifiable"
    assert silent(run_module, "[]", run="")["status"] == "unverifiable"
