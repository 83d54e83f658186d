# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Attestations: what only a person can judge, as a JSON record signed over ``tickbox/<item>``.

A record is {application, item, commit, environment, statement, findings, issued, expires, nonce}, and {query} for an export of a
tracker. ``findings`` is a list of {title, severity, state}. It lies as ``<folder>/<commit>/<item>.json``, its signature beside it
as ``<item>.json.sig``.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .assertion import ATTESTED, PASSED, CouldNotLook, Verdict, listed, moment, verdict
from .signatures import BadSignature, allowed_keys, also_known_as, signer, verify

SEVERITIES = ("low", "medium", "high", "critical")
STATES = ("open", "fixed", "accepted")
FIELDS = ("application", "item", "commit", "environment", "statement", "findings", "issued", "expires", "nonce")
SIZE_LIMIT = 1024 * 1024  # bytes of a record
LEAST_WORDS = 20  # characters of a statement that says something
CITED = 120  # characters of it in a summary
LEAST_LETTERS = 6  # different letters: "none none none" and "xxxxx" have fewer
NONCE = re.compile(r"[A-Za-z0-9_-]{16,}")
# Words that stand where nothing was written yet.
UNFINISHED = re.compile(r"\b(?:todo|tbd|fixme|xxx|lorem ipsum)\b", re.IGNORECASE)
CLOCKS = timedelta(minutes=5)  # by which clocks of two machines may differ


class BadAttestation(Exception):
    """The record does not count; the message says why in one line."""


@dataclass(frozen=True)
class Wanted:
    """What a record must be for. ``signers``: principals that hold the role; ``authors``: mailboxes of who wrote the commit."""

    item: str
    application: str
    environment: str
    commit: str
    role: str
    signers: Sequence[str]
    authors: Collection[str]


def namespace(item: str) -> str:
    """What a signature is for, so that one for another item does not count."""
    return f"tickbox/{item}"


def place(folder: Path, commit: str, item: str) -> Path:
    return folder / commit / f"{item}.json"


def read_record(content: bytes) -> dict[str, Any]:
    """The fields of a record, each of its kind. Raises BadAttestation for anything else."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise BadAttestation("the record has a field twice")
        return dict(pairs)

    try:
        record = json.loads(content.decode(), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise BadAttestation(f"the record is no JSON: {error}") from None
    if not isinstance(record, dict):
        raise BadAttestation("the record is no JSON object")
    lacking = [name for name in FIELDS if name not in record]
    if lacking:
        raise BadAttestation(f"the record lacks {', '.join(lacking)}")
    texts = [name for name in (*FIELDS, "query") if name != "findings" and name in record]
    wrong = [name for name in texts if not isinstance(record[name], str) or not record[name].strip()]
    if wrong:
        raise BadAttestation(f"{', '.join(wrong)} of the record is blank, or no text")
    if not isinstance(record["findings"], list):
        raise BadAttestation("findings of the record is no list")
    for finding in record["findings"]:
        if (
            not isinstance(finding, dict)
            or not isinstance(finding.get("title"), str)
            or finding.get("severity") not in SEVERITIES
            or finding.get("state") not in STATES
        ):
            raise BadAttestation(
                f"a finding of the record is not title, severity ({', '.join(SEVERITIES)}) and state ({', '.join(STATES)})"
            )
    return record


def signed_record(file: Path, wanted: Wanted, allowed: Path, repository: str = "") -> tuple[dict[str, Any], str]:
    """The record at ``file``, and who signed it. Raises BadAttestation, or CouldNotLook where there is none."""
    keys = allowed_keys(allowed, repository)
    if not wanted.signers:
        raise CouldNotLook(f"nobody is named as {wanted.role}")
    try:
        if file.stat().st_size > SIZE_LIMIT:
            raise BadAttestation("the record is too large")
        content, signature = file.read_bytes(), file.with_name(f"{file.name}.sig").read_bytes()
    except FileNotFoundError as error:
        raise CouldNotLook(
            f"nobody has signed it yet: {error.filename} is missing (playbooks/attest.yml -e item={wanted.item})"
        ) from None
    try:
        who, key = verify(content, signature, namespace(wanted.item), wanted.signers, allowed)
    except BadSignature as reason:
        raise BadAttestation(f"the record has {reason}") from None
    aliases = also_known_as(key, wanted.authors, keys)
    if who.lower() in {name.lower() for name in wanted.authors} or aliases:
        raise BadAttestation(f"{who} wrote the commit ({', '.join(aliases) or who}), so another has to sign")
    return read_record(content), signer(who, key)


def attested(problems: list[str], good: str, **seen: Any) -> Verdict:
    """As ``verdict``, but what is good rests on a person's signed word, and the record says so."""
    concluded = verdict(problems, good, **seen)
    return replace(concluded, status=ATTESTED) if concluded.status == PASSED else concluded


def subject_problems(record: Mapping[str, Any], wanted: Wanted) -> list[str]:
    """Name in which way a record is for something else."""
    return [
        f"it is for {name} {record[name]!r}, not {value!r}"
        for name, value in (
            ("item", wanted.item),
            ("application", wanted.application),
            ("environment", wanted.environment),
            ("commit", wanted.commit),
        )
        if record[name] != value
    ]


def time_problems(record: Mapping[str, Any], now: datetime, longest: timedelta) -> list[str]:
    """Name what is wrong with the record's times; ``longest``: how long it may be since it was issued."""
    try:
        issued, expires = moment("issued", record["issued"]), moment("expires", record["expires"])
    except CouldNotLook as reason:
        return [str(reason)]
    problems = []
    if issued > now + CLOCKS:
        problems.append(f"it was issued in the future, {issued:%Y-%m-%d %H:%M} UTC")
    if expires <= now:
        problems.append(f"it expired {expires:%Y-%m-%d %H:%M} UTC")
    if now - issued > longest:
        problems.append(f"it was issued {_span(now - issued)} ago, {_span(longest)} at most may be")
    return problems


def judge_attestation(
    file: Path, wanted: Wanted, allowed: Path, now: datetime, longest: timedelta, repository: str = ""
) -> Verdict:
    """pre.security.audit, and any other item that a person attests: signed, for this, in time, no open critical finding."""
    expected = {"role": wanted.role, "signers": list(wanted.signers), "commit": wanted.commit, "environment": wanted.environment}
    try:
        record, who = signed_record(file, wanted, allowed, repository)
    except BadAttestation as reason:
        return verdict([str(reason)], "", expected=expected)
    problems = subject_problems(record, wanted) + time_problems(record, now, longest) + statement_problems(record)
    critical = open_findings(record)
    if critical:
        problems.append(f"{len(critical)} critical findings are open: {listed(critical, 3)}")
    return attested(
        problems,
        f"signed as {wanted.role} by {who}, {len(record['findings'])} findings, none critical and open: {cited(record)}",
        expected=expected,
        observed={"signer": who, **{name: record[name] for name in FIELDS if name != "findings"}},
        evidence=record["findings"],
    )


def open_findings(record: Mapping[str, Any], severity: str = "critical") -> list[str]:
    return [str(one["title"]) for one in record["findings"] if one["severity"] == severity and one["state"] == "open"]


def says_nothing(text: str) -> bool:
    """Whether a text is blank, too short to say something, or a place left for one."""
    words = text.strip()
    letters = {letter for letter in words.lower() if letter.isalpha()}
    return len(words) < LEAST_WORDS or len(letters) < LEAST_LETTERS or bool(UNFINISHED.search(words))


def statement_problems(record: Mapping[str, Any]) -> list[str]:
    """Name what keeps a statement from saying anything, and a nonce from being one."""
    problems = []
    if says_nothing(record["statement"]):
        problems.append(f"its statement says nothing: {record['statement'].strip()[:40]!r}")
    if not NONCE.fullmatch(record["nonce"]):
        problems.append("its nonce is none (16 letters or digits at least)")
    return problems


def judge_export(
    file: Path, wanted: Wanted, allowed: Path, query: str, now: datetime, longest: timedelta, repository: str = ""
) -> Verdict:
    """pre.quality.no_critical_bugs by a signed export of a tracker: this query, young enough, nothing critical open."""
    expected = {"query": query, "role": wanted.role, "age_hours": longest.total_seconds() / 3600}
    try:
        record, who = signed_record(file, wanted, allowed, repository)
    except BadAttestation as reason:
        return verdict([str(reason)], "", expected=expected)
    problems = subject_problems(record, wanted) + time_problems(record, now, longest) + statement_problems(record)
    if not query or record.get("query") != query:
        problems.append(f"it answers the query {record.get('query')!r}, not {query!r}")
    critical = open_findings(record)
    if critical:
        problems.append(f"{len(critical)} critical bugs are open: {listed(critical, 3)}")
    return attested(
        problems,
        f"no critical bug is open by the export of {record['issued']}, signed by {who}: {cited(record)}",
        expected=expected,
        observed={"signer": who, "issued": record["issued"], "query": record.get("query")},
        evidence=record["findings"],
    )


def judge_cause(
    file: Path, wanted: Wanted, allowed: Path, run: str, now: datetime, longest: timedelta, repository: str = "", incident: str = ""
) -> Verdict:
    """rollback.close.root_cause: the record names a cause and the commit that was taken back, of this run, and is signed.

    ``incident``: SHA-256 of the incident that it has to be about, where there is one.
    """
    expected = {"role": wanted.role, "commit": wanted.commit, "run": run}
    try:
        record, who = signed_record(file, wanted, allowed, repository)
    except BadAttestation as reason:
        return verdict([str(reason)], "", expected=expected)
    problems = subject_problems(record, wanted) + time_problems(record, now, longest) + statement_problems(record)
    if record.get("run") != run:
        problems.append(f"it is of the run {record.get('run')!r}, not {run!r}")
    cause = record.get("cause")
    if not isinstance(cause, str) or says_nothing(cause):
        problems.append("it names no cause")
    if incident and record.get("incident") != incident:
        problems.append("the incident was changed after it was signed")
    return attested(
        problems,
        f"cause named by {who}: {str(cause)[:120]}",
        expected=expected,
        observed={"signer": who, "cause": cause, "commit": record["commit"]},
    )


def write_record(file: Path, record: Mapping[str, Any], key: Path) -> None:
    """Write a record and sign it with ``key`` (a private key, or the public half of one that the agent holds)."""
    content = (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()
    problems = statement_problems(read_record(content))
    if problems:
        raise BadAttestation("; ".join(problems))
    file.parent.mkdir(parents=True, exist_ok=True)
    command = ["ssh-keygen", "-Y", "sign", "-f", str(key), "-n", namespace(str(record["item"]))]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadAttestation(f"ssh-keygen cannot sign: {error}") from None
    if done.returncode != 0:
        raise BadAttestation(f"ssh-keygen cannot sign with {key}: {' '.join(done.stderr.decode('utf-8', 'replace').split())[:200]}")
    # The signature goes first: a record without one counts for nothing, an old one with a new signature neither.
    file.with_name(f"{file.name}.sig").write_bytes(done.stdout)
    file.write_bytes(content)


def times(days: float, now: datetime | None = None) -> dict[str, str]:
    """``issued`` and ``expires`` of a record that is made now and holds for ``days``."""
    begun = now or datetime.now(UTC)
    return {"issued": begun.isoformat(timespec="seconds"), "expires": (begun + timedelta(days=days)).isoformat(timespec="seconds")}


def cited(record: Mapping[str, Any]) -> str:
    """What the signer says, so that a reader of the tick sees what it rests on."""
    said = " ".join(record["statement"].split())
    return f'"{said[:CITED]}{"..." if len(said) > CITED else ""}"'


def _span(time: timedelta) -> str:
    return f"{time.days} days" if time.days else f"{time.total_seconds() / 3600:.1f} hours"
