# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges content security policies: what an answer's header lets a page run, load and be put into."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .assertion import CouldNotLook, Verdict, listed, verdict
from .routes import lacking
from .visitor import Seen

HEADER = "content-security-policy"
REPORT_ONLY = "content-security-policy-report-only"
# What may run scripts, and where each looks when a policy does not name it (Content Security Policy Level 3, 6.8.3).
SCRIPTS = {
    "script-src": ("script-src", "default-src"),
    "script-src-elem": ("script-src-elem", "script-src", "default-src"),
    "script-src-attr": ("script-src-attr", "script-src", "default-src"),
}
UNSAFE = {"'unsafe-inline'", "'unsafe-eval'", "'unsafe-hashes'"}
ANYWHERE = re.compile(r"(\*|(https?|wss?|data|blob|filesystem|javascript):(//\*?)?|(https?://)?\*\.?[a-z]*)(:[\d*]+)?")
NONCE = re.compile(r"'nonce-([^']+)'", re.IGNORECASE)

Policy = Mapping[str, Sequence[str]]


def parse_policies(header: str) -> list[Policy]:
    """The policies of a header, or of several joined by commas. Of a directive that stands twice the first counts."""
    policies: list[Policy] = []
    for text in header.split(","):
        policy: dict[str, Sequence[str]] = {}
        for directive in text.split(";"):
            name, *sources = directive.split()[:1000] or [""]
            if name:
                policy.setdefault(name.lower(), [source.lower() if not NONCE.fullmatch(source) else source for source in sources])
        if policy:
            policies.append(policy)
    return policies


def policy_problems(headers: Mapping[str, str]) -> list[str]:
    """Name what an answer's policy leaves open. Each requirement must be met by one of its policies: browsers obey them all."""
    policies = parse_policies(headers.get(HEADER, ""))
    if not policies:
        return ["Report-Only, which enforces nothing" if REPORT_ONLY in headers else "no Content-Security-Policy"]
    asked = [*(_script_problem(policies, name, chain) for name, chain in SCRIPTS.items())]
    asked.append(_least([_closed_problem(policy, "object-src", ("object-src", "default-src")) for policy in policies]))
    asked.append(_least([_closed_problem(policy, "base-uri", ("base-uri",)) for policy in policies]))
    asked.append(_least([_closed_problem(policy, "frame-ancestors", ("frame-ancestors",)) for policy in policies]))
    return list(dict.fromkeys(problem for problem in asked if problem))


def judge_policies(seen: Sequence[Seen], statuses: Sequence[int] = ()) -> Verdict:
    """pre.security.csp, without the browser: each answer has an enforced policy that lets no stranger's script run.

    ``statuses``: what must be among the answers, or it was not seen.
    """
    grouped: dict[str, list[str]] = {}
    for one in seen:
        for problem in policy_problems(one.answer.headers):
            grouped.setdefault(problem, []).append(one.name)
    problems = [f"{problem}: {listed(dict.fromkeys(names), 3)}" for problem, names in grouped.items()]
    problems += _nonce_problems(seen)
    if not seen:
        problems.append("nothing was asked")
    missing = lacking(seen, statuses)
    if missing and not problems:
        raise CouldNotLook(f"no answer with status {listed(map(str, missing))} could be caused, so its policy was not seen")
    came = sorted({one.answer.status for one in seen})
    return verdict(
        problems,
        f"{len(seen)} answers of status {', '.join(map(str, came))} have an enforced policy",
        expected={"scripts": "from named origins alone", "set": ["object-src", "base-uri", "frame-ancestors"]},
        observed={"answers": len(seen), "statuses": came},
        evidence={"policies": sorted({one.answer.headers.get(HEADER, "") for one in seen})},
    )


def _script_problem(policies: Sequence[Policy], name: str, chain: Sequence[str]) -> str:
    return _least([_scripts_in(policy, name, chain) for policy in policies])


def _scripts_in(policy: Policy, name: str, chain: Sequence[str]) -> str:
    named = next((directive for directive in chain if directive in policy), None)
    if named is None:
        return f"{name} is not set"
    open_to = [source for source in policy[named] if source in UNSAFE or ANYWHERE.fullmatch(source)]
    return f"{named} allows {listed(open_to)}" if open_to else ""


def _closed_problem(policy: Policy, name: str, chain: Sequence[str]) -> str:
    named = next((directive for directive in chain if directive in policy), None)
    if named is None:
        return f"{name} is not set"
    if named != name and list(policy[named]) not in ([], ["'none'"]):
        return f"{name} is not set, and {named} allows {listed(policy[named])}"
    open_to = [source for source in policy[named] if ANYWHERE.fullmatch(source)]
    return f"{name} allows {listed(open_to)}" if open_to else ""


def _least(problems: Sequence[str]) -> str:
    """What remains where several policies hold together: nothing where one of them has no problem."""
    return "" if "" in problems else problems[0]


def _nonce_problems(seen: Sequence[Seen]) -> list[str]:
    """A nonce that comes twice can be guessed."""
    known: dict[str, str] = {}
    for one in seen:
        for nonce in set(NONCE.findall(one.answer.headers.get(HEADER, ""))):
            if nonce in known:
                return [f"the same nonce for {known[nonce]} and {one.name}"]
            known[nonce] = one.name
    return []
