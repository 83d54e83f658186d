"""What the documents of a run say, and that nothing in a record can say it for them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import sample_run
from ansible.module_utils.tickbox.checklist import laid_out, markdown
from ansible.module_utils.tickbox.comparison import compare, run_before
from ansible.module_utils.tickbox.record import SUMMARY, Writer
from ansible.module_utils.tickbox.report import change, pretty, span
from ansible.module_utils.tickbox.site_picture import picture
from ansible.module_utils.tickbox.summary import verified
from ansible.module_utils.tickbox.timeline import maintenance, place
from probe_site import sampled

HOSTILE = sample_run.HOSTILE


def make(run_module: Any, directory: Path, **more: Any) -> dict[str, Any]:
    """Make the documents of a run."""
    given = {"checklist": sample_run.CHECKLIST, "document": sample_run.DOCUMENT, "templates": str(sample_run.TEMPLATES), **more}
    result: dict[str, Any] = run_module("run_report", directory=str(directory), **given)
    return result


def page(directory: Path) -> str:
    return (directory / "report.html").read_text()


def kept(tmp_path: Path, **more: Any) -> Path:
    """A record of a whole deployment; ``more``: facts of its end."""
    return sample_run.keep(tmp_path / "run", sample_run.events(), sample_run.facts(**more), sample_run.BEGAN + 139)


def test_the_documents_of_a_run(run_module: Any, tmp_path: Path) -> None:
    directory = sample_run.deployments(tmp_path)
    made = make(run_module, directory)
    assert (made["outcome"], made["report"]) == ("deployed", str(directory / "report.html"))
    assert not made["changed"]
    text = page(directory)
    assert len(re.findall(r'data-item="', text)) == 87
    for said in ("v1.0.0-1a2b3c4d", "v1.1.0-5e6f7a8b", "deployer@controller", "2026-01-02 03:04:05 UTC", "67 of 87 boxes ticked"):
        assert said in text
    assert "Compared with 20260101t030405z_77aa" in text
    assert {path.name for path in directory.iterdir()} >= {"checklist.md", "junit.xml", "report.html", "summary.json"}


def test_foreign_text_is_only_text(run_module: Any, tmp_path: Path) -> None:
    """Each text that a record can hold is made hostile; none of it becomes markup."""
    fixed = {"event", "time", "item", "status", "started", "ended", "seconds", "kind", "phase", "previous", "directory"}
    happened = [
        {name: value if name in fixed else HOSTILE for name, value in event.items()}
        | ({"expected": {HOSTILE: HOSTILE}, "observed": {HOSTILE: [HOSTILE]}} if event["event"] == "assertion" else {})
        for event in sample_run.events()
    ]
    happened += [{"event": "failure", "time": 1.0, "host": HOSTILE, "task": HOSTILE, "message": HOSTILE}]
    for event in happened:
        event.pop("waiver", None)
    told = sample_run.facts(from_release=HOSTILE, to_release=HOSTILE, commit=HOSTILE, outcome=HOSTILE, kept=[HOSTILE])
    directory = sample_run.keep(tmp_path / "run", happened, told, sample_run.BEGAN + 139)
    before = {
        **json.loads((directory / SUMMARY).read_text()),
        "run_id": HOSTILE,
        "started": 1.0,
        "phases": [{"name": HOSTILE, "seconds": 1}],
    }
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier" / SUMMARY).write_text(json.dumps(before))
    make(run_module, directory)
    text = page(directory)
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;" in text
    assert "&amp;{{ 7 * 7 }}" in text
    assert "&amp;49" not in text
    document = (directory / "checklist.md").read_text()
    assert "\\<script>" in document
    assert re.search(r"(?<!\\)<", document) is None


def test_the_page_asks_for_nothing_and_runs_nothing(run_module: Any, tmp_path: Path) -> None:
    directory = kept(tmp_path)
    make(run_module, directory)
    text = page(directory)
    assert "default-src 'none'" in text
    assert re.findall(r"\b(?:src|srcset|action|background)=|url\(|@import|<link|<iframe|<object", text) == []
    assert set(re.findall(r'href="([^#"])', text)) == set()


def test_each_link_leads_somewhere_and_no_id_stands_twice(run_module: Any, tmp_path: Path) -> None:
    directory = sample_run.deployments(tmp_path)
    make(run_module, directory)
    ids = re.findall(r'\bid="([^"]+)"', page(directory))
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page(directory))) <= set(ids)
    assert set(re.findall(r'aria-labelledby="([^"]+)"', page(directory)).pop().split()) <= set(ids)


def test_what_is_open_is_unfolded(run_module: Any, tmp_path: Path) -> None:
    directory = kept(tmp_path)
    make(run_module, directory)
    unfolded = re.findall(r'data-status="(\w+)">\s*<details open>', page(directory))
    assert sorted(unfolded) == ["failed", "unverifiable", "waived"]


def test_a_run_that_was_cut_off(run_module: Any, tmp_path: Path) -> None:
    directory = sample_run.keep(tmp_path / "run", sample_run.events()[:40])
    assert make(run_module, directory)["outcome"] == "interrupted"
    text = page(directory)
    assert "<strong>Interrupted</strong>" in text
    assert "the run did not come to it" in text
    assert 'id="site"' not in text
    assert not (directory / SUMMARY).exists()


def test_a_run_without_a_probe_and_without_a_run_before(run_module: Any, tmp_path: Path) -> None:
    directory = kept(tmp_path, visitors=[], samples=[], window_seconds=0)
    make(run_module, directory)
    text = page(directory)
    assert 'id="site"' not in text
    assert "Nobody saw a maintenance page." in text
    assert "There is no earlier run of this kind" in text


def test_a_run_whose_latencies_were_not_kept(run_module: Any, tmp_path: Path) -> None:
    directory = kept(tmp_path, samples=[])
    make(run_module, directory)
    assert "How long the answers took was not kept." in page(directory)
    assert 'id="t-answers"' in page(directory)


@pytest.mark.parametrize("kind", ["rollback", "verify", "preflight", "backup", "restore", "something"])
def test_a_run_of_any_kind_that_did_nothing(run_module: Any, tmp_path: Path, kind: str) -> None:
    opened = {**sample_run.events()[0], "kind": kind}
    opened.pop("title")
    directory = sample_run.keep(tmp_path / "run", [opened], {"outcome": "failed"}, sample_run.BEGAN + 1)
    make(run_module, directory)
    assert "<strong>Failed</strong>" in page(directory)
    assert "No phase was begun." in page(directory)
    open_box = {"rollback": "of a deployment"}.get(kind, f"no run of the kind {kind} looks at it")
    assert f"- [ ] All unit tests pass (not looked at: {open_box})" in (directory / "checklist.md").read_text()


def test_a_record_that_does_not_hold_is_not_shown(run_module: Any, tmp_path: Path) -> None:
    directory = kept(tmp_path)
    path = directory / "results.jsonl"
    path.write_text(path.read_text().replace("3 of 3", "4 of 4", 1))
    result = make(run_module, directory)
    assert re.match(r"The record does not hold: line \d+ of .* was changed", result["msg"])
    assert not (directory / "report.html").exists()
    assert "No such file" in make(run_module, tmp_path / "none")["msg"]


def test_check_mode_only_verifies(run_module: Any, tmp_path: Path) -> None:
    directory = kept(tmp_path)
    assert make(run_module, directory, _ansible_check_mode=True)["lines"] > 80
    assert not (directory / "report.html").exists()


def test_a_page_that_cannot_be_made_leaves_the_checklist(run_module: Any, tmp_path: Path) -> None:
    directory = kept(tmp_path)
    (tmp_path / "templates").mkdir()
    given = {"templates": str(tmp_path / "templates")}
    assert make(run_module, directory, **given)["msg"].startswith(f"The report cannot be made: {tmp_path}/templates/report.html.j2")
    (tmp_path / "templates" / "report.html.j2").write_text("{{ nothing }}")
    assert make(run_module, directory, **given)["msg"].endswith("report.html.j2: 'nothing' is undefined")
    assert (directory / "checklist.md").exists()
    assert (directory / "junit.xml").exists()


def test_a_failure_after_the_close_is_shown(run_module: Any, tmp_path: Path) -> None:
    directory = kept(tmp_path)
    Writer(directory).append({"event": "unreachable", "time": 1, "host": "web2", "task": "Give back the lock", "message": "gone"})
    make(run_module, directory)
    assert "web2: Give back the lock" in page(directory)


def test_the_checklist_is_in_its_own_words_with_the_reason_beside_each_open_box(tmp_path: Path) -> None:
    summary, events = verified(kept(tmp_path), sample_run.CHECKLIST)
    document = markdown(laid_out(sample_run.DOCUMENT, sample_run.CHECKLIST, summary, events), summary)
    assert "- [x] All unit tests pass\n" in document
    assert "- [ ] No memory leaks are detected (failed: the memory of the worker grew by 41 MB" in document
    assert "- [ ] Vulnerability scanning has been performed (waived by the security officer until 2026-03-31" in document
    assert "- [ ] Run database migrations (not applicable: the release has no migration)" in document
    assert "- [ ] Dashboard is accessible (unverifiable: the dashboard could not be asked" in document
    assert "- [ ] Determine severity and impact (not looked at: of a rollback)" in document
    assert "| QA Lead |  | pending: nobody has signed it yet |  |" in document
    assert not [line for line in document.splitlines() if line.startswith("- [ ]") and "(" not in line]


def test_a_signature_has_its_name_and_its_day(tmp_path: Path) -> None:
    signed = sample_run.look("signoff.qa_lead", sample_run.BEGAN, "controller", "signoff", status="attested", summary="signed")
    signed["observed"] = {"signer": "qa-lead@example.com", "issued": "2026-01-03T08:00:00+00:00"}
    directory = sample_run.keep(tmp_path / "run", [*sample_run.events(), signed], sample_run.facts(), sample_run.BEGAN + 139)
    summary, events = verified(directory, sample_run.CHECKLIST)
    document = markdown(laid_out(sample_run.DOCUMENT, sample_run.CHECKLIST, summary, events), summary)
    assert "| QA Lead | qa-lead@example.com | attested: signed | 2026-01-03 |" in document


@pytest.mark.parametrize(
    ("title", "heading", "sentence"),
    [
        ("Interactive examples", "Interactive Examples", "interactive examples"),
        ("The shop", "Shop", "shop"),
        ("GitLab", "GitLab", "GitLab"),
    ],
)
def test_the_application_is_named_in_the_document(tmp_path: Path, title: str, heading: str, sentence: str) -> None:
    summary = {**verified(kept(tmp_path), sample_run.CHECKLIST)[0], "title": title}
    page = laid_out(sample_run.DOCUMENT, sample_run.CHECKLIST, summary, [])
    assert page["title"] == f"Deployment Checklist for {heading}"
    assert f"of the {sentence} system" in page["text"]


def test_a_run_is_compared_with_the_newest_earlier_one_of_its_kind(tmp_path: Path) -> None:
    now: dict[str, Any] = {"app": "a", "environment": "e", "kind": "deploy", "started": 10.0}
    rest: dict[str, Any] = {"outcome": "failed", "items": [], "phases": [], "seconds": 1.0}
    assert run_before(now, tmp_path) is None
    others: dict[str, dict[str, Any]] = {
        "older": {"started": 3.0},
        "old": {"started": 5.0},
        "later": {"started": 11.0},
        "elsewhere": {"started": 6.0, "environment": "f"},
        "rollback": {"started": 7.0, "kind": "rollback"},
    }
    for name, other in others.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / SUMMARY).write_text(json.dumps({**now, **rest, "run_id": name, **other}))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / SUMMARY).write_text("{")
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / SUMMARY).write_text(json.dumps({**now, "started": 9.0}))
    (tmp_path / "latest").symlink_to("old")
    before = run_before(now, tmp_path)
    assert before
    assert before["run_id"] == "old"


def test_a_comparison_says_what_changed_and_what_took_longer() -> None:
    common = {"run_id": "r", "outcome": "deployed", "started": 1.0}
    before = {**common, "items": [{"id": "a", "status": "passed"}], "phases": [{"name": "1", "seconds": 2.0}], "seconds": 9.0}
    now = {
        **common,
        "items": [{"id": "a", "status": "failed"}, {"id": "b", "status": "not_applicable"}],
        "phases": [{"name": "1", "seconds": 1.0}, {"name": "2", "seconds": 4.0}, {"name": "1", "seconds": 2.5}],
        "seconds": 8.0,
        "window_seconds": 3.0,
    }
    checklist = [{"id": name, "text": name.upper()} for name in "abc"]
    seen = compare(now, before, checklist)
    assert seen
    assert [(one["text"], one["before"], one["now"]) for one in seen["changes"]] == [
        ("A", "passed", "failed"),
        ("B", "not looked at", "not applicable"),
    ]
    assert [(one["name"], one["before"], one["now"], one["difference"]) for one in seen["times"]] == [
        ("1", 2.0, 3.5, 1.5),
        ("2", None, 4.0, None),
        ("Maintenance window", None, 3.0, None),
        ("Whole run", 9.0, 8.0, -1.0),
    ]


def test_the_window_is_from_the_first_503_to_the_first_200_after_it() -> None:
    answers, _samples = sample_run.visits(0.0)
    assert maintenance(answers) == (67.0, 79.3)
    assert maintenance(answers[:2]) == (67.0, 79.25), "it did not end"
    assert maintenance(answers[:1]) is None


def test_a_place_is_never_outside() -> None:
    assert place(-5, 200, 0, 100) == {"left": 0.0, "width": 100.0}
    assert place(150, 160, 0, 100) == {"left": 100.0, "width": 0.0}
    assert place(0, 0, 0, 0) == {"left": 0.0, "width": 0.0}


def test_a_picture_of_what_a_probe_saw() -> None:
    assert picture([], []) is None
    answers, samples = sample_run.visits(0.0)
    seen = picture(answers, samples)
    assert seen
    assert {one["kind"]: one["count"] for one in seen["counts"]} == {"answered": 124, "maintenance": 244, "none": 1}
    assert seen["requests"] == 369
    points = [tuple(map(float, point.split(","))) for point in seen["latency"]["median"].split()]
    assert len(points) == 200
    assert all(0 <= part <= 100 for point in points for part in point)
    assert sorted(points) == points
    silent = picture(
        [{"status": 0, "first": 1.0, "last": 1.0, "count": 1}], [{"at": 1.0, "answers": {"0": 1}, "median": None, "slowest": None}]
    )
    assert silent
    assert silent["latency"] is None


def test_samples_are_few_and_lose_no_answer() -> None:
    answers = [(number * 0.05, 503 if 400 < number < 800 else 200, 0.001 * (number % 7 + 1)) for number in range(36000)]
    samples = sampled(answers)
    assert len(samples) == 240
    assert sum(count for sample in samples for count in sample["answers"].values()) == 36000
    assert len(json.dumps(samples)) < 30_000
    assert sampled([]) == []
    alone = sampled([(5.0, 0, 0.1), (5.1, 0, 0.1)])
    assert alone == [{"at": 5.0, "answers": {"0": 2}, "median": None, "slowest": None}]


def test_times_are_said_for_people() -> None:
    spans = [span(seconds).replace("\N{NO-BREAK SPACE}", " ") for seconds in (0, 59.4, 59.97, 153.2, 3600, 7505)]
    assert spans == ["0.0 s", "59.4 s", "1 min 00 s", "2 min 33 s", "1 h 00 min", "2 h 05 min"]
    assert [change(seconds).replace("\N{NO-BREAK SPACE}", " ") for seconds in (0.01, 2, -2)] == [
        "the same",
        "+2.0 s",
        "\N{MINUS SIGN}2.0 s",
    ]


def test_evidence_is_text() -> None:
    assert pretty("a\nb") == "a\nb"
    assert pretty([{"a": 1}, "b"]) == '{"a": 1}\nb'
    assert pretty({"a": "b", "c": [1]}) == "a: b\nc: [1]"
    assert pretty(3) == "3"
