"""Certificates: what lies on the host, and what real TLS servers send."""

import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox import tls
from ansible.module_utils.tickbox.assertion import CouldNotLook
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from web import serving

HOST = "shop.example.com"
ITEM = "pre.environment.tls"
PLACE = tls.place
Run = Callable[..., dict[str, Any]]


@dataclass
class Signed:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def sign(subject: str, by: Signed | None = None, names: tuple[str, ...] = (), days: int = 90) -> Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(by.certificate.subject if by else named)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    return Signed(builder.sign(by.key if by else key, hashes.SHA256()), key)


@dataclass
class Site:
    """A site's certificates on the disk; what is served is what was there when the server began."""

    folder: Path
    root: Signed
    middle: Signed
    leaf: Signed

    def write(self, chain: list[Signed], key: Signed | None = None, mode: int = 0o640) -> None:
        (self.folder / "site.crt").write_bytes(b"".join(one.pem for one in chain))
        (self.folder / "site.key").write_bytes((key or chain[0]).key_pem)
        (self.folder / "site.key").chmod(mode)

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "site.crt", self.folder / "site.key")
        return context


def site(folder: Path, names: tuple[str, ...] = (HOST,), days: tuple[int, int, int] = (900, 400, 90)) -> Site:
    root = sign("Root", days=days[0])
    middle = sign("Middle", root, days=days[1])
    made = Site(folder, root, middle, sign("leaf", middle, names, days[2]))
    made.write([made.leaf, made.middle])
    (folder / "roots.pem").write_bytes(root.pem)
    return made


def on_host(run_module: Run, folder: Path) -> dict[str, Any]:
    arguments = {"certificate_path": str(folder / "site.crt"), "key_path": str(folder / "site.key"), "report_only": True}
    return run_module("check_tls", **arguments)


def outside(run_module: Run, made: Site, context: ssl.SSLContext | None = None, **given: Any) -> dict[str, Any]:
    chain = on_host(run_module, made.folder)["chain"]
    with serving(lambda *_: (200, {}, "the shop"), context or made.context()) as port:
        result = run_module(
            "check_tls",
            **{
                "url": f"https://127.0.0.1:{port}",
                "names": [HOST],
                "addresses": {"web": "127.0.0.1"},
                "chains": {"web": chain},
                "ca_path": str(made.folder / "roots.pem"),
                "report_only": True,
                **given,
            },
        )
    seen: dict[str, Any] = result["assertions"][0]
    assert seen["item"] == ITEM
    return seen


@pytest.fixture(autouse=True)
def only_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of the test's server stands for the name: it is not asked under the name '127.0.0.1' as well."""
    monkeypatch.setattr(tls, "place", lambda url: (HOST, PLACE(url)[1]))
    monkeypatch.setattr("check_tls.resolve", lambda name, port: ["127.0.0.1"])


def test_a_certificate_that_is_well(run_module: Run, tmp_path: Path) -> None:
    made = site(tmp_path)
    assert on_host(run_module, tmp_path)["assertions"][0]["status"] == "passed"
    seen = outside(run_module, made)
    assert seen["status"] == "passed", seen["summary"]
    assert "90 days; TLS 1.2 or newer alone" in seen["summary"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"names": ("other.example.com",)}, "Hostname mismatch"),
        ({"days": (900, 400, -1)}, "certificate has expired"),
        ({"days": (900, 400, 13)}, "of CN=leaf ends on"),
        ({"days": (900, 5, 90)}, "of CN=Middle ends on"),
        ({"days": (3, 400, 90)}, "of CN=Root ends on"),
        ({"days": (900, -1, 90)}, "certificate has expired"),
    ],
)
def test_names_and_ends(run_module: Run, tmp_path: Path, given: dict[str, Any], says: str) -> None:
    seen = outside(run_module, site(tmp_path, **given))
    assert seen["status"] == "failed"
    assert says in seen["summary"]


def test_an_intermediate_that_is_not_sent(run_module: Run, tmp_path: Path) -> None:
    made = site(tmp_path)
    made.write([made.leaf])
    # Even where the asking machine happens to know the intermediate.
    (tmp_path / "roots.pem").write_bytes(made.root.pem + made.middle.pem)
    seen = outside(run_module, made)
    assert seen["status"] == "failed"
    assert "unable to get local issuer certificate" in seen["summary"]


def test_another_root(run_module: Run, tmp_path: Path) -> None:
    made = site(tmp_path)
    (tmp_path / "roots.pem").write_bytes(sign("Other").pem)
    assert "does not verify" in outside(run_module, made)["summary"]


def test_renewed_and_not_reloaded(run_module: Run, tmp_path: Path) -> None:
    made = site(tmp_path)
    before = made.context()
    made.write([sign("leaf", made.middle, (HOST,)), made.middle])
    seen = outside(run_module, made, before)
    assert seen["status"] == "failed"
    assert "another certificate is served than lies on web" in seen["summary"]
    made.write([made.leaf, made.middle, made.root])
    assert "the served chain has 2 certificates, other than the 3 on web" in outside(run_module, made, before)["summary"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions(run_module: Run, tmp_path: Path, version: ssl.TLSVersion) -> None:
    made = site(tmp_path)
    context = made.context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    seen = outside(run_module, made, context)
    assert seen["status"] == "failed"
    assert "TLSv1_1 is spoken" in seen["summary"]


def test_no_tls_and_no_server(run_module: Run, tmp_path: Path) -> None:
    made = site(tmp_path)
    with serving(lambda *_: (200, {}, "plain")) as port:
        plain = outside(run_module, made, url=f"https://127.0.0.1:{port}")
    assert (plain["status"], "no TLS" in plain["summary"]) == ("failed", True)
    closed = outside(run_module, made, url=f"https://127.0.0.1:{port}")
    assert (closed["status"], "no connection" in closed["summary"]) == ("failed", True)


def test_what_is_not_known_is_no_tick(run_module: Run, tmp_path: Path) -> None:
    made = site(tmp_path)
    assert "what lies on web is not known" in outside(run_module, made, chains={"web": []})["summary"]
    assert "none of its addresses was asked" in outside(run_module, made, chains={"web": ["0"], "web-2": ["0"]})["summary"]
    missing = outside(run_module, made, ca_path=str(tmp_path / "none.pem"))
    assert (missing["status"], "no file of trusted certificates" in missing["summary"]) == ("unverifiable", True)
    (tmp_path / "empty.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert outside(run_module, made, ca_path=str(tmp_path / "empty.pem"))["status"] == "unverifiable"


def test_a_key_of_another_certificate(run_module: Run, tmp_path: Path) -> None:
    made = site(tmp_path)
    made.write([made.leaf, made.middle], key=made.middle)
    seen = on_host(run_module, tmp_path)["assertions"][0]
    assert (seen["status"], "does not belong to" in seen["summary"]) == ("failed", True)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o641])
def test_a_key_that_others_may_read(run_module: Run, tmp_path: Path, mode: int) -> None:
    made = site(tmp_path)
    made.write([made.leaf, made.middle], mode=mode)
    seen = on_host(run_module, tmp_path)["assertions"][0]
    assert (seen["status"], f"has mode {mode:04o}" in seen["summary"]) == ("failed", True)


def test_files_that_cannot_be_read(run_module: Run, tmp_path: Path) -> None:
    made = site(tmp_path)
    (tmp_path / "site.key").write_text("no key")
    assert on_host(run_module, tmp_path)["assertions"][0]["status"] == "failed"
    (tmp_path / "site.key").unlink()
    assert on_host(run_module, tmp_path)["assertions"][0]["status"] == "unverifiable"
    made.write([made.leaf])
    (tmp_path / "site.crt").write_text("no certificate")
    assert on_host(run_module, tmp_path)["assertions"][0]["status"] == "unverifiable"


@settings(max_examples=50)
@given(inside=st.binary(max_size=200))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, inside: bytes) -> None:
    path = tmp_path_factory.mktemp("pem") / "site.crt"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\n" + inside + b"\n-----END CERTIFICATE-----\n")
    try:
        found = tls.read_chain(path)
    except CouldNotLook:
        return
    assert all(len(one) == 64 for one in found)


@pytest.mark.parametrize("url", ["http://shop.example.com", "shop", "https://", "https://[::1", "https://shop:port"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(CouldNotLook):
        PLACE(url)
