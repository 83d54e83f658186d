"""Reports of tests and benchmarks: what does not count as a suite that passed."""

import json
from typing import Any

import pytest
from ansible.module_utils.tickbox.test_reports import (
    BadReport,
    judge_benchmarks,
    judge_tests,
    percentile,
    read_benchmarks,
    read_junit,
)
from hypothesis import given, settings
from hypothesis import strategies as st

PASSED = '<testcase classname="tests.test_a" name="test_{}" time="0.1"/>'


def junit(*cases: str, head: dict[str, int] | None = None, properties: dict[str, Any] | None = None) -> bytes:
    text = "".join(cases)
    counts = {
        "tests": len(cases),
        "failures": text.count("<failure"),
        "errors": text.count("<error"),
        "skipped": text.count("<skipped"),
    }
    attributes = " ".join(f'{name}="{value}"' for name, value in {**counts, **(head or {})}.items())
    kept = "".join(f'<property name="{name}" value="{value}"/>' for name, value in (properties or {}).items())
    kept = f"<properties>{kept}</properties>" if kept else ""
    return f'<testsuites><testsuite name="pytest" {attributes}>{kept}{text}</testsuite></testsuites>'.encode()


def case(number: int, inner: str) -> str:
    return f'<testcase classname="tests.test_a" name="test_{number}">{inner}</testcase>'


GOOD = [PASSED.format(number) for number in range(10)]
SUITE = {"minimum": 10, "properties": {"postgresql_transactions": 20}}
WORKED = {"postgresql_transactions": 31}


def test_a_suite_that_passed() -> None:
    seen = judge_tests(junit(*GOOD, properties=WORKED), SUITE, [])
    assert (seen.status, seen.summary) == ("passed", "10 tests passed, 0 skipped, postgresql_transactions 31")
    skipped = junit(*GOOD, case(11, '<skipped message="on Windows"/>'), properties=WORKED)
    assert judge_tests(skipped, {**SUITE, "skipped": 1}, []).status == "passed"


def test_a_counter_that_may_be_nothing_shows_nothing() -> None:
    seen = judge_tests(junit(*GOOD, properties={"postgresql_transactions": 0}), {"properties": {"postgresql_transactions": 0}}, [])
    assert (seen.status, seen.summary.partition(" would")[0]) == ("failed", "postgresql_transactions is 0, at least 1")


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (junit(properties=WORKED), "no test was collected"),
        (b"<testsuites/>", "no test was collected"),
        (junit(*[case(n, "<skipped/>") for n in range(10)], properties=WORKED), "10 of 10 tests were skipped, 0 may be"),
        (junit(*GOOD, case(11, '<skipped type="pytest.xfail"/>'), properties=WORKED), "1 of 11 tests were skipped"),
        (junit(*GOOD, case(11, "<failure/>"), properties=WORKED), "1 of 11 tests failed: tests.test_a::test_11"),
        (junit(*GOOD, case(11, "<error/>"), properties=WORKED), "1 of 11 tests failed"),
        (junit(*GOOD, case(11, "<skipped/><error/>"), properties=WORKED), "1 of 11 tests failed"),
        (junit(*GOOD, case(11, "<flakyFailure/>"), properties=WORKED), "passed only when tried again: tests.test_a::test_11"),
        (junit(*GOOD[:9], properties=WORKED), "9 tests passed, at least 10 must"),
        (junit(*GOOD, head={"tests": 12}, properties=WORKED), "its head says 12 tests, 0 bad, 0 skipped, but it holds 10, 0 and 0"),
        (junit(*GOOD, head={"failures": 1}, properties=WORKED), "its head says 10 tests, 1 bad"),
        (junit(*GOOD), "no postgresql_transactions was recorded"),
        (junit(*GOOD, properties={"postgresql_transactions": 0}), "is 0, at least 20"),
        (junit(*GOOD, properties={"postgresql_transactions": "many"}), "is 'many', no number"),
        (junit(*GOOD, properties={"postgresql_transactions": "²"}), "no number"),
        (junit(*GOOD, properties=WORKED)[:-40], "cut short"),
        (b"", "cut short"),
        (b"<html><body>502</body></html>", "no JUnit XML"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa">]><testsuites/>', "defines entities"),
        (b"\xff\xfe\x00garbage", "no JUnit XML"),
    ],
)
def test_a_suite_is_refused(report: bytes, says: str) -> None:
    seen = judge_tests(report, SUITE, [])
    assert seen.status == "failed"
    assert says in seen.summary


def test_what_was_found_before_is_not_forgotten() -> None:
    seen = judge_tests(junit(*GOOD, properties=WORKED), SUITE, ["unit: the report is of another build"])
    assert (seen.status, seen.summary) == ("failed", "unit: the report is of another build")


def test_tests_in_nested_suites_are_counted() -> None:
    inner = junit(*GOOD).decode().removeprefix("<testsuites>").removesuffix("</testsuites>")
    outer = f'<testsuites><testsuite name="all" tests="10" failures="0" errors="0" skipped="0">{inner}</testsuite></testsuites>'
    assert read_junit(outer.encode()).total == 10
    assert read_junit(outer.encode()).problems == []


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_garbage_is_no_report(report: bytes) -> None:
    for read in (read_junit, read_benchmarks):
        try:
            read(report)
        except BadReport as reason:
            assert str(reason)


def benchmark(name: str = "test_list", times: list[Any] | None = None, **stats: Any) -> dict[str, Any]:
    data = [0.002 + 0.0001 * (number % 7) for number in range(50)] if times is None else times
    return {"name": name, "stats": {"data": data, "rounds": len(data), "max": max(data, default=0), **stats}}


def report(*benchmarks: dict[str, Any]) -> bytes:
    return json.dumps({"benchmarks": list(benchmarks), "version": "5.3.1"}).encode()


BUDGETS = {"budgets": {"test_list": {"p50_ms": 5, "p95_ms": 10}}, "samples": 50}


def test_benchmarks_within_budget() -> None:
    seen = judge_benchmarks(report(benchmark(), benchmark("test_more")), BUDGETS, [])
    assert seen.status == "passed"
    assert "test_list with p95 2.6 of 10 ms" in seen.summary
    assert "without a budget: test_more" in seen.summary


SLOW_TAIL = [0.002] * 46 + [0.02] * 4


@pytest.mark.parametrize(
    ("content", "suite", "says"),
    [
        (report(benchmark(times=[0.002])), BUDGETS, "has 1 samples, at least 50"),
        (report(benchmark(times=[0.002])), {**BUDGETS, "samples": 1}, "has 1 samples, at least 30"),
        (report(benchmark("test_other")), BUDGETS, "test_list was not measured"),
        (report(), BUDGETS, "test_list was not measured"),
        (report(benchmark(times=[0.006] * 50)), BUDGETS, "p50 6.0 ms, budget 5 ms"),
        (report(benchmark(times=SLOW_TAIL)), BUDGETS, "p95 20.0 ms, budget 10 ms"),
        (report(benchmark(times=[])), BUDGETS, "has no single times"),
        (report(benchmark(rounds=500)), BUDGETS, "do not follow from its 50 times"),
        (report(benchmark(max=0.5)), BUDGETS, "do not follow"),
        (report(benchmark(times=[0.0] * 50)), BUDGETS, "a time of 0 was not measured"),
        (report(benchmark(times=[-1.0] * 50)), BUDGETS, "is no figure"),
        (report(benchmark(times=[True] * 50)), BUDGETS, "is no figure"),
        (report(benchmark(), benchmark()), BUDGETS, "stands there twice"),
        (report(benchmark()).replace(b"0.002,", b"NaN,"), BUDGETS, "is no figure"),
        (report(benchmark())[:-5], BUDGETS, "cut short"),
        (b"[]", BUDGETS, "neither pytest-benchmark's nor k6's"),
        (b'{"benchmarks": [7]}', BUDGETS, "lacks what a benchmark has"),
        (report(benchmark()), {"samples": 50}, "no budget is set"),
        (report(benchmark()), {"budgets": {"test_list": {"p50_ms": 5}}}, "no budget for its p95"),
    ],
)
def test_benchmarks_are_refused(content: bytes, suite: dict[str, Any], says: str) -> None:
    seen = judge_benchmarks(content, suite, [])
    assert seen.status == "failed"
    assert says in seen.summary


K6 = {
    "metrics": {
        "http_req_duration": {"avg": 12.0, "med": 10.0, "p(90)": 20.0, "p(95)": 25.0},
        "http_req_duration{name:list}": {"med": 10.0, "p(95)": 25.0},
        "http_reqs": {"count": 400, "rate": 40.0},
        "http_req_failed": {"rate": 0, "passes": 0, "fails": 400},
    }
}


def test_figures_of_k6() -> None:
    suite = {"budgets": {"http_req_duration": {"p50_ms": 20, "p95_ms": 50}}, "samples": 300}
    assert judge_benchmarks(json.dumps(K6).encode(), suite, []).status == "passed"
    short = json.dumps({"metrics": {**K6["metrics"], "http_reqs": {"count": 3}}}).encode()
    assert "has 3 samples" in judge_benchmarks(short, suite, []).summary
    failing = json.dumps({"metrics": {**K6["metrics"], "http_req_failed": {"rate": 0.1}}}).encode()
    assert "counted failed requests: a share of 0.1" in judge_benchmarks(failing, suite, []).summary
    uncounted = {"budgets": {"http_req_duration{name:list}": {"p50_ms": 20, "p95_ms": 50}}}
    assert "was not measured" in judge_benchmarks(json.dumps(K6).encode(), uncounted, []).summary
    values = {"metrics": {name: {"type": "trend", "values": figures} for name, figures in K6["metrics"].items()}}
    assert judge_benchmarks(json.dumps(values).encode(), suite, []).status == "passed"


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile(list(map(float, range(1, 101))), 0.95) == 95.0
    assert percentile([7.0], 0.95) == 7.0
