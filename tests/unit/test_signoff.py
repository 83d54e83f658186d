"""Sign-offs: which signature over which run or release counts, and what each change of one makes of it."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import signing
import yaml
from ansible.module_utils.tickbox.record import Writer, ended
from signing import AUTHOR, Keys

ROOT = Path(__file__).parents[2]
CHECKLIST = yaml.safe_load((ROOT / "checklist.yml").read_text())["items"]
ROLES = ("project_manager", "lead_developer", "qa_lead", "devops_engineer", "security_officer")
QA, OFFICER = "qa_lead", "security_officer"
FACTS = {"kind": "deploy", "app": "shop", "environment": "production"}
RELEASE = "v2-bbbb2222"
EVERY = 'namespaces="tickbox/*"'


def mailbox(role: str) -> str:
    return f"{role}@example.com"


class Case:
    """A commit, a key for each role, and the record of a run that the module run_record opens and closes."""

    def __init__(self, folder: Path, run_module: Any) -> None:
        self.run_module = run_module
        self.keys = Keys(folder)
        self.source = folder / "shop"
        self.commit = signing.repository(self.source, {"app.py": "one\n"})
        self.allowed = self.keys.allow(*[self.keys.line(mailbox(role), role, EVERY) for role in ROLES])
        self.reports = folder / "reports"
        self.releases = folder / "attestations"
        self.terms = {
            "application": "shop",
            "environment": "production",
            "allowed_signers": str(self.allowed),
            "signatories": {role: [mailbox(role)] for role in ROLES},
            "repository": str(self.source / ".git"),
        }
        self.run = self.begin()
        self.end()

    def begin(self) -> Path:
        """A run that is under way, which has seen two statements."""
        given = {"state": "opened", "reports": str(self.reports), "facts": FACTS, "checklist": CHECKLIST}
        opened = self.run_module("run_record", **given)["tickbox_run"]
        self.run = Path(opened["directory"])
        self.append(event="opened", **opened)
        self.append(event="assertion", item="deploy.release.code", status="passed", host="one", summary="as it was built")
        self.append(
            event="assertion", item="deploy.release.caches", status="failed", host="one", summary="3 keys of the old release"
        )
        return self.run

    def append(self, **event: Any) -> None:
        Writer(self.run).append({"time": time.time(), **event})

    def end(self, outcome: str = "deployed", **more: Any) -> dict[str, Any]:
        facts = {
            "outcome": outcome,
            "from_release": "v1-aaaa1111",
            "to_release": RELEASE,
            "commit": self.commit,
            "window_seconds": 4.0,
        }
        result = self.run_module(
            "run_record", state="closed", directory=str(self.run), checklist=CHECKLIST, facts={**facts, **more}
        )
        summary: dict[str, Any] = result["summary"]
        return summary

    def sign(self, role: str = QA, key: str | None = None, **more: Any) -> dict[str, Any]:
        given = {"role": role, "key": str(self.keys.make(key or role)), "reports": str(self.reports), "path": str(self.releases)}
        result: dict[str, Any] = self.run_module("sign_off", **self.terms, **{**given, **more})
        return result

    def refused(self, role: str = QA, key: str | None = None, **more: Any) -> str:
        """Why nothing was signed, and nothing was."""
        before = self.signed()
        result = self.sign(role, key, **more)
        assert result.get("failed"), result
        assert self.signed() == before
        return str(result["msg"])

    def signed(self) -> list[str]:
        return sorted(path.name for folder in (self.run, self.releases) for path in folder.rglob("*.sig"))

    def look(self, role: str = QA, **more: Any) -> dict[str, Any]:
        given = {"items": [f"signoff.{role}"], "directory": str(self.run), "report_only": True}
        assertion: dict[str, Any] = self.run_module("check_signoff", **{**self.terms, **given, **more})["assertions"][0]
        return assertion

    def held(self, *roles: str, **more: Any) -> dict[str, str]:
        given = {"release": RELEASE, "commit": self.commit, "roles": list(roles), "path": str(self.releases)}
        missing: dict[str, str] = self.run_module("release_signoff", **{**self.terms, **given, **more})["missing"]
        return missing

    def file(self, role: str = QA) -> Path:
        return self.run / "signatures" / f"{role}.json"


@pytest.fixture
def case(tmp_path: Path, run_module: Any) -> Case:
    return Case(tmp_path, run_module)


def test_nobody_has_signed_yet(case: Case) -> None:
    seen = case.look()
    assert seen["status"] == "pending"
    assert f"playbooks/signoff.yml -e signoff_role=qa_lead -e signoff_run={case.run.name}" in seen["summary"]


def test_what_is_signed_is_shown_first(case: Case) -> None:
    shown = case.sign(_ansible_check_mode=True)
    assert case.signed() == []
    text = "\n".join(shown["lines"])
    assert f"deploy of shop to production, v1-aaaa1111 -> {RELEASE}: deployed, 1 ticked, 1 not ticked, 0 waived" in text
    assert "not ticked: deploy.release.caches failed: 3 keys of the old release" in text
    assert case.commit in text
    assert ended(case.run).digest in text


def test_five_people_sign_one_after_the_other(case: Case) -> None:
    digest = ended(case.run).digest
    for role in ROLES:
        assert case.sign(role)["changed"]
        # as signoff.yml goes on: the record grows, and what was signed stays what it was
        resumed = case.run_module("run_record", state="resumed", directory=str(case.run))["tickbox_run"]
        case.append(event="resumed", **resumed)
        case.append(event="assertion", host="controller", **case.look(role))
        case.end()
    seen = {role: case.look(role) for role in ROLES}
    assert {one["status"] for one in seen.values()} == {"attested"}
    assert all(mailbox(role) in seen[role]["summary"] for role in ROLES)
    summary = json.loads((case.run / "summary.json").read_text())
    assert (ended(case.run).digest, summary["outcome"]) == (digest, "deployed")
    assert {item["id"]: item["status"] for item in summary["items"] if item["id"].startswith("signoff.")} == {
        f"signoff.{role}": "attested" for role in ROLES
    }
    assert all(mailbox(QA) in item["summary"] for item in summary["items"] if item["id"] == "signoff.qa_lead")


def test_an_agent_signs(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            if socket.exists():
                break
            time.sleep(0.05)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        key = case.keys.make(QA)
        subprocess.run(["ssh-add", "-q", str(key)], check=True, env=os.environ)
        key.unlink()
        result = case.run_module("sign_off", **case.terms, role=QA, key=f"{key}.pub", reports=str(case.reports))
        assert result.get("changed"), result
    finally:
        agent.terminate()
        agent.wait()
    assert case.look()["status"] == "attested"


def test_a_role_that_there_is_not(case: Case) -> None:
    assert "value of role must be one of" in case.refused("chief", QA)


def test_a_key_that_the_role_does_not_have(case: Case) -> None:
    assert "no valid signature of qa_lead@example.com" in case.refused(QA, "stranger")
    assert "no valid signature of qa_lead@example.com" in case.refused(QA, OFFICER)
    terms = {**case.terms, "signatories": {OFFICER: [mailbox(OFFICER)]}}
    result = case.run_module("sign_off", **terms, role=QA, key=str(case.keys.make(QA)), reports=str(case.reports))
    assert "nobody is named as qa lead" in result["msg"]


@pytest.mark.parametrize(
    "options",
    ['namespaces="git"', f'namespaces="tickbox/signoff.{OFFICER}"', 'namespaces="tickbox/*",valid-before="20200101Z"'],
    ids=["of git", "of another role", "expired"],
)
def test_a_key_that_may_not_sign_this_or_no_more(case: Case, options: str) -> None:
    case.sign()
    case.keys.allow(case.keys.line(mailbox(QA), QA, options))
    assert case.look()["status"] == "failed"
    assert "no valid signature of qa_lead@example.com" in case.refused()


def test_who_wrote_the_commit_does_not_sign_it_off(case: Case) -> None:
    case.keys.allow(case.keys.line(f"{mailbox(QA)},{AUTHOR}", QA, EVERY))
    assert "wrote the commit" in case.refused()


def test_one_key_for_two_roles(case: Case) -> None:
    case.keys.allow(case.keys.line(f"{mailbox(QA)},{mailbox(OFFICER)}", QA, EVERY))
    case.sign(QA)
    assert "each role needs a key of its own" in case.refused(OFFICER, QA)
    assert case.look(QA)["status"] == "attested"
    # whoever goes round the module
    folder = case.run / "signatures"
    content = case.file(QA).read_bytes().replace(b"signoff.qa_lead", b"signoff.security_officer")
    (folder / f"{OFFICER}.json").write_bytes(content)
    (folder / f"{OFFICER}.json.sig").write_bytes(case.keys.sign(content, QA, f"tickbox/signoff.{OFFICER}"))
    for role in (QA, OFFICER):
        assert (case.look(role)["status"], "the same key signed as" in case.look(role)["summary"]) == ("failed", True)


def flips(content: bytes) -> Iterator[bytes]:
    """The content with one byte changed, at a score of places."""
    for place in range(0, len(content), max(1, len(content) // 20)):
        yield content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("suffix", ["", ".sig"])
def test_one_byte_of_a_signature(case: Case, suffix: str) -> None:
    case.sign()
    file = case.file().with_name(case.file().name + suffix)
    content = file.read_bytes()
    for changed in flips(content):
        file.write_bytes(changed)
        assert case.look()["status"] == "failed", changed
    file.write_bytes(content)
    assert case.look()["status"] == "attested"


def test_one_byte_of_the_record_of_the_run(case: Case) -> None:
    case.sign()
    results = case.run / "results.jsonl"
    content = results.read_bytes()
    for changed in flips(content):
        results.write_bytes(changed)
        assert case.look()["status"] == "failed", changed
    results.write_bytes(content)
    assert case.look()["status"] == "attested"


def rewritten(case: Case, change: Callable[[dict[str, Any]], None]) -> None:
    """The record written anew with a change, and a chain that holds."""
    results = case.run / "results.jsonl"
    events = [json.loads(line) for line in results.read_text().splitlines()]
    results.unlink()
    for event in events:
        change(event)
        case.append(**{name: value for name, value in event.items() if name != "previous"})


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event.update(status="passed") if event.get("status") == "failed" else None,
        lambda event: event["facts"].update(outcome="rolled_back") if event["event"] == "closed" else None,
        lambda event: event.update(who="somebody else") if event["event"] == "opened" else None,
    ],
    ids=["an item", "the outcome", "who ran it"],
)
def test_a_record_that_was_written_anew(case: Case, change: Callable[[dict[str, Any]], None]) -> None:
    case.sign()
    rewritten(case, lambda event: None)
    assert case.look()["status"] == "attested"
    rewritten(case, change)
    seen = case.look()
    assert seen["status"] == "failed"
    assert "it was given for record digest" in seen["summary"]


def test_an_edited_summary_is_put_right_by_the_record(case: Case) -> None:
    path = case.run / "summary.json"
    path.write_text(path.read_text().replace('"outcome": "deployed"', '"outcome": "unchanged"'))
    assert "deployed" in "\n".join(case.sign(run=case.run.name, _ansible_check_mode=True)["lines"])
    case.end()
    assert json.loads(path.read_text())["outcome"] == "deployed"


def test_what_is_added_after_the_end_ticks_nothing_that_was_not_signed(case: Case) -> None:
    case.sign()
    for item in ("deploy.release.caches", "deploy.release.restart"):
        case.append(event="assertion", item=item, status="passed", host="one", summary="added later")
    case.append(event="assertion", item="deploy.release.code", status="failed", host="one", summary="one file edited since")
    items = {item["id"]: item["status"] for item in case.end()["items"]}
    assert (items["deploy.release.caches"], items["deploy.release.code"]) == ("failed", "failed")
    assert "deploy.release.restart" not in items


def test_half_of_a_signature(case: Case) -> None:
    case.sign()
    case.file().with_name("qa_lead.json.sig").unlink()
    assert (case.look()["status"], case.look()["summary"]) == ("failed", "qa_lead.json is there alone: its signature is gone")
    case.sign()
    case.file().unlink()
    assert case.look()["status"] == "failed"


def test_a_signature_of_another_run_or_environment(case: Case) -> None:
    case.sign()
    first = case.run
    case.begin()
    case.end()
    shutil.copytree(first / "signatures", case.run / "signatures")
    assert f"it was given for run {first.name}" in case.look()["summary"]
    case.run = first
    assert "it is for environment 'production', not 'demo'" in case.look(environment="demo")["summary"]
    case.terms["environment"] = "demo"
    assert case.look()["status"] == "failed"


def test_a_run_that_has_not_ended(case: Case) -> None:
    case.begin()
    assert "has no end" in case.refused(run=case.run.name)
    # the default is one that has
    assert case.sign()["run"] != case.run.name


def test_a_run_whose_record_is_broken(case: Case) -> None:
    results = case.run / "results.jsonl"
    results.write_text(results.read_text().replace("3 keys", "0 keys"))
    assert "was changed" in case.refused()


def test_a_run_that_there_is_not(case: Case) -> None:
    assert "holds no run 'none'" in case.refused(run="none")
    assert "holds no run '../reports'" in case.refused(run="../reports")


def test_a_run_that_never_found_its_commit(case: Case) -> None:
    case.begin()
    case.end("failed", commit="")
    assert "nothing to answer for" in case.refused(run=case.run.name)


def test_the_newest_deployment_that_went_live_is_signed(case: Case) -> None:
    live = case.run.name
    for outcome in ("failed", "unchanged"):
        case.begin()
        case.end(outcome)
    assert case.sign()["run"] == live


def test_a_sign_off_ends(case: Case) -> None:
    case.sign(days=1.0)
    assert case.look()["status"] == "attested"
    assert "ago" in case.look(days=0.0)["summary"]


def test_a_look_fails_where_a_signature_is_missing(case: Case) -> None:
    result = case.run_module("check_signoff", **case.terms, directory=str(case.run))
    assert result["failed"]
    assert len(result["assertions"]) == len(ROLES)
    for role in ROLES:
        case.sign(role)
    assert "failed" not in case.run_module("check_signoff", **case.terms, directory=str(case.run))


def test_a_staged_release_waits_for_its_signatures(case: Case) -> None:
    case.begin()
    case.end("staged")
    missing = case.held(QA, OFFICER)
    assert list(missing) == [QA, OFFICER]
    assert f"playbooks/signoff.yml -e signoff_role=qa_lead -e signoff_release={RELEASE}" in missing[QA]
    shown = case.sign(release=RELEASE, _ansible_check_mode=True)["lines"]
    assert shown[0] == f"release {RELEASE}, before it goes live"
    case.sign(QA, release=RELEASE)
    assert list(case.held(QA, OFFICER)) == [OFFICER]
    case.sign(OFFICER, release=RELEASE)
    assert case.held(QA, OFFICER) == {}
    # it is no sign-off of the run
    assert case.look()["status"] == "pending"


def test_a_signature_holds_for_one_release(case: Case) -> None:
    case.sign(QA, release=RELEASE)
    folder = case.releases / "v3-cccc"
    folder.mkdir()
    shutil.copytree(case.releases / RELEASE, folder, dirs_exist_ok=True)
    assert "it was given for release v2-bbbb2222" in case.held(QA, release="v3-cccc")[QA]
    other = signing.commit(case.source, {"app.py": "two\n"})
    assert "not '" + other in case.held(QA, commit=other)[QA]
    assert case.held(QA, environment="demo")
    assert case.held(QA, application="other")
    assert case.held(QA) == {}


def test_a_release_that_no_run_has_staged_here(case: Case) -> None:
    assert "no deployment in" in case.refused(release="v9-none")
    assert "name one of the two" in case.refused(release=RELEASE, run=case.run.name)
