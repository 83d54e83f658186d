"""People are told of a run: what receivers accept, refuse, lose or never answer, over real SMTP and HTTP."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox import delivery, notices
from ansible.module_utils.tickbox.record import Writer
from receivers import Hook, Mailbox, mail_server, webhook
from web import certificate

ROOT = Path(__file__).parents[2]
RUN = "20260102t030405z_9f1c"
ID = f"{RUN}-planned"
MESSAGE = f"The shop: maintenance from 22:00 UTC\nIt takes five minutes.\n\nNotice {ID}\n"
ITEM = "deploy.maintenance.notify"
SECRET = "tok3n-of-the-hook"  # noqa: S105 of these tests
Run = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set for the module stays in the test; no proxy stands between it and the loopback."""
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


def hook_url(port: int, scheme: str = "json") -> str:
    return f"{scheme}://sender:{SECRET}@127.0.0.1:{port}/hooks/{SECRET}?+X-Token={SECRET}"


def mail_url(port: int, password: str = "") -> str:
    login = f"sender:{password}@" if password else ""
    return f"mailto://{login}127.0.0.1:{port}/?from=tickbox@examples.test&to=ops@examples.test"


def send(run_module: Run, *receivers: dict[str, Any], **given: Any) -> dict[str, Any]:
    return run_module(
        "send_notices", **{"receivers": list(receivers), "run": RUN, "kind": "planned", "message": MESSAGE, "seconds": 3, **given}
    )


def told(run_module: Run, url: str, **given: Any) -> tuple[bool, str]:
    """Whether the only receiver accepted, and what it answered. Nothing of the address is in the result."""
    result = send(run_module, {"name": "hook", "url": url}, **given)
    assert SECRET not in json.dumps(result)
    (one,) = result["notice"]["receivers"]
    return one["accepted"], one["answer"]


def test_mail_and_a_webhook_are_told_at_once(run_module: Run) -> None:
    mailbox, hook = Mailbox(), Hook(waits=0.5)
    slow = Hook(waits=0.5)
    with mail_server(mailbox) as mail, webhook(hook) as first, webhook(slow) as second:
        began = time.time()
        result = send(
            run_module,
            {"name": "mail", "url": mail_url(mail)},
            {"name": "first", "url": hook_url(first)},
            {"name": "second", "url": hook_url(second)},
        )
    assert result["changed"] is True
    assert result["notice"]["id"] == ID
    seen = {one["name"]: one for one in result["notice"]["receivers"]}
    assert {name: (one["accepted"], one["answer"]) for name, one in seen.items()} == {
        "mail": (True, "accepted"),
        "first": (True, "HTTP 200"),
        "second": (True, "HTTP 200"),
    }
    assert all(began <= one["at"] <= time.time() for one in seen.values())
    assert abs(seen["first"]["at"] - seen["second"]["at"]) < 0.4, "one after the other"
    (text,) = mailbox.texts
    assert text.startswith("The shop: maintenance from 22:00 UTC\n")
    assert ID in text
    assert json.loads(hook.texts[0])["message"].endswith(ID)
    assert json.loads(hook.texts[0])["type"] == "info"


@pytest.mark.parametrize(("status", "says"), [(503, "HTTP 503"), (401, "HTTP 401"), (404, "HTTP 404")])
def test_a_webhook_that_refuses(run_module: Run, status: int, says: str) -> None:
    with webhook(Hook(status, says=SECRET)) as port:
        assert told(run_module, hook_url(port)) == (False, says)


def test_a_redirect_to_a_page_is_no_acceptance(run_module: Run) -> None:
    page = Hook()
    with webhook(page) as elsewhere, webhook(Hook(302, {"Location": f"http://127.0.0.1:{elsewhere}/login"})) as port:
        assert told(run_module, hook_url(port)) == (False, "HTTP 302")
        assert told(run_module, hook_url(port) + "&redirect=yes")[0] is False


def test_what_one_answers_is_not_taken_for_anothers(run_module: Run) -> None:
    with webhook(Hook()) as good, webhook(Hook(302, {"Location": "/"})) as bad:
        receivers = [{"name": str(number), "url": hook_url(bad if number % 2 else good)} for number in range(12)]
        told = send(run_module, *receivers)["notice"]["receivers"]
    assert [one["answer"] for one in told] == ["HTTP 200", "HTTP 302"] * 6


def test_a_service_that_refuses_with_status_200(run_module: Run) -> None:
    """What the service of Apprise reads in the answer counts as well: Rocket.Chat says so in its body."""
    with webhook(Hook(says='{"status": "error"}')) as port:
        accepted, says = told(run_module, f"rocket://sender:{SECRET}@127.0.0.1:{port}/%23general?mode=basic")
    assert accepted is False
    assert "Rocket.Chat" in says


def test_nobody_there_and_nobody_answering(run_module: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        assert told(run_module, hook_url(port), seconds=0.5) == (False, "no answer within 0.5 s")
        assert told(run_module, mail_url(port), seconds=0.5) == (False, "no answer within 0.5 s")
        assert time.monotonic() - began < 2
        assert told(run_module, hook_url(port) + "&rto=0.3") == (False, "timed out")
    assert told(run_module, hook_url(port)) == (False, "Connection refused")
    assert told(run_module, mail_url(port)) == (False, "Connection refused")
    assert told(run_module, f"json://{SECRET}.invalid/")[1] in {
        "Name or service not known",
        "Temporary failure in name resolution",
        "No address associated with hostname",
    }


def test_mail_that_is_refused(run_module: Run) -> None:
    with mail_server(Mailbox(on_recipient="550 5.1.1 no such user ops@examples.test")) as port:
        accepted, says = told(run_module, mail_url(port))
        assert (accepted, says.startswith("SMTP 550 5.1.1 no such user")) == (False, True), says
    with mail_server(Mailbox(on_data="451 4.3.0 try later")) as port:
        assert told(run_module, mail_url(port)) == (False, "SMTP 451 4.3.0 try later")
    with mail_server(Mailbox(), "the right one") as port:
        assert told(run_module, mail_url(port, "the%20right%20one"))[0] is True
        accepted, says = told(run_module, mail_url(port, SECRET))
        assert (accepted, says.startswith("SMTP 535 ")) == (False, True), says


def test_certificates_are_checked(run_module: Run, tmp_path: Path) -> None:
    ca, tls = certificate(tmp_path, "localhost")
    (tmp_path / "other").mkdir()
    other, _ = certificate(tmp_path / "other", "localhost")
    with webhook(Hook(), tls) as port:
        url = f"jsons://localhost:{port}/hooks/{SECRET}"
        assert told(run_module, url, ca_path=str(ca)) == (True, "HTTP 200")
        accepted, says = told(run_module, url, ca_path=str(other))
        assert (accepted, says.startswith("certificate verify failed")) == (False, True), says


def test_bad_receivers_are_named_and_nothing_is_sent(run_module: Run) -> None:
    hook = Hook()
    with webhook(hook) as port:
        good = {"name": "good", "url": hook_url(port)}
        for bad, scheme in ((f"nonsense://{SECRET}", "nonsense"), (SECRET, "no scheme"), (f"json://:{SECRET}", "json")):
            result = send(run_module, good, {"name": "pager", "url": bad})
            assert result["failed"]
            assert f"pager: Apprise cannot use the address ({scheme})" in result["msg"]
            assert SECRET not in json.dumps(result)
        assert "more than once" in send(run_module, good, good)["msg"]
        assert "does not hold the notice's id" in send(run_module, good, message=f"Maintenance {ID}\nsoon")["msg"]
        assert send(run_module, good, _ansible_check_mode=True)["notice"] == {}
    assert hook.texts == []


def test_nobody_to_tell_is_no_crash(run_module: Run) -> None:
    assert send(run_module)["notice"]["receivers"] == []


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The record of a run that began at 1000 and whose maintenance has not."""
    folder = tmp_path / "record"
    folder.mkdir()
    Writer(folder).append({"event": "opened", "time": 1000.0, "id": RUN})
    return folder


def accepted(name: str = "hook", at: float = 1100.0, **given: Any) -> dict[str, Any]:
    return {"name": name, "scheme": "json", "accepted": True, "answer": "HTTP 200", "seconds": 0.1, "at": at, **given}


def check(run_module: Run, directory: Path, *told: dict[str, Any], **given: Any) -> tuple[str, str]:
    receivers = [{"name": "hook", "url": hook_url(1)}]
    notice = {"id": ID, "kind": "planned", "receivers": list(told)}
    arguments = {"item": ITEM, "receivers": receivers, "notice": notice, "run": RUN, "directory": str(directory), "seconds": 0.5}
    result = run_module("check_notices", **{**arguments, "report_only": True, **given})
    assert SECRET not in json.dumps(result)
    (seen,) = result["assertions"]
    return seen["status"], seen["summary"]


def test_everybody_was_told(run_module: Run, directory: Path) -> None:
    assert check(run_module, directory, accepted()) == ("passed", f"{ID} accepted by hook (HTTP 200, 0.1 s)")
    Writer(directory).append({"event": "phase", "time": 1101.0, "phase": "maintenance", "name": "4. Maintenance mode"})
    assert check(run_module, directory, accepted())[0] == "passed"


@pytest.mark.parametrize(
    ("told", "given", "says"),
    [
        ([], {"receivers": []}, "nobody is told: name receivers in notify_receivers"),
        ([accepted()], {"receivers": [{"name": "hook", "url": "json://a"}] * 2}, "names hook more than once"),
        ([], {}, "hook was not told"),
        ([accepted("other")], {}, "hook was not told"),
        ([accepted(accepted=False, answer="HTTP 503")], {}, "hook did not accept it: HTTP 503"),
        ([accepted()], {"notice": {}}, "no notice was sent"),
        ([accepted()], {"run": "20260102t000000z_0000"}, f"the notice is {ID}, not 20260102t000000z_0000-planned"),
        ([accepted()], {"kind": "live"}, f"the notice is {ID}, not {RUN}-live"),
        ([accepted(at=999.0)], {}, "before the run began"),
        ([accepted(at=1200.0)], {}, "when maintenance had begun at 00:20:00 UTC"),
    ],
)
def test_somebody_was_not(run_module: Run, directory: Path, told: list[dict[str, Any]], given: dict[str, Any], says: str) -> None:
    Writer(directory).append({"event": "phase", "time": 1200.0, "phase": "maintenance", "name": "4. Maintenance mode"})
    status, summary = check(run_module, directory, *told, **given)
    assert (status, says in summary) == ("failed", True), summary


def test_after_a_rollback_maintenance_has_been(run_module: Run, directory: Path) -> None:
    Writer(directory).append({"event": "phase", "time": 1050.0, "phase": "maintenance", "name": "4. Maintenance mode"})
    assert check(run_module, directory, accepted(), item="rollback.close.notify")[0] == "passed"


def test_a_record_that_says_nothing(run_module: Run, directory: Path) -> None:
    (directory / "results.jsonl").write_text("")
    assert check(run_module, directory, accepted())[0] == "unverifiable"
    (directory / "results.jsonl").write_text("no record\n")
    assert check(run_module, directory, accepted())[0] == "unverifiable"
    assert check(run_module, directory / "none", accepted())[0] == "unverifiable"


def test_a_receiver_that_loses_what_it_accepts(run_module: Run, directory: Path) -> None:
    def seen(hook: Hook) -> tuple[str, str]:
        with webhook(hook) as port:
            receiver = {"name": "hook", "url": hook_url(port), "kept_url": f"http://reader:{SECRET}@127.0.0.1:{port}/{SECRET}"}
            notice = send(run_module, receiver)["notice"]
            notice["receivers"][0]["at"] = 1100.0
            return check(run_module, directory, receivers=[receiver], notice=notice)

    status, summary = seen(Hook())
    assert (status, "(HTTP 200, seen there, " in summary) == ("passed", True)
    status, summary = seen(Hook(loses=True))
    assert (status, summary) == ("failed", "hook accepted it and does not have it")
    gone = [{"name": "hook", "url": hook_url(1), "kept_url": f"http://reader:{SECRET}@127.0.0.1:1/"}]
    status, summary = check(run_module, directory, accepted(), receivers=gone)
    assert (status, summary) == ("unverifiable", "hook accepted it, and cannot be looked at: ConnectError")
    refused = {**accepted(), "accepted": False}
    assert check(run_module, directory, refused, receivers=gone)[0] == "failed"


def test_receivers_are_looked_at_before_anything_changes(run_module: Run) -> None:
    def look(*receivers: dict[str, str]) -> dict[str, Any]:
        return run_module("check_notices", item=ITEM, receivers=list(receivers))

    good = {"name": "hook", "url": hook_url(1)}
    assert look(good)["assertions"] == []
    assert "nobody is told" in look()["msg"]
    result = look(good, {"name": "pager", "url": f"nonsense://{SECRET}"})
    assert [one["status"] for one in result["assertions"]] == ["failed"]
    assert "pager: Apprise cannot use the address (nonsense)" in result["msg"]
    assert SECRET not in json.dumps(result)


def test_nothing_of_an_address_is_left_in_a_text() -> None:
    url = f"jsons://me:{SECRET}%21@host.test/a/pa%20th?+X={SECRET}x&to=ops@host.test"
    text = delivery.without(f"cannot send to {url} ({SECRET}! at HOST.test), pa th, {SECRET}x", url)
    assert SECRET not in text
    assert "host.test" not in text.lower()
    assert "cannot send" in text


def test_a_notice_is_known_by_run_and_kind() -> None:
    assert notices.notice_id(RUN, "planned") == ID


@pytest.mark.parametrize("status", [200, 503])
def test_nothing_of_an_address_is_in_ansibles_output(status: int) -> None:
    with webhook(Hook(status, says=SECRET)) as port:
        given = {"receivers": [{"name": "hook", "url": hook_url(port)}], "run": RUN, "kind": "planned", "message": MESSAGE}
        ansible = str(Path(sys.executable).with_name("ansible"))
        done = subprocess.run(
            [ansible, "localhost", "-vvvv", "--inventory=localhost,", "--connection=local", "--module-name=send_notices",
             f"--args={json.dumps(given)}"],
            capture_output=True, text=True, check=False, cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        )  # fmt: skip
    assert f"HTTP {status}" in done.stdout
    assert SECRET not in done.stdout + done.stderr
