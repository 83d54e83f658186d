"""The documents say what is there."""

import re
from pathlib import Path

import pytest

from interactive_examples import documents
from interactive_examples.main import app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
ALERTS = [
    "TargetDown",
    "HighErrorRatio",
    "SlowResponses",
    "ServiceRestarting",
    "DiskFilling",
    "DatabaseConnectionsHigh",
    "RedisMemoryHigh",
    "BackupTooOld",
    "BackupNotRestored",
    "CertificateExpiring",
    "WorkerStalled",
]


def headings(text):
    return [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]


def test_all_documents_are_there():
    names = [document.stem for document in DOCUMENTS]
    assert names == ["api", "deployment", "maintenance", "system", "user-guide"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_links_resolve_and_nothing_is_left_open(document):
    text = document.read_text()
    assert not re.search(r"TODO|TBD|FIXME|XXX|lorem ipsum", text, re.IGNORECASE)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        linked = document.parent / name if name else document
        assert linked.exists(), target
        if anchor:
            anchors = [documents.anchor(heading) for heading in headings(linked.read_text())]
            assert anchor in anchors, target


def test_each_alert_has_a_runbook():
    sections = headings((ROOT / "docs" / "maintenance.md").read_text())
    assert [alert for alert in ALERTS if alert not in sections] == []


@pytest.mark.parametrize("alert", ALERTS)
def test_the_pages_have_the_anchors_that_alerts_name(alert):
    assert f'<h2 id="{alert.lower()}">{alert}</h2>' in documents.render("maintenance")


def test_pages_link_to_pages():
    assert ".md" not in "".join(re.findall(r'href="([^"]*)"', documents.render("system")))


def test_each_operation_is_described():
    text = (ROOT / "docs" / "api.md").read_text()
    operations = [f"{method.upper()} {path}" for path, found in app.openapi()["paths"].items() for method in found]
    assert [operation for operation in operations if f"`{operation}`" not in text] == []


def test_each_control_is_described():
    sources = "".join(path.read_text() for path in (ROOT / "frontend" / "src").glob("*.ts"))
    controls = re.findall(r'button\("([^"]+)"', sources) + re.findall(r'type: "submit"[^)]*}, "([^"]+)"', sources)
    assert len(controls) > 5
    text = (ROOT / "docs" / "user-guide.md").read_text()
    assert [control for control in controls if f"**{control}**" not in text] == []
