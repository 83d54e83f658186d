"""An earlier release is asked on a spare socket."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import try_release
from ansible.module_utils.tickbox import spare_start
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.configuration import read_environment_file
from ansible.module_utils.tickbox.trial import environment_file

Run = Callable[..., dict[str, Any]]
REQUESTS = [
    {"name": "front page", "path": "/", "contains": "hello"},
    {"path": "/orders", "method": "post", "body": {"article": 1}, "status": 201, "json": {"article": 1}},
]


@contextmanager
def process(socket: Path, health: int = 200, page: str = "hello") -> Iterator[None]:
    """What answers like the application's process."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or page.encode()
            self.send_response(health if self.path == "/healthz" else 201 if self.command == "POST" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Request-ID", self.headers.get("X-Request-ID", ""))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def address_string(self) -> str:
            return "the test"

        def log_message(self, *_: Any) -> None:
            pass

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    with Server(str(socket), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@pytest.fixture
def tried(run_module: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """What the module says of a process that answers so."""

    def run(requests: Any = None, doubt: str = "", **answers: Any) -> dict[str, Any]:
        @contextmanager
        def spare(unit_file: Path, instance: str, socket: Path, environment: dict[str, str]) -> Iterator[tuple[str, Path]]:
            assert environment == {"DATABASE_URL": "the copy"}
            assert (unit_file.name, instance, socket.name) == ("shop-web@v1.service", "v1", "v1.sock")
            if doubt:
                raise CouldNotLook(doubt)
            with process(tmp_path / "spare.sock", **answers):
                yield "trial", tmp_path / "spare.sock"

        monkeypatch.setattr(try_release, "spare", spare)
        monkeypatch.setattr(spare_start, "last_words", lambda unit: f"{unit} said so")
        unit = "/etc/systemd/system/shop-web@v1.service"
        given: dict[str, Any] = {"unit_file": unit, "release": "v1", "socket": "/run/shop/v1.sock"}
        asked = REQUESTS if requests is None else requests
        given["environment"] = {"DATABASE_URL": "the copy"}
        return run_module("try_release", **given, health_path="/healthz", timeout=0.3, requests=asked)

    return run


def test_a_release_that_answers(tried: Run) -> None:
    done = tried()
    assert (done["asked"], done["problems"], done["changed"]) == (2, [], False)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"page": "an error"}, "front page: the body does not hold 'hello'"),
        ({"health": 503}, "it is not well after 0.3 s: status 503; trial said so"),
        ({"doubt": "its unit has 2 commands to start with"}, "its unit has 2 commands to start with"),
        ({"requests": []}, "app_smoke_requests"),
    ],
)
def test_a_release_that_does_not(tried: Run, answers: dict[str, Any], says: str) -> None:
    done = tried(**answers)
    assert not done.get("failed")
    assert says in "; ".join(done["problems"])


@pytest.mark.parametrize("run", ["", "20260102t030405z_9f1c"])
def test_a_trial_knows_its_settings_and_its_run(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TICKBOX_RUN", raising=False)
    if run:
        monkeypatch.setenv("TICKBOX_RUN", run)
    settings = {"NAME": 'with "quotes" and \\', "COUNT": 3}
    known = {"NAME": 'with "quotes" and \\', "COUNT": "3"} | ({"TICKBOX_RUN": run} if run else {})
    assert read_environment_file(environment_file(settings)) == known
