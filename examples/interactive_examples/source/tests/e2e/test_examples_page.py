import pytest
from playwright.sync_api import expect

PASSWORD = "the administrator's"


def type_code(page, code):
    page.locator("#editor .view-lines").click()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(code)


def log_in(page):
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#who")).to_have_text("admin")


@pytest.fixture
def opened(page):
    page.goto("/")
    expect(page.locator("#examples a").first).to_be_visible()
    expect(page.get_by_role("button", name="Run")).to_be_enabled()
    return page


def test_each_example_opens_and_runs(opened):
    for link in opened.locator("#examples a").all():
        title = link.text_content()
        link.click()
        expect(opened.locator("#title")).to_have_text(title)
        opened.get_by_role("button", name="Run").click()
        expect(opened.locator("#status")).to_have_text("Finished.", timeout=10_000)
        expect(opened.locator("#stdout")).not_to_be_empty()


def test_the_editor_colours_code_and_its_worker_lives(opened):
    expect(opened.locator("#editor .mtk6, #editor .mtk5, #editor .mtk8").first).to_be_visible()
    for _ in range(100):  # it begins some time after the colours are there
        if opened.workers:
            break
        opened.wait_for_timeout(100)
    assert any("editor" in worker.url for worker in opened.workers)


def test_changed_code_runs_and_is_kept(opened):
    type_code(opened, "print(6 * 7)")
    opened.get_by_role("button", name="Run").click()
    expect(opened.locator("#stdout")).to_have_text("42\n")
    opened.reload()
    expect(opened.locator("#editor .view-lines")).to_contain_text("print(6")
    opened.get_by_role("button", name="Reset").click()
    expect(opened.locator("#editor .view-lines")).to_contain_text("name")
    opened.reload()
    expect(opened.locator("#editor .view-lines")).to_contain_text("name")


def test_copy(opened):
    type_code(opened, "print('copied')")
    opened.get_by_role("button", name="Copy").click()
    expect(opened.locator("#message")).to_have_text("Copied.")
    assert opened.evaluate("navigator.clipboard.readText()") == "print('copied')"


def test_errors_and_time_out_are_shown(opened):
    type_code(opened, "1 / 0")
    opened.get_by_role("button", name="Run").click()
    expect(opened.locator("#stderr")).to_contain_text("ZeroDivisionError")
    expect(opened.locator("#status")).to_have_text("Ended with exit code 1.")
    type_code(opened, "while True: pass")
    opened.get_by_role("button", name="Run").click()
    expect(opened.locator("#status")).to_have_text("Stopped: the program took too long.", timeout=15_000)


@pytest.mark.parametrize(
    ("status", "body", "shown"),
    [
        (429, '{"message": "Too many requests. Try again in 9 seconds.", "request_id": "x"}', "Try again in 9 seconds"),
        (503, "<html>maintenance</html>", "not available at the moment"),
    ],
)
def test_refusals_are_shown_and_the_page_recovers(opened, status, body, shown):
    opened.route("**/api/run", lambda route: route.fulfill(status=status, body=body))
    opened.get_by_role("button", name="Run").click()
    expect(opened.locator("#message")).to_contain_text(shown)
    opened.unroute("**/api/run")
    opened.get_by_role("button", name="Run").click()
    expect(opened.locator("#status")).to_have_text("Finished.")
    expect(opened.locator("#message")).to_be_hidden()
    opened.complaints.clear()  # the browser itself notes the refused request


def test_a_stopped_backend_is_shown(opened):
    opened.route("**/api/run", lambda route: route.abort())
    opened.get_by_role("button", name="Run").click()
    expect(opened.locator("#message")).to_contain_text("cannot be reached")
    expect(opened.get_by_role("button", name="Run")).to_be_enabled()
    opened.complaints.clear()


def test_results_are_saved_opened_and_deleted(opened):
    expect(opened.get_by_role("button", name="Save result")).to_be_disabled()
    log_in(opened)
    type_code(opened, "print('<img src=x onerror=alert(1)>')")
    opened.get_by_role("button", name="Run").click()
    expect(opened.locator("#stdout")).to_contain_text("<img")
    opened.get_by_role("button", name="Save result").click()
    saved = opened.locator("#results li[data-result]").first
    expect(saved.locator("pre")).to_have_text("<img src=x onerror=alert(1)>\n")
    assert opened.locator("#app img").count() == 0
    opened.get_by_role("button", name="Reset").click()
    saved.get_by_role("button", name="Open").click()
    expect(opened.locator("#editor .view-lines")).to_contain_text("onerror")
    saved.get_by_role("button", name="Delete").click()
    expect(opened.locator("#results li[data-result]")).to_have_count(0)
    opened.get_by_role("button", name="Log out").click()
    expect(opened.get_by_role("button", name="Log in")).to_be_visible()


def test_a_wrong_password_is_shown(opened):
    opened.get_by_label("Name").fill("admin")
    opened.get_by_label("Password").fill("wrong")
    opened.get_by_role("button", name="Log in").click()
    expect(opened.locator("#message")).to_have_text("The name or the password is wrong.")
    opened.complaints.clear()


def test_an_unknown_example_is_shown(opened):
    opened.goto("/#none")
    opened.reload()
    expect(opened.locator("#message")).to_have_text("There is no such example.")
    opened.complaints.clear()


def test_administration(opened):
    log_in(opened)
    opened.get_by_role("link", name="Administration").click()
    opened.get_by_label("Name").fill("from-the-page")
    opened.get_by_label("Password").fill("a long password")
    opened.get_by_role("button", name="Create user").click()
    expect(opened.locator("#message")).to_have_text("Created from-the-page.")
    row = opened.locator("#users tr", has_text="from-the-page")
    row.get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)
    expect(opened.locator("#activity")).to_contain_text("user_deleted")
    opened.get_by_role("link", name="Back to the examples").click()
    expect(opened.locator("#title")).not_to_be_empty()


def test_the_administrators_page_is_closed_to_others(page):
    answer = page.goto("/admin")
    assert answer.status == 401
    page.complaints.clear()
