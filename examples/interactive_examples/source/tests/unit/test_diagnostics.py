from dataclasses import replace

import pytest

from interactive_examples import diagnostics
from interactive_examples.settings import settings


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    known = replace(settings(), diagnostics_token="correct horse")
    monkeypatch.setattr(diagnostics, "settings", lambda: known)
    return known.diagnostics_token


def test_an_error_on_demand(token: str) -> None:
    with pytest.raises(diagnostics.DiagnosticError, match="abc123"):
        diagnostics.fail_if_asked({b"x-diagnostics-token": token.encode(), b"x-diagnostics-error": b"abc123"})


@pytest.mark.parametrize("given", [b"", b"correct", b"correct horse and more", b"\xff"])
def test_nobody_else_gets_one(token: str, given: bytes) -> None:
    assert diagnostics.fail_if_asked({b"x-diagnostics-token": given, b"x-diagnostics-error": b"abc123"}) is None
    assert diagnostics.fail_if_asked({}) is None


def test_without_a_token_there_is_none() -> None:
    assert settings().diagnostics_token == ""
    assert diagnostics.fail_if_asked({b"x-diagnostics-token": b"", b"x-diagnostics-error": b"abc123"}) is None
