"""Two releases asked in turns: how often a route is called slower that is not, and how often one that is."""

import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import compare_releases
import pytest
from ansible.module_utils.tickbox import spare_start
from ansible.module_utils.tickbox.answers import Answer
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.side_by_side import LEAD, LEAST, MOST, Route, Threshold, compare, is_slower
from test_try_release import process

Run = Callable[..., dict[str, Any]]
THRESHOLD = Threshold(1.4, 0.0005)


def simulated(times: float, spread: float, chance: random.Random) -> Route:
    """A route of which the new release takes so many ``times`` as long.

    6 ms in the middle, log-normal with ``spread``; 2 % of the requests have to wait, 50 ms on average; and the machine is up to
    four times as slow and up to twice as fast, drifting from request to request.
    """
    load = 0.0

    def seconds(own: float) -> float:
        nonlocal load
        load = max(-0.7, min(1.4, 0.97 * load + chance.gauss(0, 0.12)))
        waited = chance.expovariate(20) if chance.random() < 0.02 else 0.0
        return 0.006 * own * math.exp(load + chance.gauss(0, spread)) + waited

    route = Route(THRESHOLD)
    while route.goes_on(in_time=True):
        taken = {side: seconds(times if side else 1.0) for side in chance.sample((0, 1), 2)}
        route.add((taken[0], taken[1]))
    return route


# With 20,000 routes as fast as before: 0 called slower, and 0.09 % with the larger spread. With 4,000 that take 1.5 times as long:
# 94 % and 72 %. With 4,000 that take twice as long: 100 % and 99.9 %.
@pytest.mark.parametrize(
    ("times", "spread", "least", "most"),
    [
        (1, 0.3, 0, 0),
        (1, 0.8, 0, 0.005),
        (1.2, 0.3, 0, 0.01),
        (1.5, 0.3, 0.88, 0.99),
        (2, 0.3, 1, 1),
        (2, 0.8, 0.99, 1),
        (0.5, 0.8, 0, 0),
    ],
)
def test_how_often_a_route_is_called_slower(times: float, spread: float, least: float, most: float) -> None:
    chance = random.Random(f"{times} {spread}")  # noqa: S311
    routes = [simulated(times, spread, chance) for _ in range(1000)]
    assert least <= sum(is_slower(route.figures) for route in routes) / len(routes) <= most
    assert {len(route.pairs) for route in routes} <= set(range(LEAST, MOST + 1))


def test_the_formula_of_the_gamblers_ruin_holds() -> None:
    chance, threshold, p = random.Random(1), Threshold(1.4, 0), 0.45  # noqa: S311
    called = []
    for _ in range(4000):
        route = Route(threshold)
        while abs(route.lead) < LEAD:
            route.add((1.0, 2.0 if chance.random() < p else 1.0))
        called.append(is_slower(route.figures))
    assert sum(called) / len(called) == pytest.approx(1 / (1 + ((1 - p) / p) ** LEAD), abs=0.01)


def test_what_is_clear_is_asked_no_more() -> None:
    asked: list[str] = []

    def answer(text: str, seconds: float) -> Callable[[Any], Answer]:
        def ask(request: Any) -> Answer:
            asked.append(request["path"])
            time.sleep(seconds if request["path"] == "/slow" else 0.002)
            return Answer(200 if request["path"] != text else 404, {}, b"")

        return ask

    requests = {path[1:]: {"path": path} for path in ("/same", "/slow", "/new", "/broken")}
    routes = compare(answer("/new", 0.002), answer("/broken", 0.01), requests, THRESHOLD, 5)
    assert {name: is_slower(own) for name, own in routes.items()} == {"same": False, "slow": True, "new": False, "broken": False}
    assert [routes[name]["pairs"] // LEAST for name in requests] == [1, 1, 0, 0]
    assert (routes["new"]["wrong_before"], routes["new"]["wrong_now"]) == ({"status 404": LEAST}, {})
    assert (routes["broken"]["wrong_before"], routes["broken"]["wrong_now"]) == ({}, {"status 404": LEAST})


def test_no_time_is_enough_for_the_least() -> None:
    routes = compare(lambda _: Answer(200, {}, b""), lambda _: Answer(200, {}, b""), {"page": {"path": "/"}}, THRESHOLD, 0)
    assert routes["page"]["asked"] == LEAST


def compared(run_module: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **change: Any) -> dict[str, Any]:
    """What the module says of two processes, of which ``change`` says how they are."""

    @contextmanager
    def spare(unit_file: Path, instance: str, socket: Path, environment: dict[str, str]) -> Iterator[tuple[str, Path]]:
        assert (unit_file.name, socket.name) == (f"shop-web@{instance}.service", f"{instance}.sock")
        assert environment == {"RELEASE_ID": f"{instance}-trial"}
        if change.get("doubt") == instance:
            raise CouldNotLook("its unit has 2 commands to start with")
        with process(tmp_path / f"spare-{instance}.sock", **change.get(instance, {})):
            yield "trial", tmp_path / f"spare-{instance}.sock"

    monkeypatch.setattr(compare_releases, "spare", spare)
    monkeypatch.setattr(spare_start, "last_words", lambda unit: f"{unit} said so")
    sides = {
        side: {
            "release": name,
            "unit_file": f"/etc/systemd/system/shop-web@{name}.service",
            "socket": f"/run/shop/{name}.sock",
            "environment": f'{{"RELEASE_ID": "{name}-trial"}}',
        }
        for side, name in (("earlier", "v1"), ("new", "v2"))
    }
    requests = [{"name": "page", "path": "/", "contains": "hello"}, {"path": "/orders", "method": "post", "body": {}}]
    given = {"health_path": "/healthz", "timeout": 0.3, "requests": requests, "seconds": 1}
    return run_module("compare_releases", **{**sides, **given, **change.get("arguments", {})})


def test_the_module_asks_both_for_what_only_reads(run_module: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = compared(run_module, tmp_path, monkeypatch)["comparison"]
    assert (list(comparison["routes"]), comparison["unable"]) == (["page"], "")
    assert comparison["routes"]["page"]["pairs"] >= LEAST


@pytest.mark.parametrize(
    ("change", "unable"),
    [
        ({"v1": {"health": 503}}, "it is not well after 0.3 s: status 503; trial said so"),
        ({"doubt": "v1"}, "its unit has 2 commands to start with"),
        ({"arguments": {"requests": [{"path": "/orders", "method": "POST"}]}}, "no request of the load only reads"),
    ],
)
def test_a_release_before_that_cannot_be_asked(
    run_module: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], unable: str
) -> None:
    assert compared(run_module, tmp_path, monkeypatch, **change)["comparison"] == {"routes": {}, "unable": unable}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"v2": {"health": 503}}, "the new release: it is not well after 0.3 s: status 503; trial said so"),
        ({"doubt": "v2"}, "its unit has 2 commands"),
        ({"arguments": {"slower": 1}}, "slower must be more than 1"),
    ],
)
def test_a_new_release_that_cannot_be_asked_is_a_failure(
    run_module: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], says: str
) -> None:
    assert says in compared(run_module, tmp_path, monkeypatch, **change)["msg"]
