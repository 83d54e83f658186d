# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Scripts put into a site's pages on their way to a real browser: whether the policy that came with them lets any run.

Needs playwright and chromium.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

try:
    from playwright.sync_api import Error as BrowserError
    from playwright.sync_api import sync_playwright

    PLAYWRIGHT = True
except ImportError:  # reported where a browser is needed
    PLAYWRIGHT = False

from .assertion import CouldNotLook, Verdict, listed, verdict
from .browser import find_program

TIMEOUT = 15_000  # milliseconds for a page
SETTLE = 400  # milliseconds in which what may run has run
ELSEWHERE = "https://tickbox.invalid"
OWN_SCRIPT = "/tickbox-canary.js"
POLICIES = {"content-security-policy", "content-security-policy-report-only", "x-frame-options", "cross-origin-embedder-policy"}
# Each sets window.tickbox.<name> if it runs. The page's own script tries what strings can become.
MARKUP = f"""
<script>(window.tickbox ??= {{}}).inline = 1</script>
<img src="/tickbox-none.png" onerror="(window.tickbox ??= {{}}).handler = 1">
<svg onload="(window.tickbox ??= {{}}).svg = 1"></svg>
<iframe srcdoc="<script>(parent.tickbox ??= {{}}).frame = 1</script>"></iframe>
<script src="data:text/javascript,(window.tickbox ??= {{}}).data = 1"></script>
<script src="{ELSEWHERE}/foreign.js"></script>
<script src="{OWN_SCRIPT}"></script>
<a id="tickbox-link" href="javascript:void((window.tickbox ??= {{}}).link = 1)">x</a>
<base href="{ELSEWHERE}/base/">
"""
SCRIPTS = {
    f"{ELSEWHERE}/foreign.js": "(window.tickbox ??= {}).foreign = 1",
    OWN_SCRIPT: """
window.tickbox ??= {};
try { eval("window.tickbox.eval = 1"); } catch {}
try { new Function("window.tickbox.function = 1")(); } catch {}
try { setTimeout("window.tickbox.timer = 1", 0); } catch {}
const made = document.createElement("script");
made.text = "window.tickbox.made = 1";
document.documentElement.append(made);
""",
}
CANARIES = ("inline", "handler", "svg", "frame", "data", "foreign", "link", "eval", "function", "timer", "made", "base")


@dataclass(frozen=True)
class Injected:
    """What ran on one page: with the policy that came with it, and without any."""

    path: str
    ran: frozenset[str]
    ran_without: frozenset[str]
    framed: bool


def judge_injected(pages: Sequence[Injected]) -> Verdict:
    """pre.security.csp, in a browser: of what was put into the pages nothing ran, while without the policies it does."""
    if not pages:
        raise CouldNotLook("no page was there to put a script into")
    blind = [f"{name} on {page.path}" for page in pages for name in CANARIES if name not in page.ran_without]
    if blind:
        raise CouldNotLook(f"the browser does not run what is put into a page without a policy either: {listed(blind)}")
    problems = [f"{page.path}: what was put into the page ran ({listed(page.ran)})" for page in pages if page.ran]
    problems += [f"{page.path}: another site can put the page into a frame" for page in pages if page.framed]
    return verdict(
        problems,
        f"{len(CANARIES)} injected scripts ran on none of {len(pages)} pages in a browser",
        expected={"ran": []},
        observed={page.path: sorted(page.ran) for page in pages},
    )


def inject(program: str | None, url: str, address: str, paths: Sequence[str], headers: Mapping[str, str]) -> list[Injected]:
    """Open each path of the site with scripts put into its page. The certificate was verified by other means."""
    if not PLAYWRIGHT:
        raise CouldNotLook("playwright is not installed on the controller, so no browser could look")
    found = find_program(program)
    parts = urlsplit(url)
    place = f"[{address}]" if ":" in address else address
    switches = ["--no-proxy-server", f"--host-resolver-rules=MAP {parts.hostname} {place}"]
    if os.geteuid() == 0:
        switches.append("--no-sandbox")  # chromium's own sandbox does not work for root
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=switches)
            try:
                return [_look(browser, url.rstrip("/"), place, path, headers) for path in paths]
            finally:
                browser.close()
    except BrowserError as error:
        raise CouldNotLook(f"the browser {found} could not look: {str(error).strip().splitlines()[0][:300]}") from None


def _look(browser: Browser, base: str, place: str, path: str, headers: Mapping[str, str]) -> Injected:
    return Injected(
        path=path,
        ran=_ran(browser, base, place, path, headers, policies=True),
        ran_without=_ran(browser, base, place, path, headers, policies=False),
        framed=_framed(browser, base, path, headers),
    )


def _open(browser: Browser, headers: Mapping[str, str]) -> Page:
    context = browser.new_context(ignore_https_errors=True, service_workers="block", extra_http_headers=dict(headers))
    context.set_default_timeout(TIMEOUT)
    return context.new_page()


def _ran(browser: Browser, base: str, place: str, path: str, headers: Mapping[str, str], policies: bool) -> frozenset[str]:
    page = _open(browser, headers)

    def answer(route: Route) -> None:
        target = route.request.url
        script = SCRIPTS.get(target) or (SCRIPTS[OWN_SCRIPT] if target == base + OWN_SCRIPT else None)
        if script is not None:
            route.fulfill(status=200, content_type="text/javascript", body=script)
        elif route.request.is_navigation_request() and route.request.frame == page.main_frame:
            # Playwright fetches by itself, without the browser's switches for names.
            parts = urlsplit(target)
            port = f":{parts.port}" if parts.port else ""
            address = f"{parts.scheme}://{place}{port}{parts.path}"
            response = route.fetch(url=address, headers={**route.request.headers, "host": parts.netloc})
            kept = {name: value for name, value in response.headers.items() if policies or name.lower() not in POLICIES}
            kept.pop("content-length", None)
            kept.pop("content-encoding", None)
            kept["content-type"] = "text/html"
            route.fulfill(status=response.status, headers=kept, body=_with_markup(response.text()))
        elif target.startswith(base) and "tickbox" not in target:
            route.continue_()
        else:
            route.abort()

    page.route("**/*", answer)
    page.goto(base + path, wait_until="domcontentloaded")
    page.wait_for_timeout(SETTLE)
    page.evaluate("document.getElementById('tickbox-link')?.click()")
    page.wait_for_timeout(SETTLE)
    ran = set(page.evaluate("Object.keys(window.tickbox ?? {})"))
    if str(page.evaluate("document.baseURI")).startswith(ELSEWHERE):
        ran.add("base")
    page.context.close()
    return frozenset(ran)


def _framed(browser: Browser, base: str, path: str, headers: Mapping[str, str]) -> bool:
    """Whether a page of another site gets this one into a frame."""
    page = _open(browser, headers)
    outer = f'<!doctype html><iframe src="{base}{path}"></iframe>'
    page.route(f"{ELSEWHERE}/**", lambda route: route.fulfill(status=200, content_type="text/html", body=outer))
    page.goto(f"{ELSEWHERE}/", wait_until="load")
    page.wait_for_timeout(SETTLE)
    inner: list[Any] = page.frames[1:]
    shown = any(frame.url.startswith(base) for frame in inner)
    page.context.close()
    return shown


def _with_markup(text: str) -> str:
    head, body, rest = text.rpartition("</body>")
    return f"{head}{MARKUP}{body}{rest}" if body else text + MARKUP
