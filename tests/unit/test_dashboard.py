"""A dashboard in a real browser, behind a login: each panel with figures, and closed to everybody else."""

import json
import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible.module_utils.tickbox.pages import metrics_of, newest_figure
from hypothesis import given, settings
from hypothesis import strategies as st
from web import Reply, Respond, certificate, serving

PASSWORD = "correct-horse-battery"  # noqa: S105
LOGIN = "Basic " + b64encode(f"operator:{PASSWORD}".encode()).decode()
QUERIES = {"Requests": "sum(rate(requests_total[5m]))", "Memory": "memory_bytes / 1024"}
PAGE = """<!doctype html><title>Figures</title><link rel="icon" href="data:,"><main></main><script>
  const panels = QUERIES;
  for (const [title, query] of Object.entries(panels)) {
    const section = document.querySelector("main").appendChild(document.createElement("section"));
    section.innerHTML = `<h2>${title}</h2>`;
    const end = Math.floor(Date.now() / 1000);
    fetch(`/api/v1/query_range?${new URLSearchParams({ query, start: end - 600, end, step: 30 })}`).then(async (answer) => {
      const { data } = await answer.json();
      if (data?.result.length) section.innerHTML += "<svg><polyline points='0,0 1,1'/></svg>";
      section.dataset.state = "shown";
    }).catch(() => { section.dataset.state = "failed"; });
  }
</script>"""
Run = Callable[..., dict[str, Any]]


def answered(result: list[Any]) -> str:
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def series(age: float = 10, value: str = "3") -> list[Any]:
    now = time.time()
    return [{"metric": {"job": "app"}, "values": [[now - age - 60, "1"], [now - age, value]]}]


def dashboard(
    metrics: tuple[str, ...] = ("requests_total", "memory_bytes"),
    queries: Mapping[str, str] = QUERIES,
    instead: Callable[[str, str | None], Reply | None] = lambda query, login: None,
    found: Callable[[], list[Any]] = series,
    page: str = PAGE,
) -> Respond:
    """Prometheus's API and a page on it. ``metrics``: those that there are. ``instead``: another answer to a query, or the page."""

    def respond(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        parts, login = urlsplit(path), headers.get("Authorization")
        query = parse_qs(parts.query).get("query", [""])[0]
        date = {"X-Date": formatdate(usegmt=True)}
        if other := instead(query, login):
            return other
        if login != LOGIN:
            return 401, {"WWW-Authenticate": 'Basic realm="figures"'}, "no"
        if parts.path == "/api/v1/query_range":
            read = metrics_of(query)
            return 200, date, answered(found() if set(read) <= set(metrics) else [])
        if parts.path == "/api/v1/query":
            names = [name for name in metrics if name in query]
            return 200, date, answered([{"metric": {"__name__": name}, "value": [0, "1"]} for name in names])
        return 200, {"Content-Type": "text/html"}, page.replace("QUERIES", json.dumps(queries))

    return respond


def check(
    run_module: Run, tmp_path: Path, respond: Respond, password: str = PASSWORD, scheme: str = "https", patience: float = 4
) -> dict[str, Any]:
    ca_path, context = certificate(tmp_path, "localhost")
    with serving(respond, context if scheme == "https" else None) as port:
        url = f"{scheme}://localhost:{port}/consoles/figures.html"
        result = run_module(
            "check_browser",
            items=["post.monitoring.dashboard"],
            url="https://shop.test",
            ca_path=str(ca_path),
            dashboard={"url": url, "user": "operator", "password": password},
            patience=patience,
            report_only=True,
        )
    assertion: dict[str, Any] = result["assertions"][0]
    assert password not in str(result)
    return assertion


def test_a_dashboard_with_figures(run_module: Run, tmp_path: Path) -> None:
    seen = check(run_module, tmp_path, dashboard(), patience=20)
    assert (seen["status"], seen["summary"]) == (
        "passed",
        "2 panels, the query of each returns figures of this moment; without the login nothing is shown",
    )


def test_figures_that_come_late(run_module: Run, tmp_path: Path) -> None:
    late = time.monotonic() + 3
    seen = check(run_module, tmp_path, dashboard(found=lambda: series() if time.monotonic() > late else []), patience=20)
    assert seen["status"] == "passed", seen["summary"]


def for_query(part: str, status: int, body: str) -> Callable[[str, str | None], Reply | None]:
    return lambda query, login: (status, {}, body) if part in query and login else None


def for_visitor(part: str, wanted: Callable[[str | None], bool]) -> Callable[[str, str | None], Reply | None]:
    return lambda query, login: (200, {}, answered([])) if wanted(login) and (part in query if part else not query) else None


@pytest.mark.parametrize(
    ("respond", "says"),
    [
        (dashboard(metrics=("memory_bytes",)), "panel 'Requests': no data for sum(rate(requests_total[5m]))"),
        (dashboard(queries={**QUERIES, "Renamed": "memory_byte"}), "panel 'Renamed': no data for memory_byte"),
        (dashboard(found=lambda: series(age=400)), "s old, 120 s are allowed: memory_bytes / 1024"),
        (dashboard(found=lambda: series(value="NaN")[:0] or [{"values": [[time.time(), "NaN"]]}]), "panel 'Memory': no data for"),
        (dashboard(instead=for_query("[5m]", 422, '{"status": "error", "error": "parse error"}')), "the query failed: parse error"),
        (dashboard(instead=for_query("[5m]", 200, "<h1>Oops</h1>")), "panel 'Requests': status 200, and an answer that is none"),
        (dashboard(instead=for_query("__name__", 200, answered([]))), "there is no requests_total at this moment"),
        (dashboard(queries={}), "it has no panel"),
        (dashboard(page=PAGE.replace("const panels", "const panel")), "panels is not defined"),
        (dashboard(page=PAGE.replace("<svg>", "").replace("<polyline points='0,0 1,1'/></svg>", "")), "it shows no figures"),
        (dashboard(page=PAGE.replace("end - 600, end", "end - 9600, end: end - 9000"), found=lambda: series(9000)), "s old"),
        (dashboard(instead=for_visitor("", lambda login: not login)), "without the login: anybody gets status 200 for /consoles"),
        (dashboard(instead=for_visitor("up", lambda login: not login)), "anybody gets status 200 for /api/v1/query"),
        (dashboard(instead=for_visitor("up", lambda login: login not in (None, LOGIN))), "a wrong password gets status 200"),
        (dashboard(instead=lambda query, login: None if login else (302, {"Location": "/in"}, "")), "anybody gets status 302"),
    ],
)
def test_a_dashboard_that_is_not_what_it_should_be(run_module: Run, tmp_path: Path, respond: Respond, says: str) -> None:
    seen = check(run_module, tmp_path, respond)
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


def test_the_operator_cannot_log_in(run_module: Run, tmp_path: Path) -> None:
    seen = check(run_module, tmp_path, dashboard(), password="forgotten-by-all")  # noqa: S106
    assert (seen["status"], "it does not open" in seen["summary"]) != ("passed", True)
    assert seen["status"] != "passed"


def test_a_login_without_encryption(run_module: Run, tmp_path: Path) -> None:
    seen = check(run_module, tmp_path, dashboard(), scheme="http")
    assert (seen["status"], seen["summary"]) == ("failed", "its login travels without encryption")


def test_no_dashboard_at_all(run_module: Run) -> None:
    given = {"url": "https://localhost:9/", "user": "operator", "password": PASSWORD}
    result = run_module(
        "check_browser", items=["post.monitoring.dashboard"], url="https://shop.test", dashboard=given, report_only=True
    )
    seen = result["assertions"][0]
    assert seen["status"] == "unverifiable"
    assert "the dashboard does not answer" in seen["summary"]


@pytest.mark.parametrize(
    ("query", "metrics"),
    [
        ("sum by (status) (rate(requests_total[5m]))", ["requests_total"]),
        ("tickbox:errors:ratio_rate5m * 100", ["tickbox:errors:ratio_rate5m"]),
        ('count(ALERTS{alertstate="firing"}) or vector(0)', []),
        ('100 * (1 - avg by (instance) (rate(cpu_total{mode="idle"}[5m])))', ["cpu_total"]),
        ('100 * a_bytes{x="y{z}"} / on (instance) group_left (job) b_bytes offset 5m', ["a_bytes", "b_bytes"]),
        ("time() - beat_seconds # since when", ["beat_seconds"]),
        ("max_over_time(a[1h:5m]) > bool 3e5 unless NaN", ["a"]),
        ("", []),
    ],
)
def test_the_metrics_behind_a_query(query: str, metrics: list[str]) -> None:
    assert metrics_of(query) == metrics


@settings(max_examples=200)
@given(st.text(max_size=60) | st.text(alphabet="ab_:(){}[]\"'5m *by", max_size=40))
def test_any_query_can_be_read(query: str) -> None:
    assert all(re.fullmatch(r"[a-zA-Z_:][\w:]*", name) for name in metrics_of(query))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["status", "data", "result", "values", "error"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=200)
@given(json_values, st.booleans())
def test_any_answer_can_be_read(answer: Any, wrapped: bool) -> None:
    given = {"status": "success", "data": {"result": answer}} if wrapped else answer
    try:
        count, newest = newest_figure(given)
    except ValueError as reason:
        assert str(reason)
    else:
        assert count or newest is None
