# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packages of a build, and what advisories in OSV's form (https://ossf.github.io/osv-schema) say of them.

Advisories come from OSV's API, or from its exports ``<ecosystem>/all.zip`` in a folder. A source counts only when it knows the
vulnerabilities of packages that are known to have some: one that answers nothing for everything would pass everything.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

try:
    import httpx

    HTTPX = True
except ImportError:  # reported by the module that needs it
    HTTPX = False

from .answers import HTTP_OK
from .assertion import CouldNotLook, Verdict, listed, verdict

PYPI, NPM = "PyPI", "npm"
REGISTRY = "https://registry.npmjs.org/"
OSV = "https://api.osv.dev"
LEVELS = ("low", "moderate", "high", "critical")
SAME = {"medium": "moderate"}
UNKNOWN = "of unknown severity"  # counts as the worst: nobody has said that it is less
BATCH = 500  # questions in one request; the API takes a thousand
MOST_PAGES = 20
TIMEOUT = 30.0  # seconds for one answer
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;\\]+)\s*(?:;[^\\]*)?\\?$")
# Names under which package managers of the two ecosystems keep their locks.
LOCK = re.compile(
    r"(package-lock\.json|npm-shrinkwrap\.json|(yarn|uv|poetry|pdm|Pipfile|bun|requirements[\w.-]*)\.lock|pnpm-lock\.yaml)"
)
# Old releases with well-known advisories: a source that does not know them cannot see.
KNOWN_BAD = (("PyPI", "jinja2", "2.10"), ("PyPI", "django", "2.2.0"), ("npm", "lodash", "4.17.15"), ("npm", "minimist", "1.2.0"))

Package = tuple[str, str, str]  # ecosystem, name, version


@dataclass(frozen=True)
class Advisory:
    """One advisory: its ids (its own and its aliases), and its severity: one of LEVELS, or UNKNOWN."""

    ids: frozenset[str]
    severity: str


@dataclass(frozen=True)
class Source:
    """What a source said: advisories of each package, and when it was made; None where it does not tell."""

    found: Mapping[Package, Sequence[Advisory]]
    made: datetime | None
    name: str


def read_requirements(text: str, name: str) -> tuple[set[Package], list[str]]:
    """The pinned packages of a lock in pip's form, and what in it is no pin."""
    packages, other = set(), []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if (
            not stripped
            or stripped.startswith(("#", "--hash="))
            or re.match(r"--(?:index-url|extra-index-url|require-hashes)\b", stripped)
        ):
            continue
        pinned = PINNED.match(stripped.split(" #")[0].strip())
        if pinned:
            packages.add((PYPI, re.sub(r"[-_.]+", "-", pinned.group(1)).lower(), pinned.group(2)))
        else:
            other.append(f"{stripped[:60]} ({name}, line {number})")
    return packages, other


def read_package_lock(text: str, name: str) -> tuple[set[Package], list[str]]:
    """The packages of npm's package-lock.json (version 2 or 3), and what in it is from elsewhere than the registry."""
    try:
        lock = json.loads(text)
        entries: Mapping[str, Mapping[str, Any]] = lock["packages"]
        packages, other = set(), []
        for path, entry in entries.items():
            if not path or (entry.get("link") and path.startswith("node_modules/")):
                continue  # the application itself; a link's target has an entry of its own
            package = str(entry.get("name") or path.rpartition("node_modules/")[2])
            resolved = str(entry.get("resolved") or "")
            if "node_modules/" not in path or not entry.get("version") or (resolved and not resolved.startswith(REGISTRY)):
                other.append(f"{package} ({name})")
            else:
                packages.add((NPM, package, str(entry["version"])))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CouldNotLook(f"{name} is no package-lock.json of version 2 or 3: {type(error).__name__}") from None
    return packages, other


def read_lock(name: str, text: str) -> tuple[set[Package], list[str]]:
    if name.endswith(".json"):
        return read_package_lock(text, name)
    return read_requirements(text, name)


def unnamed_locks(files: Iterable[str], locks: Sequence[str]) -> list[str]:
    """The lock files among a commit's files that are none of ``locks``: what they install, nobody looks up."""
    return [f"what {name} installs" for name in files if LOCK.fullmatch(name.rpartition("/")[2]) and name not in locks]


def read_advisory(record: Mapping[str, Any]) -> Advisory | None:
    """An advisory of a record in OSV's form; None for one that was withdrawn."""
    if record.get("withdrawn"):
        return None
    ids = frozenset({str(record["id"]), *(str(alias) for alias in record.get("aliases") or [])})
    said = [(record.get("database_specific") or {}).get("severity")]
    for affected in record.get("affected") or []:
        said += [(affected.get(part) or {}).get("severity") for part in ("database_specific", "ecosystem_specific")]
    known = [SAME.get(one.lower(), one.lower()) for one in said if isinstance(one, str)]
    levels = [level for level in known if level in LEVELS]
    return Advisory(ids, max(levels, key=LEVELS.index) if levels else UNKNOWN)


def merged(advisories: Iterable[Advisory]) -> list[Advisory]:
    """Advisories that are the same by an alias as one, with the severity that any of them gives."""
    groups: list[Advisory] = []
    for advisory in advisories:
        same = [group for group in groups if group.ids & advisory.ids]
        groups = [group for group in groups if not group.ids & advisory.ids]
        together = [advisory, *same]
        levels = [one.severity for one in together if one.severity in LEVELS]
        worst = max(levels, key=LEVELS.index) if levels else UNKNOWN
        groups.append(Advisory(frozenset().union(*(one.ids for one in together)), worst))
    return groups


class Osv:
    """OSV's API: google.github.io/osv.dev/api. ``url`` is OSV, or a mirror's, which does not tell how old its copy is."""

    def __init__(self, url: str, ca_path: str | None = None) -> None:
        self.url = url.rstrip("/")
        try:
            self._client = httpx.Client(timeout=TIMEOUT, verify=ca_path or True)
        except (OSError, ValueError) as error:
            raise CouldNotLook(f"{url} cannot be asked: {error}") from None

    def look_up(self, packages: Sequence[Package]) -> Source:
        ids: dict[Package, set[str]] = {package: set() for package in packages}
        made = datetime.max.replace(tzinfo=UTC)
        for begin in range(0, len(packages), BATCH):
            open_questions = [(package, "") for package in packages[begin : begin + BATCH]]
            for _ in range(MOST_PAGES):
                body = {"queries": [_question(package, token) for package, token in open_questions]}
                answer = self._ask("POST", "/v1/querybatch", body)
                made = min(made, _date(answer))
                results = answer.json()["results"]
                if len(results) != len(open_questions):
                    raise CouldNotLook(f"{self.url} answered {len(results)} of {len(open_questions)} questions")
                following = []
                for (package, _token), result in zip(open_questions, results, strict=True):
                    ids[package] |= {str(one["id"]) for one in result.get("vulns") or []}
                    if result.get("next_page_token"):
                        following.append((package, str(result["next_page_token"])))
                open_questions = following
                if not open_questions:
                    break
            else:
                raise CouldNotLook(f"{self.url} has no end of pages")
        records = {name: read_advisory(self._ask("GET", f"/v1/vulns/{name}").json()) for name in sorted(set().union(*ids.values()))}
        found = {package: [one for name in sorted(names) if (one := records[name])] for package, names in ids.items()}
        return Source(found, made if self.url == OSV else None, self.url)

    def _ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        try:
            answer = self._client.request(method, f"{self.url}{path}", json=body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise CouldNotLook(f"{self.url} does not answer: {error or type(error).__name__}") from None
        if answer.status_code != HTTP_OK:
            raise CouldNotLook(f"{self.url} answered {path} with status {answer.status_code}")
        return answer


class Export:
    """OSV's exports in a folder, ``<ecosystem>/all.zip`` each. Their age is that of the youngest advisory in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def look_up(self, packages: Sequence[Package]) -> Source:
        found: dict[Package, list[Advisory]] = {package: [] for package in packages}
        made = datetime.max.replace(tzinfo=UTC)
        for ecosystem in sorted({package[0] for package in packages}):
            by_name: dict[str, list[Package]] = {}
            for package in packages:
                if package[0] == ecosystem:
                    by_name.setdefault(package[1], []).append(package)
            youngest = datetime.min.replace(tzinfo=UTC)
            for record in self._records(ecosystem):
                youngest = max(youngest, _time(record["modified"]))
                for affected in record.get("affected") or []:
                    named = affected.get("package") or {}
                    name = _normal(ecosystem, str(named.get("name")))
                    if named.get("ecosystem") != ecosystem or name not in by_name:
                        continue
                    advisory = read_advisory(record)
                    hit = [package for package in by_name[name] if advisory and is_affected(package, affected)]
                    for package in hit:
                        found[package].append(advisory)  # type: ignore[arg-type]
            made = min(made, youngest)
        return Source(found, made, str(self.folder))

    def _records(self, ecosystem: str) -> Iterable[Mapping[str, Any]]:
        file = self.folder / ecosystem / "all.zip"
        try:
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    yield json.loads(archive.read(name))
        except (OSError, zipfile.BadZipFile, ValueError, RecursionError) as error:
            raise CouldNotLook(f"{file} cannot be read: {error}") from None


def is_affected(package: Package, affected: Mapping[str, Any]) -> bool:
    """Whether the ``affected`` part of a record, which is of this package, has its version. What cannot be compared is affected."""
    ecosystem, _, version = package
    if version in (affected.get("versions") or []):
        return True
    key = _python_key if ecosystem == PYPI else _semver_key
    ranges = [one for one in affected.get("ranges") or [] if one.get("type") in {"ECOSYSTEM", "SEMVER"}]
    if not ranges:
        return not affected.get("versions")
    try:
        own = key(version)
        return any(_in_range(own, one.get("events") or [], key) for one in ranges)
    except (InvalidVersion, ValueError):
        return True


def _in_range(own: Any, events: Sequence[Mapping[str, str]], key: Any) -> bool:
    """OSV's own algorithm: events in the order of versions, the last that applies says whether the version is affected."""
    marks = []
    for event in events:
        for kind in ("introduced", "fixed", "last_affected"):
            if kind in event:
                marks.append((None if event[kind] == "0" else key(event[kind]), kind))
    marks.sort(key=lambda mark: (mark[0] is not None, mark[0]) if mark[0] is not None else (False, key("0.0.0")))
    inside = False
    for mark, kind in marks:
        if kind == "introduced" and (mark is None or own >= mark):
            inside = True
        elif (kind == "fixed" and own >= mark) or (kind == "last_affected" and own > mark):
            inside = False
    return inside


def _python_key(version: str) -> Version:
    return Version(version)


def _semver_key(version: str) -> tuple[Any, ...]:
    """Order of semver.org, 11: numbers, then a pre-release before the release; build metadata does not count."""
    found = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?", version)
    if not found:
        raise ValueError(version)
    *numbers, before = found.groups()
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in before.split(".")] if before else []
    return (*map(int, numbers), not parts, tuple(parts))


def _normal(ecosystem: str, name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower() if ecosystem == PYPI else name


def _question(package: Package, token: str) -> dict[str, Any]:
    ecosystem, name, version = package
    question: dict[str, Any] = {"package": {"name": name, "ecosystem": ecosystem}, "version": version}
    return {**question, **({"page_token": token} if token else {})}


def _date(answer: httpx.Response) -> datetime:
    try:
        return parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError):
        raise CouldNotLook("the advisory service does not say what time it is, so its age is unknown") from None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(re.sub(r"\.\d+", "", text))


def look_up(source: Osv | Export, packages: Iterable[Package]) -> Source:
    """Ask a source for packages, and for those that are known to be bad. Raises CouldNotLook for answers of another form."""
    wanted = set(packages)
    ecosystems = {package[0] for package in wanted}
    known = [package for package in KNOWN_BAD if package[0] in ecosystems]
    try:
        seen = source.look_up(sorted(wanted | set(known)))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CouldNotLook(f"the advisories are not in OSV's form: {type(error).__name__} {error}") from None
    blind = [f"{name} {version}" for ecosystem, name, version in known if not seen.found[(ecosystem, name, version)]]
    if blind:
        raise CouldNotLook(f"{seen.name} knows nothing bad of {listed(blind)}, which everybody does: it cannot see")
    return Source({package: seen.found[package] for package in wanted}, seen.made, seen.name)


def judge_packages(
    seen: Source, not_looked_up: Sequence[str], locks: Sequence[str], level: str, oldest: timedelta, now: datetime
) -> Verdict:
    """pre.security.vulnerability_scan: all looked up, in a source that is young enough, nothing at ``level`` or above."""
    expected = {"level": level, "database_days": oldest.days, "locks": list(locks)}
    bad: list[str] = []
    below: list[str] = []
    for (_, name, version), advisories in sorted(seen.found.items()):
        for advisory in merged(advisories):
            told = f"{name} {version}: {min(advisory.ids)} ({advisory.severity})"
            counts = advisory.severity == UNKNOWN or LEVELS.index(advisory.severity) >= LEVELS.index(level)
            (bad if counts else below).append(told)
    made = f"{seen.made:%Y-%m-%d}" if seen.made else "unknown age"
    problems = [f"{len(bad)} vulnerabilities: {listed(bad, 3)}"] if bad else []
    if not seen.found:
        problems.append(f"no package was found in {listed(locks)}")
    observed = {
        "packages": len(seen.found),
        "vulnerabilities": len(bad),
        "below": len(below),
        "made": seen.made and seen.made.isoformat(),
    }
    result = verdict(
        problems,
        f"{len(seen.found)} packages looked up in {seen.name} of {made}, none vulnerable at {level} or above"
        + (f", {len(below)} below: {listed(below, 3)}" if below else ""),
        expected=expected,
        observed=observed,
        evidence={"vulnerable": bad, "below": below, "not_looked_up": list(not_looked_up)},
    )
    # A vulnerability that was found stands; that none was found does not, where something was not looked at.
    if not problems and not_looked_up:
        raise CouldNotLook(f"{len(not_looked_up)} packages could not be looked up: {listed(not_looked_up, 3)}")
    if not problems and seen.made is None:
        raise CouldNotLook(f"the age of a mirror is unknown ({seen.name}); use an export (app_advisories_path)")
    age = now - (seen.made or now)
    if not problems and age < -oldest:
        raise CouldNotLook(f"the advisories of {seen.name} are of {made}, which is yet to come")
    if not problems and age > oldest:
        raise CouldNotLook(f"the advisories of {seen.name} are of {made}, {age.days} days old, {oldest.days} at most may be")
    return result
