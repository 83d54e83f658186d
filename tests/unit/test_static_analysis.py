"""Static analyses: what a report must have looked at, and what keeps it from passing."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.tickbox.static_analysis import judge_analysis, narrowed, read_report, suppressions, wanted_files
from ansible.module_utils.tickbox.test_reports import BadReport
from hypothesis import given, settings
from hypothesis import strategies as st

COMMIT = "c" * 40
FILES = {"shop/a.py", "shop/b.py"}
PLANTED = {"shop/planted.py": {"content": "eval(input())", "finds": ["B307"]}, "own.json": {"content": "{}"}}
SUITE = {"report": "bandit", "level": "medium", "suppressions": 1, "planted": PLANTED}


def finding(rule: str = "B307", severity: str = "MEDIUM", path: str = "./shop/planted.py") -> dict[str, Any]:
    return {"test_id": rule, "issue_severity": severity, "filename": path, "line_number": 3}


def bandit(*found: dict[str, Any], files: set[str] | None = None, nosec: int = 0, **more: Any) -> bytes:
    names: dict[str, dict[str, Any]] = {f"./{name}": {} for name in (FILES if files is None else files) | {"shop/planted.py"}}
    metrics = {**names, "_totals": {"nosec": nosec, "skipped_tests": 0}}
    return json.dumps({"errors": [], "metrics": metrics, "results": [finding(), *found], **more}).encode()


def judge(report: bytes, suite: dict[str, Any] = SUITE, away: tuple[str, ...] = (), wanted: Any = FILES) -> Any:
    return judge_analysis(report, suite, COMMIT, wanted, away, [])


def test_a_clean_analysis() -> None:
    seen = judge(bandit(finding("B404", "LOW", "./shop/a.py"), nosec=1))
    assert (seen.status, seen.summary) == ("passed", "bandit: 2 files, nothing at medium or above, 1 below, 1 suppressed")


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (bandit(finding(path="./shop/a.py")), "1 findings: B307 (medium) in shop/a.py:3"),
        (bandit(finding("B602", "HIGH", "./shop/a.py")), "B602 (high)"),
        (bandit(finding("B999", "DIRE", "./shop/a.py")), "B999 (dire)"),
        (bandit(files={"shop/a.py"}), "1 files were not looked at: shop/b.py"),
        (bandit(nosec=2), "2 comments ask it to look away, 1 may"),
        (bandit(results=[]), "did not see what was planted: B307 in shop/planted.py"),
        (bandit(results=[finding("B101")]), "did not see what was planted"),
        (bandit(errors=[{"filename": "./shop/b.py", "reason": "syntax error"}]), "shop/b.py was not read: syntax error"),
        (bandit()[:-9], "cut short"),
        (b"{}", "not one of bandit"),
        (b"null", "not one of bandit"),
        (b"", "no JSON"),
    ],
)
def test_bandit_is_refused(report: bytes, says: str) -> None:
    seen = judge(report)
    assert seen.status == "failed"
    assert says in seen.summary


BANDIT = "bandit --quiet --recursive . --ini /dev/null --exclude ./tests --exit-zero --format json --output {report}"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (BANDIT, ""),
        (BANDIT.replace("--quiet --recursive", "-qr").replace("--exclude ./tests", "-x ./tests"), ""),
        (BANDIT.replace("bandit", "{venv}/bin/python -m bandit"), ""),
        (BANDIT.replace("--ini /dev/null", "--ini=/dev/null"), ""),
        ("python3 lint.py --skip nothing", ""),
        (f"{BANDIT} --skip B506,B701", "--skip"),
        (f"{BANDIT} --skip=B506", "--skip=B506"),
        (f"{BANDIT} --sk B506", "--sk"),
        (f"{BANDIT} -s B506", "-s"),
        (f"{BANDIT} -sB506", "-sB506"),
        (f"{BANDIT} -t B307", "-t"),
        (f"{BANDIT} --tests B307", "--tests"),
        (f"{BANDIT} -ll", "-ll"),
        (f"{BANDIT} -qlll", "-qlll"),
        (f"{BANDIT} -i", "-i"),
        (f"{BANDIT} --severity-level high", "--severity-level"),
        (f"{BANDIT} --confidence-level=high", "--confidence-level=high"),
        (f"{BANDIT} --baseline old.json", "--baseline"),
        (f"{BANDIT} -c bandit.yml", "-c"),
        (f"{BANDIT} --configfile pyproject.toml", "--configfile"),
        (f"{BANDIT} -p short", "-p"),
        (f"sh -c '{BANDIT} --skip B506'", "--skip"),
        (BANDIT.replace("--ini /dev/null", ""), "give it --ini /dev/null"),
        (f"{BANDIT} --ini .bandit", "give it --ini /dev/null"),
    ],
)
def test_bandit_may_leave_nothing_out(command: str, says: str) -> None:
    seen = judge(bandit(), {**SUITE, "commands": [command]})
    assert (seen.status, says in seen.summary) == ("failed" if says else "passed", True), seen.summary


def test_comments_in_the_commit_count_whatever_the_report_says() -> None:
    seen = judge(bandit(), away=("shop/a.py:3", "shop/b.py:9"))
    assert (seen.status, "2 comments ask it to look away, 1 may: shop/a.py:3, shop/b.py:9" in seen.summary) == ("failed", True)


def test_the_settings_themselves_are_held() -> None:
    assert "level 'severe' is none of bandit" in judge(bandit(), {**SUITE, "level": "severe"}).summary
    assert "no file of the commit" in judge(bandit(), wanted=set()).summary
    assert "the commit has shop/planted.py itself" in judge(bandit(), wanted=FILES | {"shop/planted.py"}).summary


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("x = eval(y)  # nosec", True),
        ("x = eval(y)  #nosec B307", True),
        ("x = eval(y)  # noqa", True),
        ("x = eval(y)  # noqa: S307", True),
        ("x = 1  # noqa: RUF012 - SQLAlchemy's own form", False),
        ("// oxlint-disable-next-line no-eval", True),
        ("/* eslint-disable */", True),
        ("// @ts-nocheck", True),
        ("// biome-ignore lint: x", True),
        ("seconds = 3  # in a nosecond", False),
    ],
)
def test_comments_that_ask_to_look_away(line: str, counts: bool) -> None:
    assert bool(suppressions([("a.py", 1, line)])) is counts


def test_files_that_must_be_looked_at() -> None:
    tree = ["a.py", "shop/deep/b.py", "tests/c.py", "frontend/x.ts", "README.md"]
    assert wanted_files(tree, ["*.py"], ["tests/*"]) == {"a.py", "shop/deep/b.py"}


def oxlint(*found: tuple[str, str, str], files: int = 3, rules: int = 4) -> bytes:
    diagnostics = [
        {"code": f"eslint({rule})", "severity": severity, "filename": path, "labels": [{"span": {"line": 2}}]}
        for rule, severity, path in (("no-eval", "error", "src/planted.ts"), *found)
    ]
    return json.dumps({"diagnostics": diagnostics, "number_of_files": files, "number_of_rules": rules}).encode()


def test_oxlint() -> None:
    suite = {"report": "oxlint", "level": "error", "planted": {"src/planted.ts": {"finds": ["no-eval"]}}}
    wanted = {"src/a.ts", "src/b.ts"}
    assert judge(oxlint(), suite, wanted=wanted).status == "passed"
    assert "it looked at 1 files of 2" in judge(oxlint(files=2), suite, wanted=wanted).summary
    assert "no rule was switched on" in judge(oxlint(rules=0), suite, wanted=wanted).summary
    assert "no-eval (error) in src/a.ts:2" in judge(oxlint(("no-eval", "error", "src/a.ts")), suite, wanted=wanted).summary
    parse = json.dumps({"diagnostics": [{"severity": "error", "filename": "src/a.ts"}], "number_of_files": 3, "number_of_rules": 1})
    assert "no rule (error) in src/a.ts" in judge(parse.encode(), suite, wanted=wanted).summary


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ("-A all -D no-eval", ""),
        ("-D correctness -D eslint/no-eval", ""),
        ("-D no-eval -D no-implied-eval", "nothing is planted that no-implied-eval finds"),
        ("-D no-eval --deny=no-new-func", "nothing is planted that no-new-func finds"),
    ],
)
def test_each_rule_of_oxlint_has_something_planted(rules: str, says: str) -> None:
    suite = {"report": "oxlint", "level": "error", "planted": {"src/planted.ts": {"finds": ["no-eval"]}}}
    seen = judge(oxlint(), {**suite, "commands": [f"node_modules/.bin/oxlint {rules} src"]}, wanted={"src/a.ts", "src/b.ts"})
    assert (seen.status, says in seen.summary) == ("failed" if says else "passed", True), seen.summary


def test_the_demo_leaves_nothing_out() -> None:
    inventory = yaml.safe_load((Path(__file__).parents[2] / "inventory/demo/group_vars/all/app.yml").read_text())
    assert [problem for suite in inventory["app_suites"].values() for problem in narrowed(suite)] == []


def sarif(**run: Any) -> bytes:
    whole = {
        "tool": {"driver": {"name": "semgrep", "rules": [{"id": "eval", "defaultConfiguration": {"level": "error"}}]}},
        "versionControlProvenance": [{"repositoryUri": "x", "revisionId": COMMIT}],
        "invocations": [{"executionSuccessful": True}],
        "artifacts": [{"location": {"uri": name}} for name in FILES],
        "results": [],
    }
    return json.dumps({"version": "2.1.0", "runs": [{**whole, **run}]}).encode()


def hit(**more: Any) -> dict[str, Any]:
    place = {"physicalLocation": {"artifactLocation": {"uri": "shop/a.py"}, "region": {"startLine": 4}}}
    return {"ruleId": "eval", "message": {"text": "x"}, "locations": [place], **more}


@pytest.mark.parametrize(
    ("run", "says"),
    [
        ({"results": [hit()]}, "eval (error) in shop/a.py:4"),
        ({"results": [hit(level="warning")]}, ""),
        ({"results": [hit(suppressions=[{"kind": "inSource"}])]}, "1 comments ask it to look away, 0 may"),
        ({"results": [hit(suppressions=[{"kind": "inSource", "status": "rejected"}])]}, "eval (error)"),
        ({"results": [hit(baselineState="absent")]}, ""),
        ({"versionControlProvenance": [{"revisionId": "d" * 40}]}, "looked at dddddddddddd, not at cccccccccccc"),
        ({"versionControlProvenance": []}, "looked at no commit"),
        ({"invocations": [{"executionSuccessful": False}]}, "does not say that it ran to its end"),
        ({"invocations": []}, "does not say that it ran to its end"),
        (
            {
                "invocations": [
                    {"executionSuccessful": True, "toolExecutionNotifications": [{"level": "error", "message": {"text": "out"}}]}
                ]
            },
            "semgrep: out",
        ),
        (
            {
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "ruleConfigurationOverrides": [{"descriptor": {"id": "eval"}, "configuration": {"enabled": False}}],
                    }
                ]
            },
            "rule eval was switched off",
        ),
        (
            {"tool": {"driver": {"name": "s", "rules": [{"id": "eval", "defaultConfiguration": {"enabled": False}}]}}},
            "is switched off",
        ),
        ({"artifacts": [{"location": {"uri": "shop/a.py"}}]}, "1 files were not looked at: shop/b.py"),
        ({"results": None}, "not one of sarif"),
    ],
)
def test_sarif(run: dict[str, Any], says: str) -> None:
    seen = judge(sarif(**run), {"report": "sarif", "level": "error"})
    assert seen.status == ("failed" if says else "passed"), seen.summary
    assert says in seen.summary


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "metrics",
                        "results",
                        "errors",
                        "runs",
                        "tool",
                        "driver",
                        "diagnostics",
                        "version",
                        "_totals",
                        "number_of_files",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
@settings(max_examples=100)
def test_garbage_is_no_report(content: Any) -> None:
    for kind in ("bandit", "oxlint", "sarif"):
        try:
            read_report(kind, json.dumps(content).encode(), COMMIT)
        except BadReport as reason:
            assert str(reason)
