# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Chromium, its pages, and the steps of a journey on them. Needs playwright, chromium and, for a CA, certutil."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

try:
    from playwright import async_api

    PLAYWRIGHT = True
    BrowserError = async_api.Error
    WaitedInVain = async_api.TimeoutError
except ImportError:  # reported by the module that needs it
    PLAYWRIGHT = False

    class BrowserError(Exception):  # type: ignore[no-redef]
        """Never raised."""

    class WaitedInVain(BrowserError):  # type: ignore[no-redef]
        """Never raised."""


from .answers import TOO_MANY
from .assertion import CouldNotLook
from .journeys import Step, Values

# Without a window, the first takes a third of the processor's time that the others take.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Playwright switches off most of what a browser asks on its own behalf; these are the rest. The site is asked directly.
SWITCHES = ("--no-proxy-server", "--disable-domain-reliability", "--no-pings", "--dns-prefetch-disable", "--disable-breakpad")
FIRST_REFUSAL = 400

# What is wrong with what a page shows, "" where nothing is. Said by the page itself, so that waiting needs no round trips.
SEES = r"""(wanted) => {
  const clean = (text) => text.replace(/[\u200b\u00ad]/g, "").replace(/\s+/g, " ").trim();
  const cut = (text) => text.length > 120 ? text.slice(0, 120) + " ..." : text;
  const shown = (element) => element.getClientRects().length > 0
    && element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const field = (element) => element.matches("input, textarea, select");
  const text = (element) => clean(field(element) ? element.value : element.innerText ?? element.textContent);
  const has = (element, part) => text(element).includes(clean(part));
  const found = [...document.querySelectorAll(wanted.at)].filter(shown);
  const state = wanted.state ?? "visible";
  if (state === "hidden") return found.length ? `it is shown, with '${cut(text(found[0]))}'` : "";
  if (wanted.count !== undefined && found.length !== wanted.count) return `${found.length} of them are shown, not ${wanted.count}`;
  if (wanted.count === 0) return "";
  if (!found.length) return "it is not shown";
  if (wanted.least !== undefined && found.length < wanted.least)
    return `${found.length} of them are shown, not ${wanted.least} or more`;
  if (wanted.lacks !== undefined && found.some((one) => has(one, wanted.lacks))) return `it says '${clean(wanted.lacks)}'`;
  const problem = (one) => {
    const off = one.matches(":disabled") || one.getAttribute("aria-disabled") === "true";
    if (state === "enabled" && off) return "it is disabled";
    if (state === "disabled" && !off) return "it is enabled";
    if (state === "filled" && !text(one)) return "it is empty";
    if (wanted.text !== undefined && text(one) !== clean(wanted.text))
      return `it says '${cut(text(one))}', not '${clean(wanted.text)}'`;
    if (wanted.contains !== undefined && !has(one, wanted.contains))
      return `it says '${cut(text(one))}', without '${clean(wanted.contains)}'`;
    if (wanted.matches !== undefined && !new RegExp(wanted.matches).test(text(one)))
      return `it says '${cut(text(one))}', which does not match '${wanted.matches}'`;
    return "";
  };
  const problems = found.map(problem);
  return problems.includes("") ? "" : problems[0];
}"""
COPIED = r"""async (wanted) => {
  const end = performance.now() + (wanted.ms ?? 0);
  for (;;) {
    let copied;
    try { copied = await navigator.clipboard.readText(); }
    catch (reason) { return `the clipboard cannot be read: ${reason.message}`; }
    if (copied === wanted.text) return "";
    if (performance.now() >= end) return `the clipboard does not hold '${wanted.text}'`;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}"""


# Chromium ends what is under way when an interface of its machine comes or goes.
NETWORK_CHANGED = "net::ERR_NETWORK_CHANGED"


class StepFailed(Exception):
    """A journey did not go as it should. ``what`` says how, the message also where in the application's definition."""

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.what = what


def first_line(error: Exception) -> str:
    """What Playwright says, without its log."""
    return str(error).strip().split("\n", 1)[0]


@dataclass
class Noise:
    """What a page complained of while it was looked at: each a line for a person.

    hindered: requests that ended by no fault of the page: by the site's rate limit, or as the network of this machine changed.
    """

    complaints: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    hindered: int = 0

    def all(self) -> list[str]:
        """All but warnings. Failed requests first: the console only repeats them, without an address."""
        repeated = "Failed to load resource" if self.requests else "\0"
        rest = [*self.crashes, *(text for text in self.complaints if not text.startswith(repeated)), *self.dialogs]
        return [*self.requests, *rest]


class Visit:
    """One page of a profile."""

    def __init__(self, page: Page, base: str, patience: float, values: Values, noise: Noise) -> None:
        self.page, self.base, self.patience, self.values, self.noise = page, base, patience, values, noise
        page.set_default_timeout(patience * 1000)
        page.on("console", self._on_console)
        page.on("pageerror", self._on_crash)
        page.on("requestfailed", self._on_failure)
        page.on("response", self._on_response)

    async def go(self, steps: Sequence[Step]) -> None:
        """Take the steps one after another; StepFailed where one cannot be taken or does not see what it should."""
        for step in steps:
            arguments = self.values.fill_in(step.arguments)
            try:
                await self._take(step.kind, arguments)
            except WaitedInVain:
                in_vain = f"it did not load in {self.patience:g} s" if step.kind in ("open", "reload") else "nothing there takes it"
                seen = await self.problem(step) if step.kind == "sees" else in_vain
                raise self._failed(step, arguments, seen or "it came too late") from None
            except BrowserError as error:
                raise self._failed(step, arguments, first_line(error)) from None
            except StepFailed as reason:
                raise self._failed(step, arguments, reason.what) from None

    async def problem(self, step: Step) -> str:
        """What is wrong at this moment with what a looking step wants to see; "" where nothing is."""
        script = SEES if step.kind == "sees" else COPIED
        try:
            return str(await self.page.evaluate(script, self.values.fill_in(step.arguments)))
        except BrowserError as error:
            return first_line(error)

    async def _take(self, kind: str, given: Mapping[str, Any]) -> None:
        page = self.page
        if kind == "open":
            await self.open(given["path"], given.get("status"))
        elif kind == "click":
            await page.locator(given["at"]).first.click()
        elif kind == "fill":
            await page.locator(given["into"]).first.fill(given["text"])
        elif kind == "type":
            await page.locator(given["into"]).first.click()
            await page.keyboard.press("ControlOrMeta+A")
            await page.keyboard.press("Delete")
            await page.keyboard.insert_text(given["text"])
        elif kind == "press":
            await page.keyboard.press(given["key"])
        elif kind == "reload":
            await page.reload()
        else:
            await self._wait_for(kind, dict(given))

    async def _wait_for(self, kind: str, given: dict[str, Any]) -> None:
        if kind == "sees":
            # A function that returned a promise would be taken at its word at once.
            await self.page.wait_for_function(f"(wanted) => ({SEES})(wanted) === ''", arg=given, polling=100)
        elif problem := await self.page.evaluate(COPIED, {**given, "ms": self.patience * 1000}):
            raise StepFailed(problem)

    async def open(self, path: str, status: int | None = None) -> None:
        """Open a path of the site and see its status."""
        answer = await self.page.goto(self.base + path)
        # Another place on the page that is open has no answer of its own.
        if answer is not None and (answer.status != status if status else answer.status >= FIRST_REFUSAL):
            raise StepFailed(f"status {answer.status}" + (f", not {status}" if status else ""))

    async def quiet(self) -> None:
        """Wait until nothing is under way any more."""
        await self.page.wait_for_load_state("networkidle")

    def short(self, url: str) -> str:
        """The path of an address of the site."""
        return self.values.mask(url.removeprefix(self.base).split("?", 1)[0][:200])

    def _failed(self, step: Step, given: Mapping[str, Any], seen: str) -> StepFailed:
        target = str(given.get("at") or given.get("into") or given.get("path") or given.get("key") or "")[:80]
        return StepFailed(self.values.mask(f"{f'{step.kind} {target}'.strip()}: {seen}"), step.where)

    def _on_console(self, message: ConsoleMessage) -> None:
        text = self.values.mask(" ".join(message.text.split())[:300])
        if message.type == "error":
            self.noise.complaints.append(text)
        elif message.type == "warning":
            self.noise.warnings.append(text)

    def _on_crash(self, error: Exception) -> None:
        self.noise.crashes.append(f"the page's script failed: {first_line(error)}")

    def _on_failure(self, request: Request) -> None:
        self.noise.hindered += request.failure == NETWORK_CHANGED
        # A page that is left gives up what it still waits for.
        if request.failure != "net::ERR_ABORTED":
            self.noise.requests.append(f"{request.method} {self.short(request.url)}: {request.failure}")

    def _on_response(self, answer: Response) -> None:
        self.noise.hindered += answer.status == TOO_MANY
        if answer.status >= FIRST_REFUSAL:
            self.noise.requests.append(f"{answer.request.method} {self.short(answer.url)}: status {answer.status}")


@dataclass(frozen=True)
class Chromium:
    """A running browser."""

    browser: Browser
    base: str
    headers: Mapping[str, str]
    patience: float

    @asynccontextmanager
    async def profile(self, **options: Any) -> AsyncIterator[BrowserContext]:
        """A fresh profile: nothing kept, nothing in its cache."""
        context = await self.browser.new_context(extra_http_headers=dict(self.headers), **options)
        try:
            yield context
        finally:
            await context.close()

    async def visit(self, context: BrowserContext, values: Values, noise: Noise | None = None) -> Visit:
        """A new page in a profile."""
        return Visit(await context.new_page(), self.base, self.patience, values, noise or Noise())


def base_of(url: str) -> str:
    """The scheme, name and port of an address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise CouldNotLook(f"url: '{url}' is no address of a site") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CouldNotLook(f"url: '{url}' is no address of a site")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def find_program(given: str | None = None) -> str:
    """The browser: the one given, or the first that is found by its name; CouldNotLook where there is none."""
    found = given or next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if not found or not os.access(found, os.X_OK):
        raise CouldNotLook(f"{found or PROGRAMS[0]} is not installed on the controller; tools/bootstrap installs it")
    return found


@asynccontextmanager
async def chromium(
    url: str,
    program: str | None = None,
    addresses: Sequence[str] = (),
    ca_path: str | None = None,
    headers: Mapping[str, str] | None = None,
    patience: float = 30,
) -> AsyncIterator[Chromium]:
    """Start the browser with a home of its own, in which the CAs of ``ca_path`` are trusted, and end it."""
    base = base_of(url)
    found = find_program(program)
    switches = [*SWITCHES, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    if addresses:
        place = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        switches.append(f"--host-resolver-rules=MAP {urlsplit(base).hostname} {place}")
    with tempfile.TemporaryDirectory(prefix="tickbox-browser-", ignore_cleanup_errors=True) as home:
        if ca_path:
            trust(Path(home), Path(ca_path))
        async with async_api.async_playwright() as playwright:
            try:
                browser = await playwright.chromium.launch(
                    executable_path=found, args=switches, env={**os.environ, "HOME": home, "XDG_CONFIG_HOME": home}
                )
            except BrowserError as error:
                raise CouldNotLook(f"{found} does not start: {first_line(error)}") from None
            try:
                yield Chromium(browser, base, headers or {}, patience)
            finally:
                await browser.close()


def trust(home: Path, ca_path: Path) -> None:
    """Make the certificates of a file trusted by the browsers of this home, which still check name, dates and chain."""
    try:
        found = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", ca_path.read_text("ascii"), re.DOTALL)
    except (OSError, UnicodeDecodeError) as error:
        raise CouldNotLook(f"ca_path: {ca_path} cannot be used: {error}") from None
    if not found:
        raise CouldNotLook(f"ca_path: {ca_path} holds no certificate")
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    certutil = ["certutil", "-d", f"sql:{database}"]
    try:
        subprocess.run([*certutil, "-N", "--empty-password"], check=True, capture_output=True)
        for number, certificate in enumerate(found):
            command = [*certutil, "-A", "-a", "-t", "C,,", "-n", f"tickbox-{number}"]
            subprocess.run(command, check=True, capture_output=True, input=certificate.encode())
    except FileNotFoundError:
        raise CouldNotLook("certutil is not installed on the controller (Debian package libnss3-tools)") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().split("\n", 1)[0]
        raise CouldNotLook(f"ca_path: {ca_path} cannot be used: {said}") from None
