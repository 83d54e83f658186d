"""What people do becomes one event each, and nothing more of them."""

from typing import Any

import pytest
from ansible.module_utils.tickbox.activity import Action, Layout, judge_activity
from hypothesis import given, settings
from hypothesis import strategies as st

LAYOUT = Layout("request_id", "kind", ["id", "kind", "user_id", "request_id", "created_at"])
ACTIONS = [Action("run", "aaaa", "run"), Action("log in", "bbbb", "login")]
PERSONAL = {"the browser": "Browser-17", "the program": "print-17"}


def row(number: int, kind: str, request_id: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "kind": kind,
        "user_id": None,
        "request_id": request_id,
        "created_at": "2026-01-02T03:04:05+00:00",
        **more,
    }


RUN, LOGIN = row(1, "run", "aaaa"), row(2, "login", "bbbb")


def judge(
    run: list[Any] | None = None, login: list[Any] | None = None, strays: Any = (), actions: Any = ACTIONS
) -> tuple[str, str]:
    events = {"aaaa": [RUN] if run is None else run, "bbbb": [LOGIN] if login is None else login}
    seen = judge_activity(actions, events, strays, LAYOUT, PERSONAL)
    assert "Browser-17" not in str(seen.evidence)
    return seen.status, seen.summary


def test_one_event_for_each_action_passes() -> None:
    assert judge() == ("passed", "2 actions made one event each, with 5 declared columns and nothing else of the person")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"run": []}, "run made no events instead of one"),
        ({"run": [RUN, row(3, "run", "aaaa")]}, "run made 2 events instead of one"),
        ({"run": [row(1, "view", "aaaa")]}, "run is an event of kind 'view', not 'run'"),
        ({"run": [{**RUN, "agent": "x"}]}, "events hold agent, which is not declared"),
        ({"run": [row(1, "run", "aaaa", user_id="browser-17")]}, "events hold the browser of the person"),
        ({"login": [row(2, "login", "bbbb", user_id={"deep": ["see print-17 here"]})]}, "events hold the program of the person"),
        ({"login": [row(2, "login", "bbbb", user_id="192.0.2.7")]}, "an address on the network"),
        ({"login": [row(2, "login", "bbbb", user_id="2001:db8::7")]}, "an address on the network"),
        ({"login": [row(2, "login", "bbbb", user_id="ada@example.com")]}, "an address by mail"),
        ({"strays": [row(9, "seen", "cccc", user_id="aaaa")]}, "1 more events tell of what was done"),
        ({"strays": [row(9, "seen", "cccc", user_id="print-17")]}, "events hold the program"),
        ({"actions": [Action("run", "aaaa", "run", ("status 500, not 200",))]}, "run did not work: status 500"),
        ({"actions": []}, "nothing was done"),
    ],
)
def test_other_events_are_refused(given: dict[str, Any], says: str) -> None:
    status, summary = judge(**given)
    assert status == "failed"
    assert says in summary


def test_a_column_that_is_empty_holds_nothing() -> None:
    assert judge(run=[{**RUN, "agent": None}])[0] == "passed"


@given(st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=20), max_size=4))
@settings(max_examples=60)
def test_no_row_stops_the_look(given: dict[str, Any]) -> None:
    assert judge(run=[given])[0] in {"passed", "failed"}
