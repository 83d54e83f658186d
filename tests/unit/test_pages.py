"""What is made of what a browser saw."""

from collections.abc import Sequence

import pytest
from ansible.module_utils.tickbox.assertion import FAILED, PASSED
from ansible.module_utils.tickbox.pages import (
    Opened,
    Panel,
    judge_controls,
    judge_dashboard,
    judge_examples,
    judge_loads,
    may_be_busy,
    trace_in,
)

BUDGETS = {"cold": {"first_byte_ms": 100, "bytes": 2000}, "warm": {"ready_ms": 300}}


def load(first_byte: float, size: float = 1000) -> dict[str, float]:
    return {"first_byte_ms": first_byte, "largest_paint_ms": 200, "ready_ms": 250, "bytes": size}


@pytest.mark.parametrize(
    ("cold", "status", "says"),
    [
        ([90, 95, 9000], PASSED, "cold 95 ms / 200 ms / 250 ms / 1 kB"),  # one slow load is none of the median
        ([90, 101, 9000], FAILED, "cold load: first byte 101 ms, over the budget of 100 ms"),
    ],
)
def test_page_loads_are_judged_by_their_median(cold: Sequence[float], status: str, says: str) -> None:
    seen = judge_loads([{"cold": [load(one) for one in cold], "warm": [load(1)] * 3}], BUDGETS)
    assert (seen.status, says in seen.summary) == (status, True), seen.summary


def test_the_last_round_of_page_loads_counts() -> None:
    slow, quick = {"cold": [load(900)] * 3, "warm": [load(1)] * 3}, {"cold": [load(9)] * 3, "warm": [load(1)] * 3}
    assert judge_loads([slow, quick], BUDGETS).status == PASSED
    assert judge_loads([slow, slow], BUDGETS).status == FAILED
    heavy = judge_loads([{**quick, "cold": [load(9, 3000)] * 3}], BUDGETS)
    assert heavy.summary == "cold load: bytes 3 kB, over the budget of 2 kB"


@pytest.mark.parametrize(("cold", "busy"), [(load(99), False), (load(150), True), (load(250), False), (load(150, 3000), False)])
def test_a_busy_machine_explains_some_delay_and_no_bytes(cold: dict[str, float], busy: bool) -> None:
    assert may_be_busy({"cold": [cold] * 3, "warm": [load(1)] * 3}, BUDGETS) is busy


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):",
        'File "/srv/shop/main.py", line 3, in <module>',
        "TypeError: x is null at run (https://shop.test/assets/index.js:12:34)",
        "at Object.<anonymous> (/app/index.js:3:9)",
        "at https://shop.test/a.js:1:2",
        "at com.shop.Main.run(Main.java:42)",
        "#0 /var/www/index.php(12): main()",
        "goroutine 1 [running]:",
        "/usr/lib/ruby/shop.rb:12:in `call'",
        "/srv/venv/lib/python3.11/site-packages/fastapi/app.py",
    ],
)
def test_a_trace_is_known_as_one(text: str) -> None:
    assert trace_in(f"Something went wrong. {text}")


@pytest.mark.parametrize(
    "text",
    [
        "Too many requests. Try again in 9 seconds.",
        "The service is not available at the moment (10:24:03). Write to shop@example.com:",
        "Look at https://shop.example.com:8443/help or come by at 12:30.",
        "Catching errors: an exception that is caught does not end the program.",
    ],
)
def test_a_message_for_people_is_no_trace(text: str) -> None:
    assert trace_in(text) == ""


def test_what_is_forbidden_is_found() -> None:
    assert trace_in("failed in /srv/shop", ["/srv/"]) == "/srv/"


def test_a_panel_without_a_query_is_not_taken_at_its_word() -> None:
    seen = judge_dashboard([Panel("Requests", shown=True)], [], [], 60)
    assert (seen.status, seen.summary) == (FAILED, "panel 'Requests': no query of it was seen")


def test_no_example_is_no_tick() -> None:
    assert judge_examples([], 1, []).status == FAILED
    assert judge_examples([Opened("One", {}, [])], 1, ["GET /a.js: status 404"]).summary == "the page itself: GET /a.js: status 404"


def test_no_control_is_no_tick() -> None:
    seen = judge_controls([], {"front page": []})
    assert (seen.status, seen.summary) == (FAILED, "no control was there to use")
