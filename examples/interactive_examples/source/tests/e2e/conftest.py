import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import pytest
import services
from playwright.sync_api import sync_playwright

services.require()

# What nginx sends in production.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; frame-ancestors 'none'"
)
PATIENCE_SECONDS = 30


@pytest.fixture(scope="session")
def site():
    """The application as it runs in production, with gunicorn, and this checkout's build."""
    if not (services.ROOT / "frontend" / "dist" / "index.html").exists():
        pytest.fail("The frontend is not built: npm run build --prefix frontend")
    services.alembic("upgrade", "head")
    port = with_spare_port()
    address = f"http://localhost:{port}"
    command = ["gunicorn", "interactive_examples.main:app", "--worker-class", "uvicorn_worker.UvicornWorker"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--workers", "2", "--bind", f"127.0.0.1:{port}"],
            cwd=services.ROOT,
            stdout=log,
            stderr=log,
        )
        try:
            wait_for(address + "/healthz")
            yield address
        finally:
            process.terminate()
            process.wait()
            log.seek(0)
            print(log.read().decode())


def with_spare_port():
    from with_services import spare_port

    return spare_port()


def wait_for(address):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address):  # noqa: S310 - our own address
                return
        except urllib.error.URLError:
            time.sleep(0.1)
    pytest.fail(f"{address} does not answer")


@pytest.fixture(scope="session")
def browser():
    program = os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if program is None:
        pytest.exit("chromium is not installed", returncode=2)
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, site):
    """A fresh profile, under production's policy; whatever the console complains about fails the test."""
    context = browser.new_context(base_url=site, permissions=["clipboard-read", "clipboard-write"])
    context.route("**/*", with_policy)
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.complaints = complaints
    yield page
    context.unroute_all(behavior="ignoreErrors")  # requests may still be under way
    context.close()
    assert complaints == []


def with_policy(route):
    response = route.fetch()
    route.fulfill(response=response, headers={**response.headers, "content-security-policy": POLICY})
