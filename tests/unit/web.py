"""A real HTTP server on the loopback for tests, with TLS from a CA of its own where asked."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Reply = tuple[int, dict[str, str], str]
Respond = Callable[[str, str, Mapping[str, str]], Reply]

LARGEST = 10**6  # of a body that is read; one that is only announced would be waited for


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as a module opens."""

    request_queue_size = 64
    daemon_threads = True


@contextmanager
def serving(respond: Respond, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve ``respond(method, path, headers)`` and yield the port."""

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "test", ""

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self.rfile.read(length if length < LARGEST else 0)
            status, headers, body = respond(self.command, self.path, dict(self.headers))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body.encode())

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = answer

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output quiet."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def certificate(folder: Path, *names: str, days: int = 30) -> tuple[Path, ssl.SSLContext]:
    """Make a CA and a certificate for ``names``; return the CA's file and the server's side of TLS."""
    now = datetime.now(UTC)

    def sign(
        subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, ca: bool
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .sign(by, hashes.SHA256())
        )

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_path, chain_path = folder / "ca.pem", folder / "server.pem"
    pem = serialization.Encoding.PEM
    ca_path.write_bytes(sign("Test CA", authority, "Test CA", authority, ca=True).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain_path.write_bytes(sign(names[0], key, "Test CA", authority, ca=False).public_bytes(pem) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain_path)
    return ca_path, context
