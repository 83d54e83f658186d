"""An error on demand, for whoever knows the token: it shows that errors are logged and counted."""

import hmac
from collections.abc import Mapping

from interactive_examples.settings import settings


class DiagnosticError(Exception):
    """Asked for; nothing is wrong."""


def fail_if_asked(headers: Mapping[bytes, bytes]) -> None:
    """Fail as code fails unexpectedly, with the text of X-Diagnostics-Error, where X-Diagnostics-Token is right."""
    token = settings().diagnostics_token
    given = headers.get(b"x-diagnostics-token", b"")
    if token and hmac.compare_digest(given, token.encode()):
        raise DiagnosticError(headers.get(b"x-diagnostics-error", b"").decode("latin-1")[:100])
