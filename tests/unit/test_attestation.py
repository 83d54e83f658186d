"""Attestations: whose signature over what counts, and what each edit of a record makes of it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import signing
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.attestation import BadAttestation, Wanted, judge_cause, namespace, read_record, says_nothing
from hypothesis import given, settings
from hypothesis import strategies as st
from signing import AUTHOR, Keys

AUDIT, BUGS, CAUSE = "pre.security.audit", "pre.quality.no_critical_bugs", "rollback.close.root_cause"
OFFICER, OTHER = "officer@example.com", "other@example.com"
STATEMENT = "Audit of March by the security team, report 2026-17"
QUERY = "label:critical state:open"


def finding(severity: str = "medium", state: str = "open") -> dict[str, str]:
    return {"title": "Session outlives a password", "severity": severity, "state": state}


class Case:
    """A commit, the keys of its author and of two officers, and records that the module attest writes."""

    def __init__(self, folder: Path, run_module: Any) -> None:
        self.run_module = run_module
        self.keys = Keys(folder)
        self.source = folder / "shop"
        self.commit = signing.repository(self.source, {"app.py": "one\n"})
        self.records = folder / "records"
        self.allowed = self.keys.allow(
            self.keys.line(OFFICER, "officer"), self.keys.line(OTHER, "other"), self.keys.line(AUTHOR, "author")
        )

    def attest(self, item: str = AUDIT, key: str = "officer", **more: Any) -> Path:
        given = {"item": item, "application": "shop", "environment": "production", "commit": self.commit, "statement": STATEMENT}
        result = self.run_module("attest", key=str(self.keys.make(key)), path=str(self.records), **{**given, **more})
        assert result["changed"], result
        return Path(result["record"])

    def resign(self, file: Path, record: Any, item: str = AUDIT, key: str = "officer") -> None:
        content = record if isinstance(record, bytes) else json.dumps(record).encode()
        file.write_bytes(content)
        file.with_name(f"{file.name}.sig").write_bytes(self.keys.sign(content, key, namespace(item)))

    def look(self, **more: Any) -> dict[str, Any]:
        given = {
            "repository": str(self.source / ".git"),
            "commit": self.commit,
            "application": "shop",
            "environment": "production",
            "path": str(self.records),
            "allowed_signers": str(self.allowed),
            "signers": [OFFICER],
            "report_only": True,
        }
        assertion: dict[str, Any] = self.run_module("check_attestation", **{**given, **more})["assertions"][0]
        return assertion

    def bugs(self, file: Path, **more: Any) -> dict[str, Any]:
        given = {
            "items": [BUGS],
            "repository": str(self.source / ".git"),
            "commit": self.commit,
            "version": "v1",
            "application": "shop",
            "environment": "production",
            "export": str(file),
            "tracker_allowed_signers": str(self.allowed),
            "tracker_signers": [OFFICER],
            "query": QUERY,
            "report_only": True,
        }
        assertion: dict[str, Any] = self.run_module("check_review", **{**given, **more})["assertions"][0]
        return assertion


@pytest.fixture
def case(tmp_path: Path, run_module: Any) -> Case:
    return Case(tmp_path, run_module)


def test_an_attested_audit(case: Case) -> None:
    case.attest(findings=[finding(), finding("critical", "fixed")])
    seen = case.look()
    assert seen["status"] == "attested", seen["summary"]
    assert STATEMENT in seen["summary"]
    assert seen["observed"]["signer"].startswith(OFFICER)


def test_what_is_attested_fails_no_task(case: Case) -> None:
    case.attest()
    given = {"commit": case.commit, "application": "shop", "environment": "production", "signers": [OFFICER]}
    paths = {"repository": str(case.source / ".git"), "path": str(case.records), "allowed_signers": str(case.allowed)}
    assert "failed" not in case.run_module("check_attestation", **given, **paths)
    assert case.run_module("check_attestation", **{**given, **paths, "signers": [OTHER]})["failed"]


def test_a_signer_of_a_demo_is_called_one(case: Case) -> None:
    case.attest()
    assert "demo signer" not in case.look()["summary"]
    demo = "security_officer@examples.test"
    case.keys.allow(case.keys.line(demo, "officer"))
    seen = case.look(signers=[demo])
    assert f"signed as security officer by demo signer {demo}" in seen["summary"]


def test_nothing_was_signed_yet(case: Case) -> None:
    seen = case.look()
    assert seen["status"] == "unverifiable"
    assert "attest.yml -e item=pre.security.audit" in seen["summary"]
    file = case.attest()
    file.with_name(f"{file.name}.sig").unlink()
    assert case.look()["status"] == "unverifiable"


def test_in_check_mode_nothing_is_written(case: Case) -> None:
    given = {"item": AUDIT, "application": "shop", "environment": "production", "commit": case.commit, "statement": STATEMENT}
    key = str(case.keys.make("officer"))
    assert case.run_module("attest", key=key, path=str(case.records), _ansible_check_mode=True, **given)["changed"]
    assert not case.records.exists()
    failed = case.run_module("attest", key=str(case.keys.folder / "none"), path=str(case.records), **given)
    assert "cannot sign" in failed["msg"]
    failed = case.run_module("attest", key=key, path=str(case.records), **{**given, "statement": "fine"})
    assert "says nothing: 'fine'" in failed["msg"]


@pytest.mark.parametrize("position", [0, 30, -3])
def test_one_byte_of_the_record_edited(case: Case, position: int) -> None:
    file = case.attest()
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(bytes(content))
    assert "no valid signature" in case.look()["summary"]


def test_the_signature_of_another_record(case: Case) -> None:
    case.attest()
    signature = (case.records / case.commit / f"{AUDIT}.json.sig").read_bytes()
    file = case.attest(statement="Another audit, which nobody has carried out")
    file.with_name(f"{file.name}.sig").write_bytes(signature)
    assert case.look()["status"] == "failed"
    file.with_name(f"{file.name}.sig").write_bytes(signature[:80])
    assert "cut short" in case.look()["summary"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"environment": "staging"}, "environment 'staging', not 'production'"),
        ({"commit": "d" * 40}, "it is for commit"),
        ({"item": "signoff.qa_lead"}, "item 'signoff.qa_lead'"),
        ({"application": "forum"}, "application 'forum'"),
        ({"expires": "2026-01-01T00:00:00+00:00"}, "it expired 2026-01-01"),
        ({"issued": "2999-01-01T00:00:00+00:00"}, "in the future"),
        ({"issued": "2020-01-01T00:00:00+00:00"}, "at most may be"),
        ({"expires": "2999-01-01T00:00:00"}, "has no time zone"),
        ({"expires": "soon"}, "is not a time"),
        ({"findings": [finding("critical")]}, "1 critical findings are open: Session outlives"),
        ({"findings": [finding("dire")]}, "a finding of the record is not"),
        ({"findings": [{"title": "x"}]}, "a finding of the record is not"),
        ({"findings": {}}, "findings of the record is no list"),
        ({"statement": " "}, "blank"),
        ({"statement": "ok"}, "says nothing: 'ok'"),
        ({"statement": "TODO: say what was looked at"}, "says nothing"),
        ({"statement": "." * 40}, "says nothing"),
        ({"nonce": "1"}, "its nonce is none"),
        ({"nonce": None}, "nonce of the record is blank"),
    ],
)
def test_a_signed_record_that_does_not_count(case: Case, change: dict[str, Any], says: str) -> None:
    file = case.attest()
    case.resign(file, {**json.loads(file.read_text()), **change})
    seen = case.look()
    assert seen["status"] == "failed"
    assert says in seen["summary"]


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff", b'{"item": 1, "item": 2}', b"[" * 100000])
def test_signed_garbage(case: Case, content: bytes) -> None:
    file = case.attest()
    case.resign(file, content)
    assert "the record" in case.look()["summary"]
    assert case.look()["status"] == "failed"


def test_who_may_sign(case: Case) -> None:
    case.attest(key="other")
    assert "no valid signature of officer@example.com" in case.look()["summary"]
    assert case.look(signers=[OFFICER, OTHER])["status"] == "attested"
    assert case.look(signers=[])["status"] == "unverifiable"
    case.attest(key="author")
    assert "wrote the commit" in case.look(signers=[AUTHOR])["summary"]
    case.allowed = case.keys.allow(case.keys.line(f"{OFFICER},{AUTHOR}", "officer"))
    case.attest()
    assert "wrote the commit" in case.look()["summary"]


@pytest.mark.parametrize("options", ['namespaces="git"', 'namespaces="tickbox/signoff.*"', 'valid-before="20200101"'])
def test_a_key_for_something_else_or_expired(case: Case, options: str) -> None:
    case.allowed = case.keys.allow(case.keys.line(OFFICER, "officer", options))
    case.attest()
    assert case.look()["status"] == "failed"


def test_an_export_of_the_tracker(case: Case) -> None:
    file = case.attest(BUGS, query=QUERY, findings=[finding("high"), finding("critical", "fixed")])
    assert case.bugs(file)["status"] == "attested"
    assert "answers the query" in case.bugs(file, query="label:other")["summary"]
    assert "answers the query" in case.bugs(file, query="")["summary"]
    assert case.bugs(file, tracker_signers=[OTHER])["status"] == "failed"
    assert case.bugs(file, tracker_allowed_signers=None)["status"] == "unverifiable"
    assert case.bugs(file.with_name("none.json"))["status"] == "unverifiable"


def test_an_export_that_is_stale_or_has_an_open_bug(case: Case) -> None:
    file = case.attest(BUGS, query=QUERY)
    record = json.loads(file.read_text())
    issued = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    case.resign(file, {**record, "issued": issued}, BUGS)
    assert "it was issued 1 days ago, 1 days at most may be" in case.bugs(file)["summary"]
    case.resign(file, {**record, "findings": [finding("critical")]}, BUGS)
    assert "1 critical bugs are open: Session outlives a password" in case.bugs(file)["summary"]
    case.resign(file, {name: value for name, value in record.items() if name != "query"}, BUGS)
    assert case.bugs(file)["status"] == "failed"


def test_the_cause_of_a_rollback(case: Case) -> None:
    file = case.attest(CAUSE)
    whole = {**json.loads(file.read_text()), "run": "run-7", "cause": "Migration 0004 renamed an unknown column and then failed"}
    wanted = Wanted(CAUSE, "shop", "production", case.commit, "lead developer", [OFFICER], [AUTHOR])

    def judge(record: dict[str, Any]) -> Any:
        case.resign(file, record, CAUSE)
        return judge_cause(file, wanted, case.allowed, "run-7", datetime.now(UTC), timedelta(days=30))

    assert judge(whole).status == "attested"
    for change in (
        {"cause": ""},
        {"cause": " " * 30},
        {"cause": "unknown"},
        {"cause": "TBD once we have looked at it"},
        {"cause": None},
    ):
        seen = judge({**whole, **change})
        assert (seen.status, seen.summary) == ("failed", "it names no cause")
    assert "of the run 'run-6'" in judge({**whole, "run": "run-6"}).summary
    assert "it is for commit" in judge({**whole, "commit": "d" * 40}).summary
    file.unlink()
    with pytest.raises(CouldNotLook, match=CAUSE):
        judge_cause(file, wanted, case.allowed, "run-7", datetime.now(UTC), timedelta(days=30))


@pytest.mark.parametrize(
    "text", ["", " ", "-" * 50, "none none none none none", "xxxxxxxxxxxxxxxxxxxxxxxx", "see FIXME in the ticket"]
)
def test_texts_that_say_nothing(text: str) -> None:
    assert says_nothing(text)
    assert not says_nothing(STATEMENT)


@given(
    st.binary(max_size=100)
    | st.dictionaries(st.sampled_from(["item", "commit", "findings"]), st.text(max_size=5)).map(
        lambda record: json.dumps(record).encode()
    )
)
@settings(max_examples=100)
def test_garbage_is_no_record(content: bytes) -> None:
    with pytest.raises(BadAttestation):
        read_record(content)
