"""The first hosts of a release are compared with the others, by what Prometheus counted."""

import math
import random
import time
from collections.abc import Callable
from typing import Any

import compare_hosts
import pytest
from ansible.module_utils.tickbox.canary import CHANCE, LEAST, Answers, answers_of, is_more, worse
from ansible.module_utils.tickbox.series import Series

PAGE, RUN = (("route", "/"),), (("route", "/run"),)
BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, math.inf)


def buckets(*seconds: float) -> dict[float, float]:
    return {bound: float(sum(one <= bound for one in seconds)) for bound in BOUNDS}


def answers(requests: int = 200, errors: int = 0, **late: float) -> Answers:
    """Of a page that takes 40 ms, and some answers ``late``, by how long they took: s1=7 for seven of a second."""
    times = [0.04] * 90 + [{"s1": 1.0, "s05": 0.4}[name] for name, count in late.items() for _ in range(int(count))]
    return Answers(requests, errors, {PAGE: buckets(*times)})


WELL = answers()


@pytest.mark.parametrize(
    ("canary", "others", "says"),
    [
        (WELL, WELL, []),
        (answers(errors=1), WELL, []),
        (answers(errors=6), WELL, []),
        (answers(errors=9), WELL, ["9 of 200 answers are errors, of the others 0 errors among 200 requests"]),
        (answers(errors=9), answers(errors=9), []),
        (answers(s1=10), WELL, []),
        (answers(s1=20), WELL, ["/: 20 of 110 answers took longer than 0.25 s, while the others' p95 is 48 ms"]),
        (answers(s1=20), answers(s1=20), []),
        (
            answers(requests=LEAST - 1),
            WELL,
            [f"the canary answered {LEAST - 1} requests, {LEAST} at least are needed to compare them"],
        ),
        (WELL, answers(requests=0), [f"the others answered 0 requests, {LEAST} at least are needed to compare them"]),
        (Answers(200, 0, {}), WELL, ["of no route 10 answers were timed on both sides"]),
        (Answers(200, 0, {PAGE: buckets(*[0.04] * 9)}), WELL, ["of no route 10 answers were timed on both sides"]),
        (Answers(200, 0, {RUN: buckets(*[0.04] * 90)}), WELL, ["of no route 10 answers were timed on both sides"]),
    ],
)
def test_what_keeps_the_others_from_following(canary: Answers, others: Answers, says: list[str]) -> None:
    assert worse(canary, others, 0.01, 2.0, 0.1) == says


def test_a_route_that_is_slow_on_both_sides_is_not_slower_where_one_side_was_asked_for_it_more_often() -> None:
    slow = buckets(*[0.4] * 30)
    canary = Answers(200, 0, {PAGE: buckets(*[0.04] * 20), RUN: slow})
    others = Answers(200, 0, {PAGE: buckets(*[0.04] * 90), RUN: buckets(*[0.4] * 10)})
    assert worse(canary, others, 0.01, 2.0, 0.1) == []


def test_the_same_release_is_hardly_ever_found_worse() -> None:
    chance = random.Random(1)  # noqa: S311 - no secret

    def some() -> Answers:
        times = [chance.expovariate(1 / 0.03) for _ in range(40)]
        return Answers(40, sum(chance.random() < 0.005 for _ in range(40)), {PAGE: buckets(*times)})

    assert sum(bool(worse(some(), some(), 0.01, 2.0, 0.1)) for _ in range(500)) == 0


@pytest.mark.parametrize(
    ("count", "total", "part", "more"),
    [
        (0, 100, 0.01, False),
        (5, 100, 0.01, False),
        (6, 100, 0.01, True),
        (2, 3, 0.1, False),
        (4, 4, 0.1, True),
        (9, 9, 1.0, False),
        (0, 9, 0.0, False),
        (1, 9, 0.0, True),
        (100_000, 200_000, 0.5, False),
        (101_000, 200_000, 0.5, True),
    ],
)
def test_more_than_chance_brings_about(count: int, total: int, part: float, more: bool) -> None:
    assert is_more(count, total, part) is more
    assert CHANCE == 0.001


def series(instance: str, first: float, last: float, **labels: str) -> Series:
    return Series({"instance": instance, **labels}, [(100.0, first), (110.0, last)])


def test_each_side_is_counted_by_its_hosts() -> None:
    counted = [series("a", 5, 45, status="200"), series("a", 0, 2, status="500"), series("b", 0, 60, status="200")]
    times = [
        series("a", 0, 40, route="/", le="0.1"),
        series("a", 0, 42, route="/", le="+Inf"),
        series("a", 0, 7, route="/run", le="+Inf"),
        series("b", 0, 60, route="/", le="+Inf"),
    ]
    seen = answers_of(["a"], counted, times)
    assert (seen.requests, seen.errors) == (42, 2)
    assert seen.times == {PAGE: {0.1: 40, math.inf: 42}, RUN: {math.inf: 7}}
    assert answers_of(["b", "c"], counted, times).requests == 60
    assert seen.text == "2 errors among 42 requests"


@pytest.fixture
def asked(run_module: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """What the module says where the hosts counted so much in the last ten seconds."""

    def ask(*, last: float = 0.0, **errors: float) -> dict[str, Any]:
        now = time.time()

        class Server:
            def __init__(self, *_: object) -> None:
                pass

            def samples(self, selector: str, _seconds: float, _now: float) -> list[Series]:
                def counted(host: str, value: float, **labels: str) -> Series:
                    return Series({"instance": host, **labels}, [(now - 10, 0.0), (now - last, value)])

                if "_bucket" in selector:
                    return [counted(host, 100, le=bound) for host in ("app1", "app2") for bound in ("0.1", "+Inf")]
                return [counted(host, 100, status="200") for host in ("app1", "app2")] + [
                    counted(host, count, status="500") for host, count in errors.items()
                ]

        monkeypatch.setattr(compare_hosts, "Prometheus", Server)
        given = {"canary": ["app1"], "others": ["app2"], "began": now - 10, "ended": now - 1, "timeout": 0.2}
        return run_module("compare_hosts", **given)

    return ask


def test_the_module_compares(asked: Callable[..., dict[str, Any]]) -> None:
    assert asked()["canary"] == "0 errors among 100 requests"
    refused = asked(app1=20)
    assert refused["failed"]
    assert refused["msg"] == "app1: 20 of 120 answers are errors, of the others 0 errors among 100 requests"


def test_what_nobody_has_read_is_not_compared(asked: Callable[..., dict[str, Any]]) -> None:
    assert "Prometheus has not read app1, app2 since" in asked(last=5)["msg"]
