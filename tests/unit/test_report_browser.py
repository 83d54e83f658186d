"""The report in a real browser, as people meet it: by keyboard, on a phone, on paper, with a screen reader's eyes."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import run_report
import sample_run
from ansible.module_utils.tickbox.browser import find_program
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

PATIENCE = 120_000  # milliseconds, on a busy machine too
PHONE = {"width": 320, "height": 640}
DESK = {"width": 1200, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_program()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield started
        started.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports of a whole deployment, and of one that was cut off."""
    folder = tmp_path_factory.mktemp("reports")
    runs = {
        "whole": sample_run.deployments(folder),
        "cut off": sample_run.keep(folder / "20260103t030405z_0000", sample_run.events(sample_run.BEGAN + 86400)[:40]),
    }
    given = {"checklist": sample_run.CHECKLIST, "document": sample_run.DOCUMENT, "templates": sample_run.TEMPLATES}
    for directory in runs.values():
        run_report.make({"directory": directory, **given}, check_mode=False)
    return {name: directory / "report.html" for name, directory in runs.items()}


def opened(browser: Browser, report: Path, **options: Any) -> Page:
    page = browser.new_page(**{"viewport": DESK, **options})
    page.set_default_timeout(PATIENCE)
    page.goto(report.as_uri())
    return page


def test_each_box_is_there_with_its_state(browser: Browser, reports: dict[str, Path]) -> None:
    page = opened(browser, reports["whole"])
    found = page.locator("[data-item]").evaluate_all("(all) => all.map((one) => [one.dataset.item, one.dataset.status])")
    assert [item for item, _status in found] == [item["id"] for item in sample_run.CHECKLIST]
    states = dict(found)
    for item, status in states.items():
        if item.startswith(("rollback.", "signoff.")):
            assert status == ("pending" if item.startswith("signoff.") else "not looked at")
        else:
            assert status == sample_run.STATUSES.get(item, ("passed", ""))[0]
    ticked = page.locator("[data-item].ticked").evaluate_all("(all) => all.map((one) => one.dataset.item)")
    assert ticked == [item for item, status in states.items() if status in ("passed", "attested")]
    assert page.locator("[data-item] .box svg").count() == len(ticked)


def test_headings_are_those_of_the_checklist_and_in_order(browser: Browser, reports: dict[str, Path]) -> None:
    page = opened(browser, reports["whole"])
    headings = page.locator("h1, h2, h3, h4").evaluate_all(
        "(all) => all.map((one) => [+one.tagName[1], one.firstChild.textContent.trim()])"
    )
    levels = [level for level, _text in headings]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    texts = [text for _level, text in headings]
    for section in sample_run.DOCUMENT["sections"]:
        assert section["title"] in texts
        assert {part["title"] for part in section.get("parts", [])} <= set(texts)
    assert [page.locator(name).count() for name in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]


def test_what_is_folded_opens_by_keyboard(browser: Browser, reports: dict[str, Path]) -> None:
    page = opened(browser, reports["whole"])
    item = page.locator('[data-item="pre.quality.unit_tests"]')
    evidence = item.get_by_text("200 OK, in 4.1 ms")
    assert not evidence.is_visible()
    page.locator("#only-open").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert evidence.is_visible()
    page.keyboard.press("Space")
    assert not evidence.is_visible()


def test_what_is_ticked_can_be_left_out(browser: Browser, reports: dict[str, Path]) -> None:
    page = opened(browser, reports["whole"])
    page.locator("#only-open").focus()
    page.keyboard.press("Space")
    assert not page.locator('[data-item="pre.quality.unit_tests"]').is_visible()
    assert not page.get_by_role("heading", name="Code Quality").is_visible()
    assert page.locator('[data-item="post.performance.memory_leaks"]').is_visible()


def test_the_timeline_and_the_site_are_shown(browser: Browser, reports: dict[str, Path]) -> None:
    page = opened(browser, reports["whole"])
    rows = page.locator("#timeline tbody tr")
    assert rows.count() == len(sample_run.PHASES)
    band = page.locator("#timeline .track .window").first.bounding_box()
    track = page.locator("#timeline .track").first.bounding_box()
    assert band
    assert track
    assert abs(band["width"] / track["width"] - 12.3 / 139) < 0.01
    pictures = page.get_by_role("img")
    assert [picture.get_attribute("aria-labelledby") for picture in pictures.all()] == [
        "t-latency d-latency",
        "t-answers d-answers",
    ]
    assert page.get_by_role("img", name="maintenance window").count() == 1
    page.get_by_text("The answers as a table").click()
    assert page.locator("#site tbody tr").count() == 5


def test_each_module_has_its_seconds(browser: Browser, reports: dict[str, Path]) -> None:
    rows = opened(browser, reports["whole"]).locator("#looks tbody tr")
    modules = {item["module"] for item in sample_run.CHECKLIST if "module" in item}
    assert {row.locator("th").inner_text() for row in rows.all()} <= modules
    assert rows.count() > len(modules) / 2


@pytest.mark.parametrize("report", ["whole", "cut off"])
def test_a_phone_scrolls_one_way_only(browser: Browser, reports: dict[str, Path], report: str) -> None:
    page = opened(browser, reports[report], viewport=PHONE)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    beyond = "(all) => all.filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML)"
    assert page.locator("body *:visible").evaluate_all(beyond) == []


def test_nothing_is_asked_for_and_nothing_runs(browser: Browser, reports: dict[str, Path]) -> None:
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(reports["whole"].as_uri())
    page.wait_for_load_state("networkidle")
    assert asked == [reports["whole"].as_uri()]
    assert said == []
    assert page.locator("script").count() == 0


@pytest.mark.parametrize(
    ("report", "scheme", "rules"),
    [("whole", "light", {}), ("whole", "dark", {"runOnly": ["color-contrast"]}), ("cut off", "light", {})],
)
def test_axe_finds_no_violation(
    browser: Browser, reports: dict[str, Path], report: str, scheme: str, rules: dict[str, Any]
) -> None:
    page = opened(browser, reports[report], color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    results = Axe().run(page, options={"resultTypes": ["violations"], **rules})
    assert results.violations_count == 0, results.generate_report()


def test_paper_has_what_is_open_unfolded(browser: Browser, reports: dict[str, Path]) -> None:
    page = opened(browser, reports["whole"])
    page.emulate_media(media="print")
    assert page.locator('[data-item="post.performance.memory_leaks"] .look').is_visible()
    assert not page.locator('[data-item="pre.quality.unit_tests"] .look').is_visible()
    assert not page.locator("nav").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
