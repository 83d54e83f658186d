# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sign-offs: people who answer for a run by its record, or for a staged release before it goes live, each for a role.

They are attestations of ``signoff.<role>``. One for a run holds {run, record_digest} as well and lies in the run's folder, as
``signatures/<role>.json``; one for a release holds {release} and lies among the attestations, in a folder of the release's id.
"""

from __future__ import annotations

import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from . import record
from .assertion import ATTESTED, FAILED, PENDING, TICKED, UNVERIFIABLE, WAIVED, CouldNotLook, Verdict, listed
from .attestation import (
    BadAttestation,
    Wanted,
    attested,
    cited,
    place,
    signed_record,
    statement_problems,
    subject_problems,
    time_problems,
    times,
    write_record,
)
from .repository import History
from .signatures import signing_key

ROLES = ("project_manager", "lead_developer", "qa_lead", "devops_engineer", "security_officer")
ITEMS = [f"signoff.{role}" for role in ROLES]

# The arguments by which each module that deals with sign-offs says whose count.
SIGNOFF_SPEC: dict[str, Any] = {
    "application": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "allowed_signers": {"type": "path", "required": True},
    "signatories": {"type": "dict", "required": True},
    "repository": {"type": "path", "required": True},
    "days": {"type": "float", "default": 365},
}


@dataclass(frozen=True)
class Terms:
    """Whose sign-off counts. signatories: the principals of ``allowed`` that hold each role. longest: how long one holds.

    repository: the bare copy of the application's, which says who wrote the commit.
    """

    application: str
    environment: str
    signatories: Mapping[str, Sequence[str]]
    allowed: Path
    repository: str
    longest: timedelta


@dataclass(frozen=True)
class Subject:
    """What is signed: the commit, and the run with its record's digest, or the release."""

    commit: str
    bound: Mapping[str, str]


def terms_of(params: Mapping[str, Any]) -> Terms:
    """The terms as SIGNOFF_SPEC gives them."""
    return Terms(
        application=params["application"],
        environment=params["environment"],
        signatories=params["signatories"],
        allowed=Path(params["allowed_signers"]),
        repository=params["repository"],
        longest=timedelta(days=params["days"]),
    )


def run_files(directory: Path) -> dict[str, Path]:
    """Where each role's sign-off of a run lies."""
    return {role: directory / "signatures" / f"{role}.json" for role in ROLES}


def release_files(folder: Path, release: str) -> dict[str, Path]:
    """Where each role's sign-off of a release lies."""
    return {role: place(folder, release, f"signoff.{role}") for role in ROLES}


def subject_of_run(end: record.Ended) -> Subject:
    return Subject(str(end.facts.get("commit", "")), {"run": str(end.opened.get("id")), "record_digest": end.digest})


def run_in(directory: Path) -> Callable[[], Subject]:
    """Finds the subject in the record of a run; raises BrokenRecord where there is nothing that could have been signed."""
    return lambda: subject_of_run(record.ended(directory))


def judge_signoffs(
    files: Mapping[str, Path], subject: Callable[[], Subject], terms: Terms, now: datetime, ask: str = ""
) -> dict[str, Verdict]:
    """What each role's sign-off comes to: ATTESTED, PENDING where there is none, FAILED where it does not hold.

    ask: how playbooks/signoff.yml is told what to sign.
    """
    seen = {role: _judge_one(role, file, subject, terms, now, ask) for role, file in files.items()}
    keys = {role: signing_key(_signature(files[role]).read_bytes()) for role, one in seen.items() if one.status == ATTESTED}
    for role, key in keys.items():
        if twins := [other for other in keys if other != role and keys[other] == key]:
            told = f"the same key signed as {listed(map(title, twins))}: each role needs a key of its own"
            seen[role] = replace(seen[role], status=FAILED, summary=told)
    return seen


def sign(role: str, files: Mapping[str, Path], subject: Subject, terms: Terms, key: Path, statement: str) -> Verdict:
    """Write and sign a role's sign-off, and see that it counts. Raises BadAttestation where it would not; nothing is left then."""
    if not subject.commit:
        raise BadAttestation("the run ended before it had found the commit, so there is nothing to answer for")
    now = datetime.now(UTC)
    written = {
        "item": f"signoff.{role}",
        "application": terms.application,
        "environment": terms.environment,
        "commit": subject.commit,
        "statement": statement,
        "findings": [],
        "nonce": secrets.token_hex(16),
        **subject.bound,
        **times(terms.longest.total_seconds() / timedelta(days=1).total_seconds(), now),
    }
    file = files[role]
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".draft.", dir=file.parent) as folder:
        draft = Path(folder) / file.name
        write_record(draft, written, key)
        found = judge_signoffs({**files, role: draft}, lambda: subject, terms, now)[role]
        if found.status != ATTESTED:
            raise BadAttestation(found.summary)
        _signature(draft).rename(_signature(file))
        draft.rename(file)
    return found


def stated(role: str, end: record.Ended, release: str = "") -> str:
    """What a sign-off says, where its signer says nothing else."""
    what = f"release {release}, as it was staged by run {end.opened['id']}" if release else f"run {end.opened['id']}"
    return f"Signed off as {title(role)}: {what}. {summed_up(end)}"


def summed_up(end: record.Ended) -> str:
    """What a run came to, in one line."""
    counts = Counter(item["status"] for item in record.item_results(end.events).values())
    ticked = sum(counts[status] for status in TICKED)
    open_ones = sum(counts[status] for status in (FAILED, UNVERIFIABLE, PENDING))
    of = f"{end.opened['kind']} of {end.opened['app']} to {end.opened['environment']}, {way(end.facts)}: {end.facts.get('outcome')}"
    return f"{of}, {ticked} ticked, {open_ones} not ticked, {counts[WAIVED]} waived"


def way(run: Mapping[str, Any]) -> str:
    """Which release a run took to which."""
    return f"{run.get('from_release') or 'no release'} -> {run.get('to_release') or 'no release'}"


def told(end: record.Ended) -> list[str]:
    """What somebody who signs has to know of the run: a line each, from the chain of its record alone."""
    items = record.item_results(end.events).values()
    unticked = [one for one in items if one["status"] not in (*TICKED, WAIVED)]
    lines = [
        summed_up(end),
        f"run {end.opened['id']} by {end.opened.get('who')}, commit {end.facts.get('commit') or 'unknown'}",
        f"digest of its record: {end.digest}",
    ]
    lines += [f"not ticked: {one['id']} {one['status']}: {one['summary']}" for one in unticked]
    return lines + [f"waived: {one['id']} {one['summary']}" for one in items if one["status"] == WAIVED]


def title(role: str) -> str:
    return role.replace("_", " ")


def missing(seen: Mapping[str, Verdict], roles: Iterable[str]) -> dict[str, str]:
    """Those of ``roles`` whose sign-off does not count, and why."""
    return {role: seen[role].summary for role in roles if seen[role].status != ATTESTED}


def _signature(file: Path) -> Path:
    return file.with_name(f"{file.name}.sig")


def _judge_one(role: str, file: Path, subject: Callable[[], Subject], terms: Terms, now: datetime, ask: str) -> Verdict:
    there = [path for path in (file, _signature(file)) if path.exists()]
    if not there:
        return Verdict(PENDING, f"nobody has signed it yet: playbooks/signoff.yml -e signoff_role={role} {ask}".rstrip())
    if len(there) == 1:
        return Verdict(FAILED, f"{there[0].name} is there alone: {'its signature' if there[0] == file else 'its record'} is gone")
    try:
        found = subject()
        return _judge_signed(role, file, found, terms, now)
    except (BadAttestation, record.BrokenRecord) as reason:
        return Verdict(FAILED, str(reason))
    except CouldNotLook as reason:
        return Verdict(UNVERIFIABLE, str(reason))


def _judge_signed(role: str, file: Path, subject: Subject, terms: Terms, now: datetime) -> Verdict:
    """Raises BadAttestation for a signature that does not count, CouldNotLook where nobody can say."""
    wanted = Wanted(
        item=f"signoff.{role}",
        application=terms.application,
        environment=terms.environment,
        commit=subject.commit,
        role=title(role),
        signers=terms.signatories.get(role, []),
        authors=(),
    )
    signed, who = signed_record(file, wanted, terms.allowed, terms.repository)
    problems = subject_problems(signed, wanted) + time_problems(signed, now, terms.longest) + statement_problems(signed)
    problems += [
        f"it was given for {name.replace('_', ' ')} {signed.get(name)}, and here it is {value}: one of the two was changed since"
        for name, value in subject.bound.items()
        if signed.get(name) != value
    ]
    if not problems:
        # What is signed is this: only now is its commit one that the repository has to know.
        commits = History(Path(terms.repository)).commits(subject.commit, "")
        authors = set().union(*(entry.people for entry in commits))
        signed_record(file, replace(wanted, authors=authors), terms.allowed, terms.repository)
    return attested(
        problems,
        f"signed as {wanted.role} by {who} on {signed['issued'][:10]}: {cited(signed)}",
        expected={"role": wanted.role, "signers": list(wanted.signers), "commit": subject.commit, **subject.bound},
        observed={"signer": who, "issued": signed["issued"], "expires": signed["expires"]},
    )
