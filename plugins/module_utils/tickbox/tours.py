# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes an application's journeys with a browser: for each item what is done and what is looked at. Needs playwright."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Dialog, Locator, Route, Worker

from .answers import TOO_MANY
from .assertion import PASSED, CouldNotLook, Verdict, verdict
from .browser import BrowserError, Chromium, Noise, StepFailed, Visit, WaitedInVain, first_line
from .journeys import COMPUTED, Part, Step, Values, looks, wants, whole_definition
from .pages import (
    CASE_KINDS,
    FIGURES,
    RUN_KINDS,
    Done,
    EditorFacts,
    Opened,
    judge_canaries,
    judge_controls,
    judge_editor,
    judge_errors,
    judge_examples,
    judge_loads,
    judge_runs,
    judge_storage,
    may_be_busy,
    trace_in,
)

ROUNDS = 3  # of page loads, the later ones only where the one before may have been slowed by this machine
# Seconds before a journey is taken again that met status 429: others may ask from the same address. Limits count by the minute.
PAUSES = (10, 20, 61)
ALIVE = 42

# Everything on a page that a person can press, follow or fill in and that no selector of the journey names.
UNNAMED = r"""(named) => {
  const kinds = "button, a, input:not([type=hidden]), select, textarea, summary, audio[controls], video[controls], [onclick], "
    + "[contenteditable]:not([contenteditable=false]), [tabindex]:not([tabindex^='-']), [draggable=true], "
    + ["button", "link", "checkbox", "switch", "radio", "tab", "menuitem", "option", "textbox", "slider", "combobox"]
      .map((role) => `[role=${role}]`).join(", ");
  const shown = (one) => one.getClientRects().length > 0
    && one.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const unnamed = (one) => shown(one) && !named.some((selector) => one.matches(selector));
  const name = (one) => `${one.tagName.toLowerCase()}${one.id ? "#" + one.id : ""}`
    + ` '${(one.innerText || one.ariaLabel || one.name || one.title || "").trim().replace(/\s+/g, " ").slice(0, 40)}'`;
  return [...document.querySelectorAll(kinds)].filter(unnamed).map(name);
}"""
FILLED = r"""([at, before]) => {
  const texts = [...document.querySelectorAll(at)].map((one) => one.innerText ?? one.value ?? "");
  const text = texts.join(" ").replace(/\s+/g, " ").trim();
  return text !== "" && text !== before ? text : "";
}"""
TOKENS = """(at) => {
  const pieces = [...document.querySelectorAll(at)].filter((one) => one.textContent.trim());
  return [...new Set(pieces.map((one) => one.className))];
}"""
# What a visitor can read, in fields as well, without what stands in the places named.
READABLE = r"""(without) => {
  const hidden = [...document.querySelectorAll(without || "none-such")].map((one) => [one, one.style.display]);
  hidden.forEach(([one]) => { one.style.display = "none"; });
  const text = document.body ? document.body.innerText : "";
  hidden.forEach(([one, display]) => { one.style.display = display; });
  return [text, ...[...document.querySelectorAll("input, textarea")].map((one) => one.value)].join("\n").trim();
}"""
WATCH_PAINT = r"""
  window.tickboxPaint = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.tickboxPaint = Math.max(window.tickboxPaint, entry.startTime);
  }).observe({ type: "largest-contentful-paint", buffered: true });
"""
FIRST_BYTE = "() => performance.getEntriesByType('navigation')[0].responseStart"
# Tells of each element that carries the canaries' mark, from the page's first moment on and however shortly it is there.
WATCH_ELEMENTS = r"""(() => {
  const mark = "data-tickbox";
  const tell = (one) => {
    if (one.nodeType === 1 && one.hasAttribute(mark)) window.tickboxElement(one.getAttribute(mark), one.tagName);
  };
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      tell(target);
      for (const added of addedNodes) {
        tell(added);
        if (added.querySelectorAll) added.querySelectorAll(`[${mark}]`).forEach(tell);
      }
    }
  }).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: [mark] });
})();"""
LINKS = r"""(nonce) => [...document.querySelectorAll("a[href], iframe[src], form[action]")]
  .map((one) => one.getAttribute("href") ?? one.getAttribute("src") ?? one.getAttribute("action"))
  .filter((target) => /^\s*(javascript|data):/i.test(target) && target.includes(nonce))"""


@dataclass(frozen=True)
class Tours:
    """The journeys of one application, taken in one browser."""

    chromium: Chromium
    journeys: Any
    secret: Mapping[str, Any]

    def part(self, name: str) -> Part:
        return whole_definition(self.journeys, name)

    async def take(self, name: str) -> Verdict:
        """Take one journey; again after a pause where it failed while requests were hindered."""
        for pause in (*PAUSES, 0):
            noise = Noise()
            try:
                seen: Verdict = await getattr(self, name)(noise)
            except StepFailed as reason:
                causes = [text for text in noise.all() if text not in str(reason)]
                seen = verdict([str(reason), *causes[:2]], "")
            except BrowserError as error:
                raise CouldNotLook(f"the browser gave up: {first_line(error)}") from None
            if seen.status == PASSED or not noise.hindered:
                break
            await asyncio.sleep(pause)
        return seen

    async def examples_load(self, noise: Noise) -> Verdict:
        part = self.part("examples_load")
        links, shown, steps = part.text("links"), part.texts("shown"), part.steps("opened")
        opened: list[Opened] = []
        async with self.chromium.profile() as context:
            visit = await self.chromium.visit(context, Values(self.secret), noise)
            await visit.go(part.steps("start"))
            await visit.quiet()
            start, before = noise.all(), dict.fromkeys(shown, "")
            for link in await visit.page.locator(links).all():
                visit.noise = Noise()
                name = " ".join((await link.inner_text()).split())
                visit.values = Values(self.secret, link=name)
                problems, texts = [], {}
                try:
                    await link.click()
                    await visit.go(steps)
                    for place in shown:
                        texts[place] = await self._filled(visit, place, before[place])
                    await visit.quiet()
                except (StepFailed, WaitedInVain, BrowserError) as error:
                    problems.append(first_line(error))
                before = {place: texts.get(place, "") for place in shown}
                opened.append(Opened(name, texts, [*visit.noise.all(), *problems]))
                noise.hindered += visit.noise.hindered
        return judge_examples(opened, int(part.number("least", 1)), start)

    async def code_execution(self, noise: Noise) -> Verdict:
        languages = self.part("code_execution").parts("languages")
        done = await asyncio.gather(*(self._programs(language, noise) for language in languages))
        return judge_runs([run for runs in done for run in runs])

    async def _programs(self, language: Part, noise: Noise) -> list[Done]:
        runs = language.parts("runs")
        for run in runs:
            _hold_honest(run)
        done = []
        async with self.chromium.profile() as context:
            visit = await self.chromium.visit(context, Values(self.secret), noise)
            await visit.go(language.steps("start"))
            for run in runs:
                visit.values = Values(self.secret)
                begun, crashes = time.monotonic(), len(noise.crashes)
                problems = await _problems(visit, run.steps("steps"))
                seconds = time.monotonic() - begun
                least = run.number("least_seconds", 0, 0)
                if not problems and seconds < least:
                    problems.append(f"it was over after {seconds:.1f} s, before the {least:g} s that it may take")
                name = f"{language.text('name')}, {run.text('name')}"
                done.append(Done(name, problems + noise.crashes[crashes:], seconds, run.text("kind")))
        return done

    async def editor(self, noise: Noise) -> Verdict:
        part = self.part("editor")
        kinds, workers = int(part.number("token_kinds", 1)), int(part.number("workers", 1))
        async with self.chromium.profile() as context:
            visit = await self.chromium.visit(context, Values(self.secret), noise)
            await visit.go(part.steps("start"))
            problems = await _problems(visit, part.steps("steps"))
            await visit.quiet()
            tokens: list[str] = []
            if not problems:
                at = part.text("tokens")
                enough = f"([at, kinds]) => ({TOKENS})(at).length >= kinds"
                try:
                    await visit.page.wait_for_function(enough, arg=[at, kinds], polling=100)
                except WaitedInVain:
                    problems.append(f"{at} tells too little apart")
                tokens = await visit.page.evaluate(TOKENS, at)
            seen = {visit.short(worker.url): await self._worker_problem(worker) for worker in visit.page.workers}
        # An editor without its worker goes on without it, and only mentions that. What else is wrong is for examples_load.
        told = [text for text in (*noise.requests, *noise.complaints, *noise.warnings) if "worker" in text.lower()]
        return judge_editor(EditorFacts(seen, tokens, [*problems, *noise.crashes, *told]), kinds, workers)

    async def _worker_problem(self, worker: Worker) -> str:
        try:
            answer = await asyncio.wait_for(worker.evaluate(f"() => {ALIVE}"), self.chromium.patience)
        except (BrowserError, TimeoutError) as error:
            return first_line(error) or "it does not answer"
        return "" if answer == ALIVE else f"it answers {answer}"

    async def local_storage(self, noise: Noise) -> Verdict:
        part = self.part("local_storage")
        start, kept = part.steps("start"), part.steps("kept")
        if not wants(kept, ["nonce"]):
            raise CouldNotLook(f"{part.where}.kept does not see <<nonce>>: what was there before would do")
        values = Values(self.secret)
        done = []
        async with self.chromium.profile() as context:
            visit = await self.chromium.visit(context, values, noise)
            await visit.go(start)
            done.append(Done("edited", await _problems(visit, [*part.steps("edit"), *kept])))
            await visit.page.reload()
            done.append(Done("after a reload", await _problems(visit, kept)))
            tab = await self.chromium.visit(context, values, noise)
            done.append(Done("in a new tab", await _problems(tab, [*start, *kept])))
        async with self.chromium.profile() as context:
            stranger = await self.chromium.visit(context, values, noise)
            problems = await _problems(stranger, [*start, *part.steps("fresh")])
            await stranger.quiet()
            page = await stranger.page.content() + json.dumps(await context.storage_state())
            if values.known["nonce"] in page or not await self._sees_not(stranger, kept):
                problems.append("the edited code is there as well")
            done.append(Done("in a fresh profile", problems))
        done.append(Done("meanwhile", noise.crashes))
        return judge_storage(done)

    async def controls(self, noise: Noise) -> Verdict:
        pages = self.part("controls").parts("pages")
        # A control may lead to another page of the journey: what one page names, each knows.
        named = [
            selector
            for page in pages
            for selector in (*page.texts("known", required=False), *(_selector(one) for one in page.parts("controls")))
        ]
        tried: list[Done] = []
        unnamed: dict[str, list[str]] = {}
        for page in pages:
            name, values = page.text("name"), Values(self.secret)
            found: dict[str, None] = {}
            async with self.chromium.profile(permissions=["clipboard-read", "clipboard-write"]) as context:
                visit = await self.chromium.visit(context, values, noise)
                try:
                    await visit.go(page.steps("start"))
                    for control in page.parts("controls"):
                        found.update(dict.fromkeys(await visit.page.evaluate(UNNAMED, values.fill_in(named))))
                        done = await self._try(visit, control)
                        tried += done
                        if any(one.problems for one in done):
                            break  # what comes after builds on it, and must not hit what is not the journey's own
                    found.update(dict.fromkeys(await visit.page.evaluate(UNNAMED, values.fill_in(named))))
                except StepFailed as reason:
                    tried.append(Done(name, [str(reason)]))
                if tried and tried[-1].problems:
                    await _problems(visit, page.steps("undo", required=False))
            unnamed[name] = list(found)
        tried += [Done("meanwhile", noise.crashes)] if noise.crashes else []
        return judge_controls(tried, unnamed)

    async def _try(self, visit: Visit, control: Part) -> list[Done]:
        """Use one control, or each that its selector finds, the last one first; its effect must not be there before."""
        name, own = control.text("name"), visit.values
        before, effect = control.steps("before", required=False), control.steps("effect")
        looking = looks(effect)
        if not looking:
            raise CouldNotLook(f"{control.where}.effect does not begin with something to see")
        await visit.go(before)
        found = visit.page.locator(own.fill_in(control.text("find"))).filter(visible=True)
        if not await found.count() and control.content.get("optional") is True:
            return []
        try:
            await found.first.wait_for()
        except WaitedInVain:
            return [Done(name, ["it is not on the page"])]
        count = await found.count()
        if count > 1 and control.content.get("each") is not True:
            return [Done(name, [f"{count} are on the page, one should be"])]
        done = []
        for number in reversed(range(count)):
            one = found.nth(number)
            text = " ".join((await one.inner_text()).split())
            visit.values = Values({}, **{**own.known, "text": text})
            visit.values.secret = own.secret
            problems = []
            if not any([await visit.problem(step) for step in looking]):
                problems.append("its effect is there already before it is used")
            else:
                problems = await self._use(visit, one, control.steps("use", required=False), effect)
            done.append(Done(f"{name} '{text}'" if count > 1 else name, problems))
        visit.values = own
        return done

    async def _use(self, visit: Visit, one: Locator, steps: Sequence[Step], effect: Sequence[Step]) -> list[str]:
        try:
            if not steps:
                await one.click()
        except BrowserError as error:
            return ["it cannot be pressed" if isinstance(error, WaitedInVain) else first_line(error)]
        return await _problems(visit, [*steps, *effect])

    async def error_handling(self, noise: Noise) -> Verdict:
        part = self.part("error_handling")
        cases, message = part.parts("cases"), part.text("message")
        done = []
        async with self.chromium.profile() as context:
            visit = await self.chromium.visit(context, Values(self.secret), noise)
            await visit.go(part.steps("start"))
            for case in cases:
                visit.values = Values(self.secret)
                problems = await self._case(visit, part, case, message)
                done.append(Done(case.text("name"), problems, kind=case.text("kind")))
        return judge_errors(done)

    async def _case(self, visit: Visit, part: Part, case: Part, message: str) -> list[str]:
        steps, recovers = case.steps("steps"), case.steps("recovers")
        at = case.text("message", message)
        route = _simulation(case, visit.noise)
        crashes = len(visit.noise.crashes)
        # A message from before would do as well.
        problems = await _problems(visit, [Step("sees", {"at": at, "state": "hidden"}, f"{case.where}.message")])
        if route:
            await visit.page.route(case.part("answer").text("to"), route)
        try:
            problems += await _problems(visit, [*steps, Step("sees", {"at": at, "state": "filled"}, f"{case.where}.message")])
            everything = await visit.page.evaluate(READABLE, "")
            readable = await visit.page.evaluate(READABLE, ", ".join(part.texts("program_output", required=False)))
            forbidden = [word for word in part.texts("forbidden", required=False) if word in everything]
            if trace := trace_in(readable) or next(iter(forbidden), ""):
                problems.append(f"the page shows '{visit.values.mask(trace)}'")
            if not readable:
                problems.append("the page is blank")
        finally:
            await visit.page.unroute_all(behavior="wait")
        problems += [f"it does not recover: {problem}" for problem in await _problems(visit, recovers)]
        return problems + visit.noise.crashes[crashes:]

    async def page_load(self, noise: Noise) -> Verdict:
        part = self.part("page_load")
        path, ready, loads = part.text("path"), part.steps("ready"), int(part.number("loads", 3, 5))
        budgets = {}
        for kind in ("cold", "warm"):
            budget = part.part("budgets").part(kind)
            if not {"first_byte_ms", "largest_paint_ms", "bytes"} <= set(budget.content) <= set(FIGURES):
                raise CouldNotLook(f"{budget.where} has to name first_byte_ms, largest_paint_ms and bytes, and may name ready_ms")
            budgets[kind] = {name: budget.number(name, 0) for name in budget.content}
        rounds: list[dict[str, list[dict[str, float]]]] = []
        while not rounds or (len(rounds) < ROUNDS and may_be_busy(rounds[-1], budgets)):
            taken: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
            for number in range(loads):
                async with self.chromium.profile() as context:
                    taken["cold"].append(await self._load(context, path, ready, noise))
                    if number == loads - 1:
                        taken["warm"] = [await self._load(context, path, ready, noise) for _ in range(loads)]
            rounds.append(taken)
        return judge_loads(rounds, budgets)

    async def _load(self, context: BrowserContext, path: str, ready: Sequence[Step], noise: Noise) -> dict[str, float]:
        visit = await self.chromium.visit(context, Values(self.secret), noise)
        network = await context.new_cdp_session(visit.page)
        sizes: list[float] = []
        network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        await network.send("Network.enable")
        await visit.page.add_init_script(WATCH_PAINT)
        await visit.go([Step("open", {"path": path}, "page_load"), *ready])
        at = await visit.page.evaluate("() => performance.now()")
        try:
            await visit.page.wait_for_function("() => window.tickboxPaint > 0", polling=100)
        except WaitedInVain:
            raise StepFailed(f"{path}: nothing was painted") from None
        await visit.quiet()
        figures = {
            "first_byte_ms": float(await visit.page.evaluate(FIRST_BYTE)),
            "largest_paint_ms": float(await visit.page.evaluate("() => window.tickboxPaint")),
            "ready_ms": float(at),
            "bytes": float(sum(sizes)),
        }
        await visit.page.close()
        return figures

    async def output_sanitization(self, noise: Noise) -> Verdict:
        part = self.part("output_sanitization")
        places = part.parts("places")
        stored = [place for place in places if place.content.get("shown") is not False]
        if not any(step.kind in ("reload", "open") for place in stored for step in place.steps("steps")):
            raise CouldNotLook(f"{part.where}.places: none opens the page anew, so nothing stored is looked at")
        values = Values(self.secret)
        marker = f"tickbox-{values.known['nonce']}"
        canaries = _canaries(values.known["nonce"], values.known["a"], values.known["b"])
        values.known.update(marker=marker, canary=" ".join([marker, *canaries.values()]))
        became: dict[str, list[str]] = {name: [] for name in canaries}
        done = []

        def tell(number: Any, what: str) -> None:
            name = next((name for name, canary in canaries.items() if f"{number}" in canary), f"{number}")
            if what not in (told := became.setdefault(name, [])):
                told.append(what)

        async def dismiss(dialog: Dialog) -> None:
            tell(dialog.message, "opened a dialog")
            await dialog.dismiss()

        # Without the site's own policy: it would hide that the page lets text become script.
        async with self.chromium.profile(bypass_csp=True) as context:
            await context.expose_function("tickboxRan", lambda number: tell(number, "ran"))
            await context.expose_function("tickboxElement", lambda number, tag: tell(number, f"became an element <{tag.lower()}>"))
            await context.add_init_script(WATCH_ELEMENTS)
            visit = await self.chromium.visit(context, values, noise)
            visit.page.on("dialog", dismiss)
            await visit.go(part.steps("start"))
            for place in places:
                problems = await _problems(visit, place.steps("steps"))
                await visit.quiet()
                text = await visit.page.evaluate(READABLE, "")
                if not problems and marker not in text and place.content.get("shown") is not False:
                    problems.append("the canary is not shown there")
                if values.known["product"] in text:
                    tell(f"{values.known['a']} * {values.known['b']}", "was computed")
                for target in await visit.page.evaluate(LINKS, values.known["nonce"]):
                    tell(target, "became a link")
                done.append(Done(place.text("name"), problems))
            problems = await _problems(visit, part.steps("undo", required=False))
            if problems and not any(place.problems for place in done):
                done.append(Done("afterwards", problems))
        return judge_canaries(done, became)

    async def _filled(self, visit: Visit, at: str, before: str) -> str:
        """The text there once there is one other than ``before``; what stands there where it stays as it was."""
        try:
            handle = await visit.page.wait_for_function(FILLED, arg=[at, before], polling=100)
            return str(await handle.json_value())
        except WaitedInVain:
            return str(await visit.page.evaluate(FILLED, [at, None]))

    async def _sees_not(self, visit: Visit, steps: Sequence[Step]) -> bool:
        return any([await visit.problem(step) for step in looks(steps)])


async def _problems(visit: Visit, steps: Sequence[Step]) -> list[str]:
    """What goes wrong with the steps; their place in the definition is left to the name of what they belong to."""
    try:
        await visit.go(steps)
    except StepFailed as reason:
        return [reason.what]
    return []


def _selector(control: Part) -> str:
    return control.text("like", control.text("find"))


def _hold_honest(run: Part) -> None:
    """Refuse a definition that would take a canned answer, or the lack of a time-out, for the right one."""
    kind, steps = run.text("kind"), run.steps("steps")
    if kind not in RUN_KINDS:
        raise CouldNotLook(f"{run.where}.kind: '{kind}' is none of {', '.join(RUN_KINDS)}")
    if kind == "time-out":
        run.number("least_seconds", 1)
    elif not wants(steps, COMPUTED):
        raise CouldNotLook(f"{run.where} sees none of <<{'>>, <<'.join(COMPUTED)}>>: a canned answer would do")


def _simulation(case: Part, noise: Noise) -> Any:
    """What answers in the place of the site; None where the site itself does."""
    kind = case.text("kind")
    if kind not in CASE_KINDS:
        raise CouldNotLook(f"{case.where}.kind: '{kind}' is none of {', '.join(CASE_KINDS)}")
    if kind == "bad code":
        return None
    answer = case.part("answer")
    if answer.content.get("refused") is True and kind == "backend stopped":
        return lambda route: route.abort("connectionrefused")
    status = int(answer.number("status", 400))
    if status not in ((TOO_MANY,) if kind == "too many requests" else (500, 502, 503, 504)):
        raise CouldNotLook(f"{answer.where}.status: {status} does not fit the kind '{kind}'")
    body, content_type = answer.text("body"), answer.text("type", "text/html")

    async def fulfil(route: Route) -> None:
        noise.hindered -= status == TOO_MANY
        await route.fulfill(status=status, body=body, content_type=content_type)

    return fulfil


def _canaries(nonce: str, a: str, b: str) -> dict[str, str]:
    """Texts that become script or elements where a page does not hold them to be text. Each says who it is."""
    return {
        "an image": f'<img src="data:," data-tickbox="{nonce}-1" onerror="tickboxRan(\'{nonce}-1\')">',
        "a drawing": f"<svg data-tickbox='{nonce}-2' onload=tickboxRan('{nonce}-2')></svg>",
        "a script": f"</pre></textarea></script><script data-tickbox={nonce}-3>tickboxRan('{nonce}-3')</script>",
        "a closed attribute": f'"\'><i data-tickbox="{nonce}-4" onmouseover="tickboxRan(\'{nonce}-4\')">x</i>',
        "an attribute": f'" data-tickbox={nonce}-5 autofocus onfocus="tickboxRan(\'{nonce}-5\')" x="',
        "an escaped element": f"&lt;b data-tickbox=&quot;{nonce}-6&quot;&gt;x&lt;/b&gt;",
        "a link": f"[x](javascript:tickboxRan('{nonce}-7'))",
        "a template": f"{{{{ {a} * {b} }}}} ${{{a} * {b}}} #{{{a} * {b}}} <%= {a} * {b} %>",
    }
