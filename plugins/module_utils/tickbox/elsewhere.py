# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What documents speak of and others keep: pages of the web, and the alerts that the monitoring has loaded. Needs httpx."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

with suppress(ImportError):  # reported by the module that needs it
    import httpx

from .assertion import CouldNotLook
from .markdown import html_anchors

TIMEOUT = 5.0  # seconds for one answer
GONE = {404, 410}
REFUSED_TO_US = {401, 403, 429}  # a page that people may well see
ERRORS = 500


def reach(url: str) -> str:
    """What is wrong with an address of the web; nothing where it answers. CouldNotLook where nobody can say."""
    try:
        answer = httpx.get(url, timeout=TIMEOUT, follow_redirects=True)
    except httpx.InvalidURL as error:
        return str(error)
    except (httpx.HTTPError, OSError, ValueError) as error:
        raise CouldNotLook(f"{url} could not be asked: {str(error) or type(error).__name__}") from None
    if answer.status_code in GONE:
        return f"status {answer.status_code}"
    if answer.status_code >= ERRORS or answer.status_code in REFUSED_TO_US:
        raise CouldNotLook(f"{url} answers with status {answer.status_code}")
    if answer.is_error:
        return f"status {answer.status_code}"
    fragment = urlsplit(url).fragment
    kind = answer.headers.get("content-type", "")
    if fragment and kind.startswith("text/html"):
        try:
            found = fragment in html_anchors(answer.text)
        except (ValueError, AssertionError):
            found = True
        return "" if found else f"the page has no #{fragment}"
    return ""


def loaded_alerts(url: str, user: str, password: str, ca_path: str | None) -> list[tuple[str, str]]:
    """Name and ``runbook_url`` of each alert that a Prometheus server has loaded."""
    return alerts_of(ask_prometheus(url, "/api/v1/rules?type=alert", user, password, ca_path))


def ask_prometheus(url: str, path: str, user: str, password: str, ca_path: str | None) -> Any:
    """The JSON that a Prometheus server answers when it is asked about its alerts."""
    try:
        context = ssl.create_default_context(cafile=ca_path)
        with httpx.Client(verify=context, timeout=TIMEOUT, trust_env=False, auth=(user, password) if user else None) as client:
            answer = client.get(f"{url.rstrip('/')}{path}")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise CouldNotLook(f"{url} could not be asked for its alerts: {str(error) or type(error).__name__}") from None
    if answer.status_code != httpx.codes.OK:
        raise CouldNotLook(f"{url} answers with status {answer.status_code} when it is asked for its alerts")
    try:
        return answer.json()
    except ValueError:
        raise CouldNotLook(f"{url} does not answer with JSON when it is asked for its alerts") from None


def alerts_of(answer: Any) -> list[tuple[str, str]]:
    """The alerts in the answer of Prometheus' ``/api/v1/rules``."""
    try:
        rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
        return [
            (str(rule["name"]), str(_mapping(rule.get("annotations")).get("runbook_url", "")))
            for rule in rules
            if rule["type"] == "alerting"
        ]
    except (KeyError, TypeError, AttributeError):
        raise CouldNotLook("the answer about alerts is not of the form that Prometheus gives") from None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
