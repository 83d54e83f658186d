"""Forges: a local server that speaks the documented APIs of GitHub, GitLab and Gitea, and what does not count there."""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import signing
import web

REVIEWED, NO_BUGS = "pre.quality.code_reviewed", "pre.quality.no_critical_bugs"
TOKEN = secrets.token_hex(16)


@dataclass
class State:
    """What the project holds. ``reviews``: (who, state, commit, hour). ``issues``: (number, title, labels, open)."""

    commit: str = "a" * 40
    head: str = "a" * 40
    author: str = "anna"
    writers: list[str | None] = field(default_factory=lambda: ["anna"])
    reviews: list[tuple[str, str, str, int]] = field(default_factory=list)
    versions: list[tuple[str, int]] = field(default_factory=list)
    issues: list[tuple[int, str, list[str], bool]] = field(default_factory=list)
    labels: list[str] = field(default_factory=lambda: ["critical", "severity: critical"])
    tracker: bool = True
    broken: dict[str, tuple[int, str]] = field(default_factory=dict)  # end of a path: the answer instead
    asked: list[str] = field(default_factory=list)


def paged(found: list[Any], query: Mapping[str, list[str]], size: str, address: str) -> tuple[int, dict[str, str], str]:
    """One page of a list, two entries long whatever was asked, and the way to the next as RFC 8288 has it."""
    page = int(query.get("page", ["1"])[0])
    more = f'<{address}page={page + 1}&{size}=2>; rel="next"' if len(found) > page * 2 else ""
    return 200, {"Link": more} if more else {}, json.dumps(found[(page - 1) * 2 : page * 2])


def time(hour: int) -> str:
    return f"2026-01-02T{hour:02d}:00:00.000Z"


def github(state: State, path: str) -> Any:
    root = "/repos/shop/web"
    commits = [{"sha": "9" * 40, "author": {"login": one} if one else None} for one in state.writers]
    reviews = [{"user": {"login": who}, "state": said, "commit_id": commit} for who, said, commit, _ in state.reviews]
    pull = {"number": 7, "head": {"sha": state.head}, "user": {"login": state.author}}
    known: dict[str, Any] = {
        root: {"has_issues": state.tracker},
        f"{root}/commits/{state.commit}/pulls": [pull],
        f"{root}/pulls/7/commits": commits,
        f"{root}/pulls/7/reviews": reviews,
        f"{root}/issues": lambda label: [
            *({"number": number, "title": title} for number, title, labels, is_open in state.issues if is_open and label in labels),
            {"number": 99, "title": "A change, no bug", "pull_request": {"url": "x"}},
        ],
        **{f"{root}/labels/{label}": {"name": label} for label in state.labels},
    }
    return known.get(path)


def gitea(state: State, path: str) -> Any:
    prefix, _, rest = path.partition("/repos/")
    if prefix != "/api/v1":
        return None
    words = {"CHANGES_REQUESTED": "REQUEST_CHANGES", "COMMENTED": "COMMENT"}
    reviews = [
        {
            "user": {"login": who},
            "state": "APPROVED" if said == "DISMISSED" else words.get(said, said),
            "commit_id": commit,
            "stale": commit != state.head,
            "dismissed": said == "DISMISSED",
        }
        for who, said, commit, _ in state.reviews
    ]
    root = "/repos/shop/web"
    pull = {"number": 7, "head": {"sha": state.head}, "user": {"login": state.author}}
    return {
        f"{root}/commits/{state.commit}/pull": pull,
        f"{root}/pulls/7/reviews": reviews,
        f"{root}/labels": [{"name": label} for label in state.labels],
    }.get("/repos/" + rest) or github(state, "/repos/" + rest)


def gitlab(state: State, path: str) -> Any:
    root = "/api/v4/projects/shop/web"
    approved = [
        {"user": {"username": who, "name": who.title()}, "approved_at": time(hour)}
        for who, said, _, hour in state.reviews
        if said == "APPROVED"
    ]
    known: dict[str, Any] = {
        root: {"issues_access_level": "enabled" if state.tracker else "disabled"},
        f"{root}/repository/commits/{state.commit}/merge_requests": [
            {"iid": 7, "sha": state.head, "author": {"username": state.author}}
        ],
        f"{root}/merge_requests/7/commits": [{"author_name": str(one).title()} for one in state.writers],
        f"{root}/merge_requests/7/versions": [{"head_commit_sha": sha, "created_at": time(hour)} for sha, hour in state.versions],
        f"{root}/merge_requests/7/approvals": {"approved_by": approved},
        f"{root}/issues": lambda label: [
            {"iid": number, "title": title} for number, title, labels, is_open in state.issues if is_open and label in labels
        ],
        **{f"{root}/labels/{label}": {"name": label} for label in state.labels},
    }
    return known.get(path)


KINDS: dict[str, tuple[Callable[[State, str], Any], str, str, str]] = {
    "github": (github, "", "Authorization", f"Bearer {TOKEN}"),
    "gitlab": (gitlab, "/api/v4", "PRIVATE-TOKEN", TOKEN),
    "gitea": (gitea, "/api/v1", "Authorization", f"token {TOKEN}"),
}


@contextmanager
def forge(kind: str, state: State) -> Iterator[str]:
    speak, prefix, header, value = KINDS[kind]

    def respond(_method: str, target: str, headers: Mapping[str, str]) -> web.Reply:
        parts = urlsplit(target)
        path, query = unquote(parts.path), parse_qs(parts.query)
        state.asked.append(path)
        for end, (status, body) in state.broken.items():
            if path.endswith(end):
                return status, {}, body
        if {name.lower(): one for name, one in headers.items()}.get(header.lower()) != value:
            return 404, {}, '{"message": "Not Found"}'
        found = speak(state, path)
        if callable(found):
            found = found(query["labels"][0]) if query.get("state", [""])[0] in {"open", "opened"} else []
        if isinstance(found, list):
            kept = "".join(
                f"{name}={one[0].replace(' ', '%20')}&" for name, one in query.items() if name not in {"page", "per_page", "limit"}
            )
            return paged(found, query, "per_page", f"http://127.0.0.1:{port}{parts.path}?{kept}")
        return (200, {}, json.dumps(found)) if found is not None else (404, {}, "{}")

    with web.serving(respond) as port:
        yield f"http://127.0.0.1:{port}{prefix}"


@pytest.fixture
def ask(run_module: Any, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    path = tmp_path / "shop"
    signing.repository(path, {"app.py": "one\n"})

    def look(item: str, kind: str, state: State, **more: Any) -> dict[str, Any]:
        with forge(kind, state) as url:
            arguments = {
                "items": [item],
                "repository": str(path / ".git"),
                "commit": state.commit,
                "version": "v1",
                "application": "shop",
                "environment": "production",
                "review": "forge",
                "reviewers": ["anna", "ben", "carl"],
                "tracker": "forge",
                "forge": kind,
                "forge_url": url,
                "forge_project": "shop/web",
                "forge_token": TOKEN,
                "report_only": True,
            }
            result = run_module("check_review", **{**arguments, **more})
        assertion: dict[str, Any] = result["assertions"][0]
        assert TOKEN not in json.dumps(assertion)
        return assertion

    return look


HEAD, OLD = "a" * 40, "b" * 40
FRESH = [(OLD, 1), (HEAD, 5)]
everywhere = pytest.mark.parametrize("kind", sorted(KINDS))


@everywhere
def test_approved_at_this_commit(kind: str, ask: Any) -> None:
    comments = [(f"someone{number}", "COMMENTED", HEAD, 6) for number in range(5)]
    state = State(reviews=[*comments, ("ben", "APPROVED", HEAD, 7)], versions=FRESH)
    seen = ask(REVIEWED, kind, state)
    assert seen["status"] == "passed", seen["summary"]
    assert "approved by ben" in seen["summary"]


@everywhere
@pytest.mark.parametrize(
    ("state", "says"),
    [
        (State(versions=FRESH), "has 0 of 1 approvals"),
        (State(reviews=[("ben", "APPROVED", OLD, 3)], versions=FRESH), "not this content|an unknown commit"),
        (State(reviews=[("anna", "APPROVED", HEAD, 7)], versions=FRESH), "self-review"),
        (State(author="carl", reviews=[("anna", "APPROVED", HEAD, 7)], versions=FRESH), "self-review"),
    ],
)
def test_not_approved(kind: str, state: State, says: str, ask: Any) -> None:
    seen = ask(REVIEWED, kind, state)
    assert seen["status"] == "failed"
    assert any(part in seen["summary"] for part in says.split("|")), seen["summary"]


@pytest.mark.parametrize("kind", ["github", "gitea"])
@pytest.mark.parametrize(
    ("reviews", "says"),
    [
        ([("ben", "APPROVED", HEAD, 7), ("ben", "CHANGES_REQUESTED", HEAD, 8)], "ben asks for changes"),
        ([("ben", "APPROVED", HEAD, 7), ("carl", "CHANGES_REQUESTED", OLD, 3)], "carl asks for changes"),
        ([("ben", "DISMISSED", HEAD, 7)], "has 0 of 1 approvals"),
        ([("ben", "COMMENTED", HEAD, 7)], "has 0 of 1 approvals"),
    ],
)
def test_the_last_word_counts(kind: str, reviews: Any, says: str, ask: Any) -> None:
    seen = ask(REVIEWED, kind, State(reviews=reviews))
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]
    again = State(reviews=[("ben", "CHANGES_REQUESTED", OLD, 1), ("ben", "APPROVED", HEAD, 7), ("ben", "COMMENTED", HEAD, 8)])
    assert ask(REVIEWED, kind, again)["status"] == "passed"


@pytest.mark.parametrize("kind", ["github", "gitea"])
def test_a_commit_of_an_unknown_account(kind: str, ask: Any) -> None:
    state = State(writers=["anna", None], reviews=[("ben", "APPROVED", HEAD, 7)])
    assert "does not know whose account wrote" in ask(REVIEWED, kind, state)["summary"]


@everywhere
def test_a_commit_that_came_in_by_no_request(kind: str, ask: Any) -> None:
    missing = {
        f"/commits/{HEAD}/pulls": (200, "[]"),
        f"/commits/{HEAD}/merge_requests": (200, "[]"),
        f"/commits/{HEAD}/pull": (404, "{}"),
    }
    seen = ask(REVIEWED, kind, State(broken=missing))
    assert (seen["status"], "came in by no request" in seen["summary"]) == ("failed", True)


def test_gitlab_that_does_not_say_when(ask: Any) -> None:
    silent = json.dumps({"approved_by": [{"user": {"username": "ben", "name": "Ben"}}]})
    state = State(versions=FRESH, broken={"/approvals": (200, silent)})
    assert "does not say when ben approved" in ask(REVIEWED, "gitlab", state)["summary"]


CLOSED = (1, "Data lost", ["critical"], False)
MINOR = (2, "A typo", ["minor"], True)
OPEN = [(number, f"Crash {number}", ["critical"], True) for number in range(3, 8)]


@everywhere
def test_no_critical_issue_is_open(kind: str, ask: Any) -> None:
    seen = ask(NO_BUGS, kind, State(issues=[CLOSED, MINOR]), critical_labels=["critical", "severity: critical"])
    assert seen["status"] == "passed", seen["summary"]


@everywhere
def test_critical_issues_over_all_pages(kind: str, ask: Any) -> None:
    seen = ask(NO_BUGS, kind, State(issues=[CLOSED, MINOR, *OPEN]))
    assert (seen["status"], seen["observed"]["open"]) == ("failed", 5)
    assert "5 critical issues are open in shop/web" in seen["summary"]
    assert "#3 Crash 3" in seen["summary"]


@everywhere
@pytest.mark.parametrize(
    ("state", "more", "says"),
    [
        (State(tracker=False), {}, "keeps no issues"),
        (State(), {"critical_labels": ["critcal"]}, "has no label 'critcal'"),
        (State(), {"critical_labels": []}, "names no label"),
        (State(), {"forge_token": "another-token"}, "status 404"),
        (State(), {"forge_project": "shop/other"}, "status 404"),
        (State(), {"forge_url": "http://127.0.0.1:1"}, "does not answer"),
        (State(), {"forge_url": "nonsense"}, "no address of an API"),
        (State(), {"forge_project": None}, "forge_project must be set"),
        (State(broken={"/issues": (500, "")}), {}, "with status 500"),
        (State(broken={"/issues": (403, '{"message": "rate limit"}')}), {}, "with status 403"),
        (State(broken={"/issues": (200, "<html>")}), {}, "with JSON"),
        (State(broken={"/issues": (200, '{"message": "x"}')}), {}, "with a list"),
        (State(broken={"/issues": (200, '[{"other": 1}]')}), {}, "another form"),
        (State(broken={"/issues": (200, "[7]")}), {}, "with a list"),
        (State(broken={"/web": (200, "[]")}), {}, "another form"),
        (State(broken={"/issues": (301, "")}), {}, "with status 301"),
    ],
)
def test_a_tracker_that_cannot_be_asked_ticks_nothing(kind: str, state: State, more: dict[str, Any], says: str, ask: Any) -> None:
    seen = ask(NO_BUGS, kind, state, **more)
    assert seen["status"] == "unverifiable"
    assert says in seen["summary"], seen["summary"]
