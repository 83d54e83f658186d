"""What visitors got: runs of answers and the window that they met."""

import itertools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from probe_site import Window, summarise


def runs(*statuses: int) -> list[tuple[float, int, float]]:
    return [(float(number), status, 0.1) for number, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("statuses", "window", "failed"),
    [
        ((200, 200), 0.0, 0),
        ((200, 503, 503, 200), 2.0, 2),
        ((200, 503, 0, 502, 200), 3.0, 3),
        ((503, 503), 1.0, 2),
        ((200, 0, 200), 0.0, 1),
        ((404, 429), 0.0, 0),
    ],
)
def test_the_window_is_from_the_first_503_to_the_first_200(statuses: tuple[int, ...], window: float, failed: int) -> None:
    seen = summarise(runs(*statuses))
    assert seen["window_seconds"] == window
    assert seen["failures"] == failed
    assert sum(run["count"] for run in seen["answers"]) == len(statuses)


def test_an_answer_that_was_overtaken_does_not_end_the_window() -> None:
    sent = [(0.0, 200), (0.05, 503), (0.07, 200), (0.1, 503), (17.0, 503), (17.05, 200), (30.0, 200)]
    assert summarise([(at, status, 0.1) for at, status in sent])["window_seconds"] == 17.0
    # One that is closed again later has had its window.
    assert (
        summarise([(float(at), status, 0.1) for at, status in ((0, 503), (4, 200), (9, 503), (12, 200))])["window_seconds"] == 4.0
    )


def test_p95_is_of_the_nearest_rank() -> None:
    assert summarise([(float(n), 200, n / 100) for n in range(1, 101)])["p95_seconds"] == 0.95


@pytest.fixture
def site() -> Iterator[str]:
    answers = itertools.chain([200, 200, 503, 503], itertools.repeat(200))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(next(answers))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def test_asks_at_its_pace(run_module: Any, site: str) -> None:
    seen = run_module("probe_site", url=site, interval=0.05, seconds=0.6)
    assert 4 < seen["requests"] <= 12  # a busy machine may swallow some at the end, and can never add any
    assert sum(run["count"] for run in seen["answers"] if run["status"] == 503) == 2
    assert seen["failures"] == 2
    assert seen["window_seconds"] > 0


def test_asks_less_often_once_the_window_is_over(run_module: Any, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe_site.SETTLED", 0.2)
    monkeypatch.setattr("probe_site.AFTERWARDS", 0.4)
    seen = run_module("probe_site", url=site, interval=0.05, seconds=2.0)
    assert seen["requests"] < 20  # 40 at the pace of before
    assert [run["status"] for run in seen["answers"]] == [200, 503, 200]
    assert 0 < seen["window_seconds"] < 1


@pytest.mark.parametrize(
    ("statuses", "over"), [((200, 200), False), ((503, 200), True), ((503, 200, 503), False), ((503, 0, 200), True)]
)
def test_the_window_is_over_once_the_site_is_open_again(
    statuses: tuple[int, ...], over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe_site.SETTLED", -1)
    window = Window()
    for status in statuses:
        window.met(status)
    assert window.over == over


def test_no_answer_is_a_failed_request(run_module: Any) -> None:
    seen = run_module("probe_site", url="http://127.0.0.1:9/", interval=0.05, seconds=0.1)
    assert seen["failures"] == seen["requests"] > 0
