"""A load, what it came to, and what the monitoring saw of it."""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.load import Sample, schedule, summarise
from ansible.module_utils.tickbox.performance import Budget, Seen, judge_performance, judge_response, judge_watch
from ansible.module_utils.tickbox.series import Series, histogram, increase, increases, quantile, read_matrix
from hypothesis import given, settings
from hypothesis import strategies as st
from web import Reply, serving

Run = Callable[..., dict[str, Any]]
BUDGET = Budget(p95=0.5, p99=1.0, error_ratio=0.01, min_requests=100)
SINCE = datetime(2026, 1, 2, tzinfo=UTC)


def load(
    slow: str = "", seconds: float = 0.05, count: int = 60, failing: str = "", failures: int = 0, late: float = 0.0
) -> dict[str, Any]:
    samples = [
        Sample(
            name,
            number / 10,
            seconds if name == slow else 0.05,
            "status 500" if name == failing and number < failures else None,
            late,
        )
        for name in ("page", "list")
        for number in range(count)
    ]
    return {"began": 100.0, "ended": 112.0, "rate": 10, **summarise(samples)}


def figures(**change: Any) -> dict[str, Any]:
    """A route of a comparison, as fast as before."""
    good: dict[str, Any] = {"asked": 20, "pairs": 20, "over": 2, "before": 0.01, "now": 0.011, "wrong_before": {}, "wrong_now": {}}
    return {**good, **change}


def compared(**change: Any) -> dict[str, Any]:
    return {"routes": {"page": figures(), "list": figures(**change)}, "unable": ""}


def seen(**change: Any) -> Seen:
    good: dict[str, Any] = {
        "requests": 110.0,
        "errors": 0.0,
        "p95": 0.04,
        "restarts": {"web on one": 0.0},
        "alerts": (),
        "rules": 9,
        "scrapes": {"one": 3},
    }
    return Seen(**{**good, **change})


def test_the_load_is_even_and_by_share() -> None:
    plan = schedule([{"share": 3}, {}], rate=8, seconds=10)
    assert [sum(place == number for _, place in plan) for number in (0, 1)] == [60, 20]
    assert plan == sorted(plan)
    assert max(due for due, _ in plan) <= 10


def test_a_release_within_its_budget_passes() -> None:
    for verdict in (
        judge_response(load(), BUDGET),
        judge_performance(load(), compared(), seen(), BUDGET),
        judge_performance(load(), {}, seen(), BUDGET),
        judge_watch(load(), seen(), BUDGET, SINCE),
    ):
        assert verdict.status == "passed", verdict.summary


@pytest.mark.parametrize(
    ("measured", "status", "says"),
    [
        (load("list", 0.7), "failed", "list: p95 700 ms (budget 500 ms)"),
        (load("list", 11), "failed", "p99 11 s (budget 1000 ms)"),
        (load(failing="page", failures=2), "failed", "page: 2 of 60 requests failed (status 500: 2; budget 1.0%)"),
        (load(failing="page", failures=60), "failed", "60 of 60"),
        (load(count=40), "unverifiable", "80 requests are too few to judge (at least 100)"),
        (load(late=0.5), "unverifiable", "measures its sender"),
        (
            {**load(), "routes": {"page": {**load()["routes"]["page"], "requests": 3}}},
            "unverifiable",
            "too few requests of page (3)",
        ),
        ({}, "unverifiable", "0 requests"),
    ],
)
def test_a_slow_or_failing_or_unmeasured_release_is_refused(measured: dict[str, Any], status: str, says: str) -> None:
    for verdict in (
        judge_response(measured, BUDGET),
        judge_performance(measured, {}, seen(), BUDGET),
        judge_watch(measured, seen(), BUDGET, SINCE),
    ):
        if "p99" in says and verdict.expected.get("p99") is None:
            assert verdict.status == "failed"
            continue
        assert verdict.status == status
        assert says in verdict.summary


@pytest.mark.parametrize(
    ("comparison", "schema_changed", "status", "says"),
    [
        ({}, False, "passed", "no release before to compare with"),
        (compared(), False, "passed", "2 routes at most 1.10 times as slow as before"),
        (compared(over=20, now=0.024), False, "failed", "list: 2.4 times as slow as the release before (24 ms, before 10 ms; over"),
        (compared(over=11, now=0.015), False, "failed", "over 1.4 times in 11 of 20 pairs"),
        (compared(over=10, now=0.015), False, "passed", ""),
        (compared(over=20, now=0.024), True, "failed", "list: 2.4 times as slow"),
        (
            compared(pairs=18, wrong_now={"status 500": 2}),
            False,
            "failed",
            "2 of 20 wrong (status 500: 2), of the release before 0",
        ),
        (compared(pairs=18, wrong_now={"status 500": 2}, wrong_before={"status 500": 1}), False, "passed", ""),
        (compared(pairs=19, wrong_now={"no answer": 1}), False, "passed", ""),
        (compared(pairs=0, wrong_before={"status 404": 20}), False, "passed", "list not, as the release before does not answer so"),
        (compared(pairs=0, wrong_now={"no answer": 20}), True, "failed", "list: 20 of 20 wrong"),
        ({"routes": {}, "unable": "it is not well"}, False, "unverifiable", "could not be asked: it is not well"),
        ({"routes": {}, "unable": "it is not well"}, True, "passed", "which had another schema: it is not well"),
        ({"routes": {"list": figures(pairs=0, wrong_before={"x": 20})}}, False, "unverifiable", "it answered nothing of the load"),
        ({"routes": {"list": figures(pairs=0, wrong_before={"x": 20})}}, True, "passed", "it answers none of the routes"),
        ({"routes": {"list": figures(pairs=0, wrong_now={"x": 20})}}, False, "failed", "list: 20 of 20 wrong"),
    ],
)
def test_a_release_slower_than_the_one_before_is_refused(
    comparison: dict[str, Any], schema_changed: bool, status: str, says: str
) -> None:
    verdict = judge_performance(load(), comparison, seen(), BUDGET, schema_changed)
    assert verdict.status == status, verdict.summary
    assert says in verdict.summary


def test_what_is_slower_is_said_of_a_load_that_says_nothing() -> None:
    verdict = judge_performance({}, compared(over=20, now=0.024), seen(), BUDGET)
    assert (verdict.status, "2.4 times" in verdict.summary, "0 requests" in verdict.summary) == ("failed", True, True)


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"errors": 5.0}, "failed", "the application counted 5 errors"),
        ({"p95": 0.9}, "failed", "the application's own p95 is 900 ms"),
        ({"p95": math.inf}, "failed", "beyond the last bucket"),
        ({"p95": None}, "unverifiable", "no response times"),
        ({"requests": 20.0}, "unverifiable", "saw 20 of 120 requests"),
        ({"scrapes": {}}, "unverifiable", "no figures"),
        ({"scrapes": {"one": 3, "two": 0}}, "unverifiable", "has read two less than twice"),
    ],
)
def test_what_the_monitoring_saw_counts(change: dict[str, Any], status: str, says: str) -> None:
    for verdict in (judge_performance(load(), {}, seen(**change), BUDGET), judge_watch(load(), seen(**change), BUDGET, SINCE)):
        assert verdict.status == status
        assert says in verdict.summary


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"restarts": {"web on one": 2.0}}, "failed", "web on one was restarted 2 times"),
        ({"restarts": {"web on one": None}}, "unverifiable", "knows no restarts of web on one"),
        ({"restarts": {}}, "unverifiable", "knows no restarts"),
        ({"rules": 0}, "unverifiable", "no alert rule is loaded"),
        ({"alerts": [("TargetDown", SINCE + timedelta(seconds=5), "pending")]}, "failed", "TargetDown (pending)"),
        ({"alerts": [("DiskFilling", SINCE - timedelta(hours=5), "firing")]}, "passed", "DiskFilling was on before"),
        ({"rules": 0, "restarts": {"web on one": 1.0}}, "failed", "restarted 1 times"),
    ],
)
def test_restarts_and_alerts_of_the_watch_count(change: dict[str, Any], status: str, says: str) -> None:
    verdict = judge_watch(load(), seen(**change), BUDGET, SINCE)
    assert verdict.status == status
    assert says in verdict.summary


@pytest.mark.parametrize(
    ("samples", "counted"),
    [
        ([(10, 5), (15, 9)], 4),
        ([(10, 5)], 0),
        ([(15, 3)], 3),  # not there at the first scrape: it counted from zero
        ([(10, 5), (15, 2), (20, 4)], 4),  # begun anew
        ([], 0),
    ],
)
def test_a_counter_counts_from_the_first_scrape(samples: list[tuple[float, float]], counted: float) -> None:
    assert increase(Series({}, samples), first_scrape=10) == counted


def test_a_series_that_appears_with_its_first_error_is_counted() -> None:
    found = [Series({"instance": "a", "status": "200"}, [(10, 5), (15, 50)]), Series({"instance": "a", "status": "500"}, [(15, 7)])]
    assert [count for _, count in increases(found)] == [45, 7]


def test_a_quantile_of_buckets() -> None:
    found = [Series({"le": bound}, [(1, 0), (2, count)]) for bound, count in (("0.1", 50), ("0.5", 90), ("+Inf", 100), ("x", 1))]
    assert quantile(histogram(found), 0.7) == pytest.approx(0.3)
    assert quantile(histogram(found), 0.95) == math.inf
    assert quantile({}, 0.95) is None


KEYS = st.sampled_from(["resultType", "result", "metric", "values"])
ANYTHING = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(ANYTHING)
@settings(max_examples=80)
def test_no_answer_of_prometheus_stops_the_look(data: Any) -> None:
    try:
        assert isinstance(read_matrix(data), list)
    except CouldNotLook as reason:
        assert "Prometheus" in str(reason)


def prometheus(now: float, **change: Any) -> Callable[[str, str, Mapping[str, str]], Reply]:
    """A server with 120 requests since ``now`` - 12, one of its hosts, and whatever is changed."""

    def matrix(*series: tuple[dict[str, str], float]) -> dict[str, Any]:
        return {
            "resultType": "matrix",
            "result": [
                {
                    "metric": {"instance": "one", **labels},
                    "values": [[now - 11, "0"], [now - 5, str(value / 2)], [now + change.get("last", 1), str(value)]],
                }
                for labels, value in series
            ],
        }

    def respond(_method: str, path: str, headers: Mapping[str, str]) -> Reply:
        if headers.get("Authorization") != "Basic b3BlcmF0b3I6c2VjcmV0":
            return 401, {}, "Unauthorized"
        data: Any = matrix(({"status": "200"}, 120.0), ({"status": "500"}, change.get("errors", 0.0)))
        if "_bucket" in path:
            data = matrix(({"le": "0.1"}, 120.0), ({"le": "+Inf"}, 120.0))
        elif "restart" in path:
            data = matrix(({"name": "web.service"}, change.get("restarts", 0.0)))
        elif path.startswith("/api/v1/alerts"):
            data = {"alerts": change.get("alerts", [])}
        elif path.startswith("/api/v1/rules"):
            data = {"groups": [{"rules": [{}]}]}
        return 200, {}, json.dumps({"status": "success", "data": data}) if change.get("json", True) else "<html>"

    return respond


ALERT = {"labels": {"alertname": "TargetDown"}, "state": "firing", "activeAt": "2100-01-01T00:00:00.123456789Z"}


@pytest.mark.parametrize(
    ("change", "given", "statuses", "says"),
    [
        ({}, {}, ["passed", "passed"], ""),
        ({"errors": 9.0}, {}, ["failed", "failed"], "the application counted 9 errors"),
        ({"restarts": 1.0}, {}, ["passed", "failed"], "restarted 1 times"),
        ({"alerts": [ALERT]}, {}, ["passed", "failed"], "TargetDown (firing)"),
        ({"alerts": [ALERT]}, {"tolerated": ["TargetDown"]}, ["passed", "passed"], ""),
        ({"alerts": [{}]}, {}, ["unverifiable", "unverifiable"], "alerts cannot be read"),
        ({"json": False}, {}, ["unverifiable", "unverifiable"], "status 200"),
        ({}, {"prometheus_password": "wrong"}, ["unverifiable", "unverifiable"], "status 401"),
        ({}, {"instances": ["one", "two"]}, ["unverifiable", "unverifiable"], "has read two less than twice"),
        ({}, {"prometheus_url": "http://127.0.0.1:1"}, ["unverifiable", "unverifiable"], "does not answer"),
        ({}, {"prometheus_url": "nowhere"}, ["unverifiable", "unverifiable"], "no address"),
        ({}, {"budget": {"p95": 1}}, ["unverifiable", "unverifiable"], "budget"),
        ({}, {"load": {"requests": 200}}, ["unverifiable", "unverifiable"], "when it began"),
        ({}, {"comparison": {"routes": {"list": {}}}}, ["unverifiable", "passed"], ""),
    ],
)
def test_the_module_asks_prometheus(
    run_module: Run, change: dict[str, Any], given: dict[str, Any], statuses: list[str], says: str
) -> None:
    now = time.time()
    with serving(prometheus(now, **change)) as port:
        arguments: dict[str, Any] = {
            "items": ["deploy.verification.performance", "deploy.go_live.monitor"],
            "load": {**load(), "began": now - 12, "ended": now},
            "budget": {"p95": 0.5, "p99": 1, "error_ratio": 0.01, "min_requests": 100},
            "since": str(int(now - 60)),
            "prometheus_url": f"http://127.0.0.1:{port}",
            "prometheus_user": "operator",
            "prometheus_password": "secret",
            "units": ["web.service"],
            "instances": ["one"],
            "timeout": 0.5,
            "report_only": True,
        }
        result = run_module("check_performance", **{**arguments, **given})["assertions"]
    assert [assertion["status"] for assertion in result] == statuses, result
    assert says in result[1]["summary"]


def test_the_load_is_sent_when_it_is_due(run_module: Run) -> None:
    slow = {"/slow": 0.3}

    def respond(_method: str, path: str, _headers: Mapping[str, str]) -> Reply:
        time.sleep(slow.get(path, 0))
        return (500 if path == "/bad" else 200), {}, "content"

    requests = [{"path": "/slow", "share": 2}, {"path": "/bad"}, {"name": "other", "path": "/x", "contains": "something else"}]
    with serving(respond) as port:
        result = run_module(
            "send_load", url=f"http://shop.example.com:{port}", addresses=["127.0.0.1"], requests=requests, rate=20, seconds=1
        )["load"]
    assert result["requests"] == 20
    assert result["routes"]["GET /slow"]["p50"] >= 0.3
    assert result["routes"]["GET /bad"]["reasons"] == {"status 500": 5}
    assert result["routes"]["other"]["reasons"] == {"another body": 5}
    assert result["ended"] - result["began"] < 2.5


def test_a_route_that_the_load_left_out_is_missed(run_module: Run) -> None:
    requests = [{"path": "/", "share": 99}, {"name": "rare", "path": "/rare", "share": 1}]
    with serving(lambda *_: (200, {}, "content")) as port:
        result = run_module(
            "send_load", url=f"http://shop.example.com:{port}", addresses=["127.0.0.1"], requests=requests, rate=40, seconds=1
        )["load"]
    assert result["routes"]["rare"]["requests"] == 0
    seen = judge_response(result, Budget(p95=1, p99=1, error_ratio=0, min_requests=10))
    assert (seen.status, seen.summary) == ("unverifiable", "too few requests of rare (0) (at least 5)")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"rate": 0}, "more than 0"),
        ({"requests": [{"path": "x"}]}, "each needs a path"),
        ({"requests": []}, "there must be one"),
    ],
)
def test_a_load_of_nothing_is_refused(run_module: Run, given: dict[str, Any], says: str) -> None:
    arguments = {"url": "http://shop.example.com", "addresses": ["127.0.0.1"], "requests": [{"path": "/"}]}
    assert says in run_module("send_load", **{**arguments, **given})["msg"]


def test_a_route_may_have_a_budget_of_its_own() -> None:
    taken = [Sample("page", number / 10, 0.05, None, 0.0) for number in range(200)]
    taken += [Sample("run", number, 0.8, None, 0.0) for number in range(8)]
    measured = {"began": 100.0, "ended": 120.0, "rate": 10, **summarise(taken)}
    assert judge_response(measured, BUDGET).summary == "run: p95 800 ms (budget 500 ms)"
    roomy = replace(BUDGET, routes={"run": {"p95": 1.0}})
    assert judge_response(measured, roomy).status == "passed"
    assert judge_response(measured, replace(roomy, routes={"run": {"p95": 0.7}})).status == "failed"
