"""An application's pages in a real browser: as they should be, and with one part of them broken."""

import asyncio
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.tickbox import tours
from ansible.module_utils.tickbox.assertion import PASSED, CouldNotLook, Verdict, verdict
from ansible.module_utils.tickbox.browser import Chromium, Noise, Visit, chromium
from ansible.module_utils.tickbox.journeys import Values
from ansible.module_utils.tickbox.tours import Tours
from small_site import JOURNEYS, PAGE, application
from web import Reply, Respond, certificate, serving

SOUND, BROKEN = 60.0, 10.0  # seconds to wait: for what comes, and for what does not
SIDE_BY_SIDE = 12
ITEMS = [name for name in JOURNEYS if name != "steps"]
TRACE = "Error at run (app.js:1:2)"
Run = Callable[..., dict[str, Any]]


def page(old: str, new: str) -> Respond:
    assert old in PAGE
    return application(PAGE.replace(old, new))


def answer(path: str, status: int, headers: dict[str, str], body: str) -> Respond:
    def instead(asked: str, query: Mapping[str, str]) -> Reply | None:
        return (status, headers, body) if asked == path else None

    return application(instead=instead)


def slow(path: str, seconds: float) -> Respond:
    def instead(asked: str, query: Mapping[str, str]) -> Reply | None:
        if asked == path:
            time.sleep(seconds)
        return None

    return application(instead=instead)


TEXT = "item.textContent = text;"
DELAYED = slow("/", 0.7)
CANNED = answer("/run", 200, {}, '{"output": "42", "status": "finished"}')
SHORT = {"budgets": {kind: {"first_byte_ms": 600, "largest_paint_ms": 9e4, "bytes": 9e4} for kind in ("cold", "warm")}}
SMALL = {"budgets": {kind: {"first_byte_ms": 9e4, "largest_paint_ms": 9e4, "bytes": 900} for kind in ("cold", "warm")}}
PATIENT: Any = deepcopy(JOURNEYS["code_execution"])
PATIENT["languages"][0]["runs"][3]["least_seconds"] = 99
# What is broken: the item, the application, what the summary says, and changes of the journey.
CASES: list[tuple[str, str, Respond, str, dict[str, Any]]] = [
    ("examples_load", "one is not found", answer("/examples/two", 404, {}, ""), "Second: GET /examples/two: status 404", {}),
    ("examples_load", "one is empty", answer("/examples/two", 200, {}, '{"title": "Second", "code": ""}'), "is empty", {}),
    (
        "examples_load",
        "one shows another's content",
        answer("/examples/two", 200, {}, '{"title": "Second", "code": "1 + 1"}'),
        "shows the same as First",
        {},
    ),
    ("examples_load", "its title is missing", page('at("title").textContent = example.title;', ""), "it says ''", {}),
    ("examples_load", "an asset is missing", page("</body>", '<img src="/none.png"></body>'), "/none.png: status 404", {}),
    ("examples_load", "a script fails", page("void list();", "void list(); nothing();"), "nothing is not defined", {}),
    (
        "examples_load",
        "an example throws while it opens",
        page("changed();\n    at(", 'changed();\n    if (slug === "two") setTimeout(() => nothing());\n    at('),
        "Second: the page's script failed: nothing is not defined",
        {},
    ),
    ("examples_load", "the console has an error", page("void list();", 'console.error("ouch");'), "ouch", {}),
    ("examples_load", "one is not listed", page('<li><a href="#two">Second</a></li>', ""), "1 examples are on the page", {}),
    ("examples_load", "no page", answer("/", 200, {}, "It works!"), "sees #run: it is not shown", {}),
    ("examples_load", "an error page", answer("/", 500, {}, "no"), "open /: status 500", {}),
    ("code_execution", "a canned answer", CANNED, "it says '42', not", {}),
    ("code_execution", "no time-out", application(endless=90), "time-out: sees #status: it says '', not 'stopped'", {}),
    ("code_execution", "stopped at once", application(endless=0), "before the 99 s that it may take", PATIENT),
    ("code_execution", "errors are not told", page("outcome.status;", 'outcome.status && "finished";'), "not 'failed'", {}),
    ("code_execution", "the exit code is lost", page("outcome.status;", "outcome.status.slice(0, 9);"), "sums, exit: ", {}),
    ("code_execution", "nothing runs", answer("/run", 503, {}, ""), "sums, output: sees #stdout", {}),
    ("editor", "worker missing", answer("/worker.js", 404, {}, ""), "sees #checked: it is not shown", {}),
    ("editor", "worker does nothing", application(worker=""), "sees #checked: it is not shown", {}),
    (
        "editor",
        "no worker at all",
        page('const worker = new Worker("/worker.js");', "const worker = { postMessage: (data) => worker.onmessage({ data }) };"),
        "0 workers run, 1 should",
        {},
    ),
    (
        "editor",
        "worker blocked",
        page("<head>", "<head><meta http-equiv='Content-Security-Policy' content=\"worker-src 'none'\">"),
        "Content Security Policy",
        {},
    ),
    ("editor", "worker hangs later", application(worker="onmessage = (e) => { postMessage(e.data); for (;;); };"), "worker ", {}),
    (
        "editor",
        "no colours",
        page('/^\\d/.test(word) ? "number" : /^\\w/.test(word) ? "word" : "rest"', '"plain"'),
        "tells too",
        {},
    ),
    ("editor", "read-only", page('<textarea id="code">', '<textarea id="code" readonly>'), "sees #checked: it says", {}),
    ("local_storage", "nothing stored", page('localStorage.setItem(location.hash, at("code").value);', ""), "after a reload: ", {}),
    ("local_storage", "kept for the tab", application(PAGE.replace("localStorage", "sessionStorage")), "in a new tab: ", {}),
    (
        "local_storage",
        "kept on the server",
        application(
            PAGE.replace(
                'localStorage.setItem(location.hash, at("code").value)',
                'void fetch("/saved?text=" + at("code").value, { method: "POST" })',
            ).replace("localStorage.getItem(location.hash)", '(await (await fetch("/saved")).json()).at(-1)')
        ),
        "in a fresh profile: ",
        {},
    ),
    ("controls", "a handler is gone", page('at("clear").onclick', 'at("clear").unused'), "Clear: sees #code: it says", {}),
    ("controls", "a link leads nowhere", page('"#two"', '"#"'), "example 'Second': sees #title", {}),
    ("controls", "a button is gone", page('<button id="clear">', '<button id="clear" hidden>'), "Clear: it is not on the page", {}),
    ("controls", "a button is covered", page("<h1>", '<div style="position:fixed;inset:0"></div><h1>'), "it cannot be pressed", {}),
    (
        "controls",
        "copies nothing",
        page("navigator.clipboard.writeText", "String"),
        "Copy: copied: the clipboard does not hold",
        {},
    ),
    ("controls", "a new button", page("<h1>", "<button>New</button><h1>"), "does not name button 'New'", {}),
    ("controls", "a new link", page("<h1>", '<a href="/">Shop</a><h1>'), "does not name a 'Shop'", {}),
    ("controls", "a new field", page("<h1>", '<input name="mail"><h1>'), "does not name input 'mail'", {}),
    ("controls", "something like a button", page("<h1>", "<b role=button>More</b><h1>"), "does not name b 'More'", {}),
    (
        "controls",
        "a late button",
        page('at("code").value = "";', 'at("code").value = ""; at("saved").innerHTML = "<button>";'),
        "does not name button",
        {},
    ),
    ("controls", "a second of a kind", page("<h1>", '<button id="run">Run</button><h1>'), "Run: 2 are on the page", {}),
    ("error_handling", "no message for 429", page('answer.status === 429 ? "too often" : "not available"', '""'), "limited: ", {}),
    (
        "error_handling",
        "no message without connection",
        page('catch { say("no connection"); return; }', "catch { return; }"),
        "no connection: ",
        {},
    ),
    (
        "error_handling",
        "a trace is shown",
        page('"not available");', f'"not available {TRACE}");'),
        f"gone: the page shows '{TRACE[6:]}'",
        {},
    ),
    (
        "error_handling",
        "the answer itself is shown",
        page('"not available");', '"not available " + await answer.text());'),
        "shows 'Traceback",
        {},
    ),
    ("error_handling", "a path is shown", page('say("the program failed")', 'say("failed in /srv/lab")'), "shows '/srv/'", {}),
    (
        "error_handling",
        "a blank page",
        page('"not available");', '"not available"); setTimeout(() => document.body.remove());'),
        "gone: ",
        {},
    ),
    (
        "error_handling",
        "stays off",
        page('catch { say("no connection");', 'catch { say("no connection"); at("run").disabled = true;'),
        "does not recover",
        {},
    ),
    ("error_handling", "the message stays", page('at("message").hidden = true;', ""), "does not recover", {}),
    ("error_handling", "bad code is not told", page('say("the program failed")', "0"), "a program that fails: sees #message", {}),
    ("page_load", "a delay", DELAYED, "cold load: first byte ", SHORT),
    ("page_load", "too large", application(), "bytes 3 kB, over the budget of 1 kB", SMALL),
    ("page_load", "an error page", answer("/", 503, {}, "<p>Soon</p>"), "status 503", {}),
    ("page_load", "an empty page", page("<h1>Lab</h1>", "<style>body * {visibility: hidden}</style>"), "is not shown", {}),
    ("output_sanitization", "text as markup", page(TEXT, "item.innerHTML = text;"), "an image became an element <img>, ran", {}),
    (
        "output_sanitization",
        "output as markup",
        page('at("stdout").textContent = outcome.output', 'at("stdout").innerHTML = outcome.output'),
        "a drawing became an element",
        {},
    ),
    (
        "output_sanitization",
        "in an attribute",
        page(TEXT, 'item.innerHTML = `<b title="${text.replaceAll("<", "&lt;")}">x</b>`;'),
        "became an element <b>",
        {},
    ),
    (
        "output_sanitization",
        "unescaped twice",
        page(TEXT, 'item.innerHTML = text.replaceAll("<", "&lt;"); item.innerHTML = item.textContent;'),
        "an escaped element",
        {},
    ),
    (
        "output_sanitization",
        "evaluated",
        page(TEXT, "item.textContent = text.replace(/\\{\\{ (\\d+) \\* (\\d+) \\}\\}/, (_, a, b) => a * b);"),
        "a template was computed",
        {},
    ),
    (
        "output_sanitization",
        "a link",
        page(TEXT, 'item.innerHTML = `<a href="${text.match(/javascript:[^)]*/)}">x</a>`;'),
        "a link became a link",
        {},
    ),
    (
        "output_sanitization",
        "for a moment",
        page(TEXT, 'item.innerHTML = text; document.body.append(item); item.textContent = "";'),
        "an image ran",
        {},
    ),
    ("output_sanitization", "not stored", answer("/saved", 200, {}, "[]"), "saved: sees #saved", {}),
]
NAMES = [f"{item}: {name}" for item, name, *_ in CASES]


BLIND = [
    ("code_execution", ("languages", 0, "runs", 0, "steps"), [{"click": "#run"}], "a canned answer would do"),
    ("code_execution", ("languages", 0, "runs", 0, "kind"), "exit", "no run of kind output"),
    ("code_execution", ("languages", 0, "runs", 3, "least_seconds"), 0, "least_seconds is no number of at least 1"),
    ("local_storage", ("kept",), [{"sees": "#code"}], "does not see <<nonce>>"),
    ("controls", ("pages", 0, "controls", 2, "effect"), [{"click": "#run"}], "does not begin with something to see"),
    ("error_handling", ("cases", 1, "answer", "status"), 200, "no number of at least 400"),
    ("error_handling", ("cases", 1, "kind"), "mishap", "'mishap' is none of"),
    ("page_load", ("budgets", "warm"), {"first_byte_ms": 1}, "has to name first_byte_ms"),
    ("page_load", ("loads",), 1, "no number of at least 3"),
    ("output_sanitization", ("places", 1, "steps"), [{"click": "#save"}], "nothing stored is looked at"),
    ("editor", ("steps",), [{"clik": "#code"}], "app_journeys.editor.steps[0]: 'clik' is no kind of step"),
]
BLIND_NAMES = [f"{item}: {says}" for item, _, _, says in BLIND]


def changed(item: str, way: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The part of the journeys for ``item`` with one value of it replaced."""
    part: Any = deepcopy(JOURNEYS[item])
    target, (*keys, last) = part, way
    for key in keys:
        target = target[key]
    target[last] = value
    return dict(part)


async def take(browser: Chromium, item: str, respond: Respond, patience: float, part: Mapping[str, Any]) -> Verdict | CouldNotLook:
    with serving(respond) as port:
        own = replace(browser, base=f"http://localhost:{port}", patience=patience)
        try:
            return await Tours(own, {**JOURNEYS, item: part}, {}).take(item)
        except CouldNotLook as reason:
            return reason


@pytest.fixture(scope="module")
def seen(request: pytest.FixtureRequest) -> dict[str, Verdict | CouldNotLook]:
    """The cases that are tested, several side by side in one browser: most of them wait for something that never comes."""
    given: dict[str, tuple[str, Respond, float, Any]] = {item: (item, application(), SOUND, JOURNEYS[item]) for item in ITEMS}
    for name, (item, _, respond, _, changes) in zip(NAMES, CASES, strict=True):
        given[name] = item, respond, BROKEN, {**JOURNEYS[item], **changes}
    for name, (item, way, value, _) in zip(BLIND_NAMES, BLIND, strict=True):
        given[name] = item, application(), SOUND, changed(item, way, value)
    asked = {test.callspec.params.get("name") for test in request.session.items if hasattr(test, "callspec")}

    async def every() -> dict[str, Verdict | CouldNotLook]:
        turn, clipboard = asyncio.Semaphore(SIDE_BY_SIDE), asyncio.Lock()
        async with chromium("http://localhost") as browser:

            async def one(item: str, *case: Any) -> Verdict | CouldNotLook:
                # A browser has one clipboard for all of its pages.
                async with clipboard if item == "controls" else nullcontext(), turn:
                    return await take(browser, item, *case)

            names = [name for name in given if name in asked]
            return dict(zip(names, await asyncio.gather(*(one(*given[name]) for name in names)), strict=True))

    return asyncio.run(every())


@pytest.mark.parametrize("name", ITEMS)
def test_a_sound_application(seen: dict[str, Verdict], name: str) -> None:
    assert (seen[name].status, seen[name].summary) == (PASSED, seen[name].summary)


@pytest.mark.parametrize(("name", "says"), [(name, case[3]) for name, case in zip(NAMES, CASES, strict=True)], ids=NAMES)
def test_a_broken_application(seen: dict[str, Verdict], name: str, says: str) -> None:
    assert (seen[name].status, says in seen[name].summary) == ("failed", True), seen[name].summary


@pytest.mark.parametrize(
    ("name", "says"), [(name, case[3]) for name, case in zip(BLIND_NAMES, BLIND, strict=True)], ids=BLIND_NAMES
)
def test_a_journey_that_proves_nothing_is_refused(seen: dict[str, CouldNotLook], name: str, says: str) -> None:
    assert isinstance(seen[name], CouldNotLook)
    assert says in str(seen[name])


def check(run_module: Run, port: int, scheme: str = "https", **arguments: Any) -> dict[str, Any]:
    given = {"items": ["post.functionality.editor"], "url": f"{scheme}://shop.test:{port}", "addresses": ["127.0.0.1"]}
    result = run_module("check_browser", **{**given, "journeys": JOURNEYS, "report_only": True, "patience": SOUND, **arguments})
    assertion: dict[str, Any] = result["assertions"][0]
    return assertion


def test_a_site_with_a_ca_of_its_own(run_module: Run, tmp_path: Path) -> None:
    ca_path, context = certificate(tmp_path, "shop.test")
    with serving(application(), context) as port:
        assert check(run_module, port, ca_path=str(ca_path))["status"] == PASSED
        assert "ERR_CERT_AUTHORITY_INVALID" in check(run_module, port)["summary"]


@pytest.mark.parametrize(
    ("names", "days", "says"), [(["other.test"], 30, "COMMON_NAME_INVALID"), (["shop.test"], -1, "DATE_INVALID")]
)
def test_certificates_are_still_verified(run_module: Run, tmp_path: Path, names: list[str], days: int, says: str) -> None:
    ca_path, context = certificate(tmp_path, *names, days=days)
    with serving(application(), context) as port:
        seen = check(run_module, port, ca_path=str(ca_path))
    assert seen["status"] == "failed"
    assert says in seen["summary"]


def test_the_operators_token_goes_with_each_request(run_module: Run) -> None:
    respond = application()

    def closed(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        return respond(method, path, headers) if headers.get("X-Maintenance-Bypass") == "let-me-in" else (503, {}, "closed")

    with serving(closed) as port:
        assert check(run_module, port, "http", bypass_token="let-me-in")["status"] == PASSED  # noqa: S106
        assert "status 503" in check(run_module, port, "http")["summary"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"executable_path": "/nowhere/chromium"}, "/nowhere/chromium is not installed"),
        ({"executable_path": shutil.which("true")}, "does not start"),
        ({"ca_path": "/nowhere/ca.crt"}, "ca_path: /nowhere/ca.crt cannot be used"),
        ({"ca_path": __file__}, "holds no certificate"),
        ({"journeys": {}}, "app_journeys.editor is missing"),
        ({"journeys": {"steps": [], "editor": {}}}, "app_journeys.steps is no mapping"),
        ({"url": "shop.test"}, "is no address of a site"),
    ],
)
def test_what_keeps_the_browser_from_looking(run_module: Run, arguments: dict[str, Any], says: str) -> None:
    seen = check(run_module, 1, **arguments)
    assert seen["status"] == "unverifiable"
    assert says in seen["summary"]


def test_a_secret_does_not_show(run_module: Run) -> None:
    journeys: Any = deepcopy(JOURNEYS)
    secret = "correct-horse-battery"  # noqa: S105
    journeys["editor"]["steps"] = [
        {"type": {"into": "#code", "text": "<<token>>"}},
        {"sees": {"at": "#code", "text": "not <<token>>"}},
    ]
    with serving(application()) as port:
        given = {"journeys": journeys, "secrets": {"token": secret}, "patience": BROKEN}
        seen = check(run_module, port, "http", **given)
    assert seen["status"] == "failed"
    assert "it says '<token>', not 'not <token>'" in seen["summary"]
    assert secret not in str(seen)


@pytest.mark.parametrize(("failure", "seen"), [("net::ERR_NETWORK_CHANGED", "passed"), ("net::ERR_CONNECTION_REFUSED", "failed")])
def test_a_change_of_the_network_is_no_fault_of_the_page(failure: str, seen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [failure]
    page = SimpleNamespace(set_default_timeout=lambda patience: None, on=lambda event, take: None)

    async def journey(tour: Any, noise: Noise) -> Verdict:
        visit = Visit(page, "https://one.test", 1, Values({}), noise)
        while failures:
            visit._on_failure(SimpleNamespace(failure=failures.pop(), method="GET", url="https://one.test/x"))
        return verdict(noise.all(), "all is well")

    monkeypatch.setattr(tours, "PAUSES", (0.0,))
    monkeypatch.setattr(Tours, "controls", journey)
    assert asyncio.run(Tours(Chromium(None, "", {}, 1), {}, {}).take("controls")).status == seen
