# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at the dashboard as an operator does, and as somebody without the login. Needs playwright and httpx."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

if TYPE_CHECKING:
    from playwright.async_api import Request

from .answers import HTTP_OK, NO_ANSWER
from .assertion import CouldNotLook, Verdict
from .browser import BrowserError, Chromium, Noise, StepFailed, WaitedInVain
from .journeys import Values
from .pages import Panel, judge_dashboard, metrics_of, newest_figure
from .site import Site, together

CLOSED = (401, 403)
QUERY = "/api/v1/query"
# A panel asks in steps of half a minute at most, and a scrape may just have been missed.
FRESH_SECONDS = 120

SETTLED = """([panel, settled]) => {
  const panels = [...document.querySelectorAll(panel)];
  return panels.length > 0 && panels.every((one) => one.matches(settled));
}"""
PANELS = """([panel, title, figures]) => [...document.querySelectorAll(panel)].map((one) => [
  (one.querySelector(title)?.textContent ?? "").trim(), one.querySelector(figures) !== null])"""


async def look_at_dashboard(chromium: Chromium, site: Site, given: Mapping[str, Any]) -> Verdict:
    """post.monitoring.dashboard. ``given``: url, user, password, and the selectors panel, settled, title and figures."""
    user, password = given["user"], given["password"]
    if not password:
        raise CouldNotLook("dashboard.password is empty")
    path = given["url"].removeprefix(chromium.base) or "/"
    open_to = await asyncio.to_thread(_open_to, site, path, user, password)
    problems = [] if site.scheme == "https" else ["its login travels without encryption"]
    noise = Noise()
    asked: list[Request] = []
    async with chromium.profile(http_credentials={"username": user, "password": password, "origin": chromium.base}) as context:
        visit = await chromium.visit(context, Values({"password": password}), noise)
        visit.page.on("request", lambda request: asked.append(request) if QUERY in urlsplit(request.url).path else None)
        shown: list[tuple[str, bool]] = []
        try:
            await visit.open(path)
            try:
                await visit.page.wait_for_function(SETTLED, arg=[given["panel"], given["settled"]], polling=100)
            except WaitedInVain:
                problems.append(f"its panels ({given['panel']}) are not all {given['settled']}")
            shown = await visit.page.evaluate(PANELS, [given["panel"], given["title"], given["figures"]])
        except (StepFailed, BrowserError) as reason:
            problems.append(f"it does not open: {str(reason).splitlines()[0]}")
        answered = [await _answered(request) for request in asked[: len(shown)]]
    if len(asked) < len(shown):
        problems.append(f"{len(shown)} panels asked {len(asked)} queries")
    panels = [
        _panel(title, visible, *(answered[number] if number < len(answered) else ("", None, 0.0, "")))
        for number, (title, visible) in enumerate(shown)
    ]
    present = await asyncio.to_thread(_present, site, panels, user, password)
    panels = [
        panel if panel.problem else Panel(**{**panel.__dict__, "absent": [m for m in metrics_of(panel.query) if m not in present]})
        for panel in panels
    ]
    # What a panel's query met is told with the panel.
    return judge_dashboard(panels, open_to, [*problems, *noise.crashes], FRESH_SECONDS)


def _open_to(site: Site, path: str, user: str, password: str) -> list[str]:
    """Who gets something other than a refusal although they have no login, and where."""
    visitors = {
        "anybody": {},
        "a wrong password": _login(user, secrets.token_hex(8)),
        "an empty password": _login(user, ""),
        "a wrong name": _login(secrets.token_hex(8), password),
    }

    def ask(what: tuple[str, str, str]) -> str:
        address, target, visitor = what
        answer = site.ask(address, target, headers=visitors[visitor])
        if answer.status == NO_ANSWER:
            raise CouldNotLook(f"the dashboard does not answer: {answer.text}")
        return "" if answer.status in CLOSED else f"{visitor} gets status {answer.status} for {target.split('?')[0]}"

    return [found for found in together(ask, product(site.addresses, [path, f"{QUERY}?query=up"], visitors)) if found]


async def _answered(request: Request) -> tuple[str, Any, float, str]:
    """The query of a request, the JSON that came back, the server's time, and what went wrong."""
    sent = parse_qs(urlsplit(request.url).query or request.post_data or "")
    query = sent.get("query", [""])[0]
    response = await request.response()
    if response is None:
        return query, None, 0.0, f"no answer ({request.failure})"
    try:
        moment = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
        return query, json.loads(await response.body()), moment, "" if response.ok else f"status {response.status}"
    except (ValueError, BrowserError) as error:
        return query, None, 0.0, f"status {response.status}, and an answer that is none: {str(error).splitlines()[0][:80]}"


def _panel(title: str, shown: bool, query: str, answer: Any, moment: float, problem: str) -> Panel:
    if not query:
        return Panel(title, shown)
    try:
        series, newest = newest_figure(answer) if answer is not None else (0, None)
    except ValueError as reason:
        return Panel(title, shown, query, problem=str(reason))
    return Panel(title, shown, query, series, None if newest is None else moment - newest, problem)


def _present(site: Site, panels: Sequence[Panel], user: str, password: str) -> set[str]:
    """Which of the metrics behind the panels there are at this moment."""
    wanted = {name for panel in panels for name in metrics_of(panel.query)}
    if not wanted:
        return set()
    pattern = "|".join(re.escape(name) for name in sorted(wanted))
    query = f'count by (__name__) ({{__name__=~"{pattern}"}})'
    answer = site.ask(site.addresses[0], f"{QUERY}?query={quote(query, safe='')}", headers=_login(user, password))
    found = answer.json()
    if answer.status != HTTP_OK or not isinstance(found, Mapping):
        raise CouldNotLook(f"the metrics behind the panels cannot be asked for: {answer.outcome}")
    try:
        return {series["metric"]["__name__"] for series in found["data"]["result"]}
    except (KeyError, TypeError):
        raise CouldNotLook("the metrics behind the panels cannot be asked for: the answer is none of Prometheus") from None


def _login(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}
