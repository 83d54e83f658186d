# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges what a rollback has come to: the database as the policy said, and the whole verification of the earlier release."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from .assertion import PASSED, WAIVED, Verdict, listed, verdict

PHASE = "rollback"  # the phase of the run in which the earlier release is looked at
CODE = "rollback.initiate.code"
SMOKE = "deploy.verification.smoke_tests"
# What has to be so on each host of the application; of all else there is one look.
ON_EACH_HOST = (CODE, "deploy.verification.running", "deploy.verification.error_logs")
Looks = Mapping[str, Mapping[str, Mapping[str, Any]]]


def looks(events: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """The last look at each item on the way back, by host."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for event in events:
        if event.get("event") == "assertion" and event.get("phase") == PHASE:
            found.setdefault(str(event["item"]), {})[str(event["host"])] = event
    return found


def judge_restored(
    seen: Mapping[str, Any], manifest: Mapping[str, Any], *, database: str, restore_point: str, aside: str
) -> Verdict:
    """rollback.initiate.database, `restored`: the database is that restore point, rows and migrations; the newer one is kept.

    ``seen``: what the module restore_point read once it had renamed: ``record`` (what the restore point held when it was made, kept
    with it), ``tables``, ``head``, ``databases`` and ``earlier``: a run that was cut off had renamed it. The looks of that run may
    have added rows; none may be gone.
    """
    record, tables, head = seen.get("record"), dict(seen["tables"]), sorted(seen["head"])
    wanted = sorted(manifest.get("migration_head") or [])
    problems = []
    if not record:
        problems.append(f"{database} bears no record of a restore point: it is another database")
        record = {"name": None, "database": None, "tables": {}, "head": []}
    elif (record["name"], record["database"]) != (restore_point, database):
        problems.append(f"{database} is the restore point {record['name']} of {record['database']}, not {restore_point}")
    if seen.get("record"):
        problems += differences(record["tables"], tables, may_grow=bool(seen.get("earlier")))
        if head != sorted(record["head"]):
            problems.append(f"it is at migration {_or_none(head)}, the restore point was at {_or_none(record['head'])}")
    if head != wanted:
        problems.append(f"it is at migration {_or_none(head)}, the earlier release has {_or_none(wanted)}")
    if restore_point in seen["databases"]:
        problems.append(f"{restore_point} is still there under its own name")
    if not aside or aside not in seen["databases"]:
        problems.append(f"the newer database is not kept as {aside or 'anything'}")
    added = sum(tables.values()) - sum(record["tables"].values())
    since = f" but for {added} rows added since, as a run that was cut off had restored it" if added else ""
    return verdict(
        problems,
        f"restored: {len(tables)} tables with {sum(tables.values())} rows at {_or_none(head)}, as {restore_point} held when it was "
        f"made{since}; the newer one is kept as {aside}",
        expected={"restore_point": restore_point, "migration_head": wanted, "aside": aside, "rows": sum(record["tables"].values())},
        observed={"restore_point": record["name"], "migration_head": head, "rows": sum(tables.values())},
        evidence={"recorded": record["tables"], "there": tables, "databases": list(seen["databases"])},
    )


def judge_kept(
    schema: Mapping[str, Any], manifest: Mapping[str, Any], found: Looks, *, database: str, compatible: Collection[str] = ()
) -> Verdict:
    """rollback.initiate.database, `kept`: the earlier code can use the schema, by its migrations and by its own answers.

    ``schema``: ``current`` (the migrations that the database has) and ``check`` (how the code's own comparison ended; None where it
    was not made). Where it is newer, ``proof``: how many smoke requests the earlier code was ``asked`` on it before, and the
    ``problems`` with its answers. compatible: migrations that are declared to be usable by earlier code.
    """
    current, wanted = sorted(schema.get("current") or []), sorted(manifest.get("migration_head") or [])
    newer = bool(compatible) and set(current) != set(wanted)
    check, proof = schema.get("check"), schema.get("proof") or {}
    problems = []
    if not current:
        problems.append(f"{database} names no migration")
    elif undeclared := set(current) - set(wanted) - set(compatible) if newer else set():
        problems.append(f"{database} is at migration {_or_none(current)}; nobody declared {listed(undeclared)} compatible")
    elif current != wanted and not newer:
        problems.append(f"{database} is at migration {_or_none(current)}, the earlier release has {_or_none(wanted)}")
    if not newer and check != 0:
        ended = "was not made" if check is None else f"ended with {check}"
        problems.append(f"the earlier code's own check of the schema {ended}")
    if newer and (proof.get("problems") or not proof.get("asked")):
        problems.append(f"the earlier code was not seen to use the schema: {listed(proof.get('problems') or ['nobody asked it'])}")
    problems += _not_passed(SMOKE, found)
    usable = (
        "which is declared compatible; the earlier release's smoke tests passed on it, before and since"
        if newer
        else "as the earlier release has it; its own check of the schema and its smoke tests passed on it"
    )
    return verdict(
        problems,
        f"kept: at {_or_none(current)}{',' if newer else ''} {usable}",
        expected={"migration_head": wanted, **({"compatible": sorted(compatible)} if newer else {})},
        observed={"migration_head": current, "check": check, **({"proof": proof} if newer else {})},
        evidence={host: event["summary"] for host, event in found.get(SMOKE, {}).items()},
    )


def judge_downgraded(
    seen: Mapping[str, Any], schema: Mapping[str, Any], manifest: Mapping[str, Any], *, database: str, aside: str, listing: str = ""
) -> Verdict:
    """rollback.initiate.database, `downgraded`: the schema is the earlier code's, no table lost rows, and the newer one is kept.

    ``seen``: what the module restore_point compared: ``record`` (what the copy made before the downgrade holds), ``tables``,
    ``head`` and ``databases``. ``schema``: ``current`` and ``check``, as the earlier code said of the database then.
    ``listing``: the table that has a row for each migration, which goes with it.
    """
    record, tables, head = seen.get("record"), dict(seen["tables"]), sorted(seen["head"])
    wanted, check = sorted(manifest.get("migration_head") or []), schema.get("check")
    problems = []
    if not record:
        problems.append(f"nobody recorded what {database} held before it was downgraded")
        record = {"name": aside, "database": database, "tables": {}, "head": []}
    elif (record["name"], record["database"]) != (aside, database):
        problems.append(f"what was recorded is {record['name']} of {record['database']}, not {aside}")
    if head != wanted or sorted(schema.get("current") or []) != wanted:
        problems.append(f"it is at migration {_or_none(head)}, the earlier release has {_or_none(wanted)}")
    if check != 0:
        problems.append(f"the earlier code's own check of the schema {'was not made' if check is None else f'ended with {check}'}")
    before = record["tables"]
    shared = before.keys() & tables.keys()
    lost = [
        f"{table} ({before[table]} before, {tables[table]} now)" for table in shared - {listing} if tables[table] < before[table]
    ]
    if lost:
        problems.append(f"rows were lost: {listed(lost)}")
    if aside not in seen["databases"]:
        problems.append(f"the newer database is not kept as {aside}")
    dropped = before.keys() - tables.keys()
    return verdict(
        problems,
        f"downgraded: from {_or_none(record['head'])} to {_or_none(head)}, which is the earlier code's schema by its own check; "
        f"{len(shared)} tables kept their rows{f', {listed(dropped)} went' if dropped else ''}; the newer one is kept as {aside}",
        expected={"migration_head": wanted, "aside": aside, "rows": sum(before[table] for table in shared)},
        observed={"migration_head": head, "check": check, "rows": sum(tables[table] for table in shared)},
        evidence={"before": before, "there": tables, "databases": list(seen["databases"])},
    )


def judge_verified(found: Looks, manifest: Mapping[str, Any], hosts: Sequence[str], items: Sequence[str]) -> Verdict:
    """rollback.initiate.verified: each statement of the verification was looked at again and passed, for the earlier release.

    ``items``: those of the phase. What is waived holds nothing, and is told.
    """
    problems = [] if items else ["no statement of the verification is named"]
    for item in [CODE, *items]:
        problems += _not_passed(item, found, (PASSED, WAIVED))
        seen = found.get(item, {})
        if item in ON_EACH_HOST:
            problems += [f"{item}: nobody looked on {host}" for host in hosts if seen and host not in seen]
    for host, event in found.get(CODE, {}).items():
        named = event["expected"]
        got = (named.get("version"), named.get("commit"), PurePath(str(named.get("current"))).name)
        if got != (manifest["version"], manifest["commit"], manifest["release_id"]):
            problems.append(
                f"{host} was looked at for {got[0]} ({got[2]}), not for {manifest['version']} ({manifest['release_id']})"
            )
    waived = [item for item in items if any(event["status"] == WAIVED for event in found.get(item, {}).values())]
    short = [item.rpartition(".")[2] for item in items if item not in waived]
    excused = f"; waived: {', '.join(item.rpartition('.')[2] for item in waived)}" if waived else ""
    return verdict(
        problems,
        f"{', '.join(short)} passed for {manifest['release_id']} on {listed(hosts)}{excused}",
        expected={"release": manifest["release_id"], "items": list(items)},
        observed={item: {host: event["status"] for host, event in found.get(item, {}).items()} for item in items},
    )


def _not_passed(item: str, found: Looks, good: Collection[str] = (PASSED,)) -> list[str]:
    seen = found.get(item)
    if not seen:
        return [f"nobody looked at {item} on the way back"]
    return [f"{item}: {event['status']}, {event['summary']}" for event in seen.values() if event["status"] not in good]


def differences(recorded: Mapping[str, int], there: Mapping[str, int], *, may_grow: bool = False) -> list[str]:
    """Name where tables and rows are not those that were recorded. may_grow: rows may have been added."""
    problems = []
    if lacking := recorded.keys() - there.keys():
        problems.append(f"it lacks {listed(lacking)}")
    if more := there.keys() - recorded.keys():
        problems.append(f"it has {listed(more)} besides")
    other = [
        f"{table} ({count} when it was made, {there[table]} now)"
        for table, count in recorded.items()
        if table in there and there[table] != count and not (may_grow and there[table] > count)
    ]
    if other:
        problems.append(f"its rows are not the restore point's: {listed(other)}")
    return problems


def _or_none(revisions: Iterable[str]) -> str:
    return listed(revisions) or "none"
