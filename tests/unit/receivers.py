"""Receivers of notices on the loopback: a real SMTP server, and a webhook that keeps what it gets and shows it."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


class Mailbox:
    """Keeps mail, or answers as it was told."""

    def __init__(self, on_recipient: str = "", on_data: str = "") -> None:
        self.on_recipient, self.on_data = on_recipient, on_data
        self.texts: list[str] = []

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:
        if self.on_recipient:
            return self.on_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.on_data:
            return self.on_data
        mail = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        body = mail.get_body(("plain",))
        self.texts.append(f"{mail['subject']}\n{body.get_content() if body else ''}")
        return "250 OK"


@contextmanager
def mail_server(mailbox: Mailbox, password: str = "") -> Iterator[int]:
    def login(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
        return AuthResult(success=given.password == password.encode(), handled=False)

    needed: dict[str, Any] = {"authenticator": login, "auth_require_tls": False, "auth_required": True} if password else {}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(mailbox, hostname="127.0.0.1", port=port, **needed)
    server.start()
    try:
        yield port
    finally:
        server.stop()


class Hook:
    """What a webhook was sent, and how it answers. ``loses``: it accepts and keeps nothing."""

    def __init__(
        self, status: int = 200, headers: dict[str, str] | None = None, waits: float = 0, loses: bool = False, says: str = ""
    ) -> None:
        self.status, self.headers, self.waits, self.loses, self.says = status, headers or {}, waits, loses, says
        self.texts: list[str] = []


@contextmanager
def webhook(hook: Hook, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            time.sleep(hook.waits)
            if not hook.loses:
                hook.texts.append(sent)
            self.answer(hook.status, hook.headers, hook.says)

        def do_GET(self) -> None:
            self.answer(200, {}, "\n".join(hook.texts))

        def answer(self, status: int, headers: dict[str, str], body: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
