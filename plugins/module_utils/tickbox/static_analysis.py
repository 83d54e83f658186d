# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What static analyses found: reports of bandit and oxlint (JSON), and SARIF 2.1.0 of any other.

A report counts when it looked at each file of the commit that it should, and found the faults that were planted for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from .assertion import Verdict, listed, verdict
from .test_reports import BadReport

# Levels of each tool, from the least.
LEVELS = {
    "bandit": ["undefined", "low", "medium", "high"],
    "oxlint": ["advice", "warning", "error"],
    "sarif": ["none", "note", "warning", "error"],
}
# Comments by which code asks an analysis to look away: bandit, ruff's security rules, oxlint, eslint, TypeScript, biome, semgrep.
SUPPRESSION = re.compile(
    r"#\s*nosec\b|#\s*noqa\b(?!\s*:)|#\s*noqa\s*:[^#]*\bS\d{3}\b|\b(?:oxlint|eslint)-disable|@ts-(?:ignore|nocheck|expect-error)"
    r"|\bbiome-ignore\b|\bnosemgrep\b",
    re.IGNORECASE,
)

LOOK_AWAY = ["nosec", "noqa", "lint-disable", "@ts-", "biome-ignore", "nosemgrep"]  # words that each such comment has

# Options by which bandit leaves out rules or findings, of which what is planted shows only some.
NARROWS = ("tests", "skip", "configfile", "profile", "level", "severity-level", "confidence", "confidence-level", "baseline")
NARROWS_SHORT = re.compile(r"-[adqrv]*[tscplib]")  # after letters that take no value
GROUPS = {"all", "correctness", "suspicious", "pedantic", "perf", "style", "restriction", "nursery"}  # of oxlint's rules


@dataclass
class Findings:
    """What a report holds. ``found``: (level, rule, file, line). ``files``: those looked at, or their number where that is all."""

    found: list[tuple[str, str, str, int]] = field(default_factory=list)
    files: frozenset[str] | int = frozenset()
    suppressed: int = 0
    problems: list[str] = field(default_factory=list)


def wanted_files(tree: Collection[str], patterns: Sequence[str], exclude: Sequence[str]) -> set[str]:
    """The files of a commit that an analysis must look at. In a pattern ``*`` stands for folders as well."""
    return {
        name
        for name in tree
        if any(fnmatchcase(name, pattern) for pattern in patterns) and not any(fnmatchcase(name, pattern) for pattern in exclude)
    }


def suppressions(lines: Sequence[tuple[str, int, str]]) -> list[str]:
    """Where the lines (file, number, text) ask an analysis to look away."""
    return [f"{name}:{number}" for name, number, text in lines if SUPPRESSION.search(text)]


def read_report(kind: str, report: bytes, commit: str) -> Findings:
    """Read a report of one of LEVELS. Raises BadReport for what is none."""
    try:
        content = json.loads(report)
        if kind == "sarif":
            return _sarif(content, commit)
        return _bandit(content) if kind == "bandit" else _oxlint(content)
    except (ValueError, RecursionError) as error:
        raise BadReport(f"the report is no JSON, or is cut short: {error}") from None
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise BadReport(f"the report is not one of {kind}: {type(error).__name__} {error}") from None


def _plain(path: Any) -> str:
    return str(path).removeprefix("file://").removeprefix("./")


def _bandit(content: Mapping[str, Any]) -> Findings:
    totals = content["metrics"]["_totals"]
    return Findings(
        found=[
            (str(one["issue_severity"]).lower(), str(one["test_id"]), _plain(one["filename"]), int(one["line_number"]))
            for one in content["results"]
        ],
        files=frozenset(_plain(name) for name in content["metrics"] if name != "_totals"),
        suppressed=int(totals["nosec"]) + int(totals["skipped_tests"]),
        problems=[f"{_plain(one['filename'])} was not read: {one['reason']}" for one in content["errors"]],
    )


def _oxlint(content: Mapping[str, Any]) -> Findings:
    found = []
    for one in content["diagnostics"]:
        rule = re.search(r"\(([^)]+)\)", str(one.get("code", "")))
        labels = one.get("labels") or [{}]
        line = labels[0].get("span", {}).get("line", 0)
        found.append((str(one["severity"]), rule.group(1) if rule else "no rule", _plain(one["filename"]), int(line)))
    if not int(content["number_of_rules"]):
        return Findings(found, int(content["number_of_files"]), problems=["no rule was switched on"])
    return Findings(found, int(content["number_of_files"]))


def _sarif(content: Mapping[str, Any], commit: str) -> Findings:
    findings = Findings()
    if content.get("version") != "2.1.0" or not content["runs"]:
        raise BadReport("the report is no SARIF 2.1.0, or holds no run")
    files: set[str] = set()
    for run in content["runs"]:
        driver = run["tool"]["driver"]
        name = str(driver["name"])
        revisions = {str(origin.get("revisionId")) for origin in run.get("versionControlProvenance") or []}
        if revisions != {commit}:
            said = listed(one[:12] for one in revisions) or "no commit"
            findings.problems.append(f"{name} looked at {said}, not at {commit[:12]}")
        for invocation in run.get("invocations") or [{}]:
            if invocation.get("executionSuccessful") is not True:
                findings.problems.append(f"{name} does not say that it ran to its end")
            notices = [
                *(invocation.get("toolExecutionNotifications") or []),
                *(invocation.get("toolConfigurationNotifications") or []),
            ]
            findings.problems += [f"{name}: {one['message'].get('text')}" for one in notices if one.get("level") == "error"]
            switched = invocation.get("ruleConfigurationOverrides") or []
            off = [str(one["descriptor"].get("id")) for one in switched if one["configuration"].get("enabled") is False]
            findings.problems += [f"{name}: rule {rule} was switched off" for rule in off]
        rules = {rule["id"]: rule for rule in driver.get("rules") or []}
        off = [rule["id"] for rule in rules.values() if (rule.get("defaultConfiguration") or {}).get("enabled") is False]
        findings.problems += [f"{name}: rule {rule} is switched off" for rule in off]
        files |= {_plain(one["location"]["uri"]) for one in run.get("artifacts") or []}
        for result in run["results"]:
            _sarif_result(result, rules, findings)
    findings.files = frozenset(files)
    return findings


def _sarif_result(result: Mapping[str, Any], rules: Mapping[str, Any], findings: Findings) -> None:
    if result.get("kind", "fail") != "fail" or result.get("baselineState") == "absent":
        return
    if any(one.get("status") != "rejected" for one in result.get("suppressions") or []):
        findings.suppressed += 1
        return
    rule = str(result.get("ruleId") or (result.get("rule") or {}).get("id") or "no rule")
    default = (rules.get(rule, {}).get("defaultConfiguration") or {}).get("level", "warning")
    place = ((result.get("locations") or [{}])[0]).get("physicalLocation") or {}
    uri, line = (place.get("artifactLocation") or {}).get("uri", "?"), (place.get("region") or {}).get("startLine", 0)
    findings.found.append((str(result.get("level", default)), rule, _plain(uri), int(line)))


def narrowed(suite: Mapping[str, Any]) -> list[str]:
    """Name in which way the commands of an analysis leave out what nobody would miss, as nothing was planted for it."""
    problems = []
    proved = {rule for file in (suite.get("planted") or {}).values() for rule in file.get("finds") or []}
    for command in suite.get("commands") or []:
        words = re.findall(r"[^\s'\"]+", command)
        programs = [word.rpartition("/")[2] for word in words]
        if "bandit" in programs:
            given = words[programs.index("bandit") + 1 :]
            problems += [f"bandit may not be told to leave something out: {word}" for word in given if _narrows(word)]
            settings = re.findall(r"(?:^| )--ini?[ =](\S+)", " ".join(given))
            if set(settings) != {"/dev/null"}:
                problems.append("bandit reads settings of the repository: give it --ini /dev/null")
        if "oxlint" in programs:
            denied = re.findall(r" (?:-D|--deny)[ =]?(\S+)", " ".join(words))
            unproved = sorted({rule.rpartition("/")[2] for rule in denied} - proved - GROUPS)
            problems += [f"nothing is planted that {rule} finds" for rule in unproved]
    return problems


def _narrows(word: str) -> bool:
    name = word.partition("=")[0].removeprefix("--")
    if word.startswith("--"):  # it takes names cut short as well
        return bool(name) and any(one.startswith(name) for one in NARROWS)
    return NARROWS_SHORT.match(word) is not None


def judge_analysis(
    report: bytes,
    suite: Mapping[str, Any],
    commit: str,
    wanted: Collection[str],
    looks_away: Sequence[str],
    problems: Sequence[str],
) -> Verdict:
    """pre.quality.security_standards for one analysis: all of ``wanted`` was looked at, nothing found at the level or above.

    ``suite``: ``commands``, ``report`` (a key of LEVELS), ``level``, ``suppressions`` (how many are allowed) and ``planted`` (by
    path, ``finds``: the rules that must find fault with it). ``looks_away``: where the code asks analyses to look away.
    """
    kind = str(suite["report"])
    levels, level, budget = LEVELS[kind], str(suite.get("level") or "medium").lower(), int(suite.get("suppressions") or 0)
    planted: Mapping[str, Mapping[str, Any]] = suite.get("planted") or {}
    expected = {"level": level, "suppressions": budget, "files": len(wanted)}
    found = [*problems, *narrowed(suite)]
    if level not in levels:
        return verdict([*found, f"level {level!r} is none of {kind}: {', '.join(levels)}"], "", expected=expected)
    if not wanted:
        found.append("no file of the commit is to be looked at")
    taken = sorted(set(planted) & set(wanted))
    if taken:
        found.append(f"the commit has {taken[0]} itself, where a fault was to be planted")
    try:
        seen = read_report(kind, report, commit)
    except BadReport as reason:
        return verdict([*found, str(reason)], "", expected=expected)
    found += seen.problems + _unseen(seen.files, wanted, planted)
    hits = {(path, rule) for _, rule, path, _ in seen.found}
    blind = [f"{rule} in {path}" for path, file in planted.items() for rule in file.get("finds") or [] if (path, rule) not in hits]
    if blind:
        found.append(f"it did not see what was planted: {listed(blind)}")
    own = [one for one in seen.found if one[2] not in planted]
    unknown = sorted({one[0] for one in own} - set(levels))
    bad = [one for one in own if one[0] in unknown or levels.index(one[0]) >= levels.index(level)]
    if bad:
        found.append(f"{len(bad)} findings: {listed([f'{rule} ({at}) in {path}:{line}' for at, rule, path, line in bad], 3)}")
    away = max(len(looks_away), seen.suppressed)
    if away > budget:
        found.append(f"{away} comments ask it to look away, {budget} may" + (f": {listed(looks_away, 3)}" if looks_away else ""))
    return verdict(
        found,
        f"{kind}: {len(wanted)} files, nothing at {level} or above, {len(own)} below, {away} suppressed",
        expected=expected,
        observed={"findings": len(own), "at_level": len(bad), "suppressed": away},
        evidence=[f"{at} {rule} {path}:{line}" for at, rule, path, line in own[:50]],
    )


def _unseen(files: frozenset[str] | int, wanted: Collection[str], planted: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Name what was not looked at. Planted files count where something is to be found in them."""
    traps = {path for path, file in planted.items() if file.get("finds")}
    if isinstance(files, int):
        count = len(set(wanted) | traps)
        return [] if files == count else [f"it looked at {files - len(traps)} files of {len(wanted)}"]
    missing = set(wanted) - files
    return [f"{len(missing)} files were not looked at: {listed(missing, 3)}"] if missing else []
