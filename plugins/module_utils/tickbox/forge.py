# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a forge says of reviews and of open issues, by the HTTP APIs of GitHub, GitLab and Gitea. Needs httpx.

Whatever is not answered as documented is something that could not be looked at: an error never becomes an empty list.
"""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

try:
    import httpx

    HTTPX = True
except ImportError:  # reported by the module that needs it
    HTTPX = False

from .answers import HTTP_OK
from .assertion import CouldNotLook
from .review import Approval

TIMEOUT = 20.0  # seconds for one answer
MOST_PAGES = 50
NOT_FOUND = 404


@dataclass(frozen=True)
class Change:
    """A pull or merge request: its number, the head that was reviewed, and who wrote it (names on the forge)."""

    number: int
    head: str
    authors: frozenset[str]


@dataclass(frozen=True)
class Issue:
    number: int
    title: str


class Forge(ABC):
    """One project of a forge. ``url``: of the API, such as https://api.github.com or https://git.example.com/api/v1."""

    name = ""

    def __init__(self, url: str, project: str, token: str = "", ca_path: str | None = None) -> None:
        self.url, self.project = url.rstrip("/"), project
        if urlsplit(self.url).scheme not in {"http", "https"} or not urlsplit(self.url).hostname:
            raise CouldNotLook(f"'{url}' is no address of an API")
        try:
            self._client = httpx.Client(headers=self.headers(token), timeout=TIMEOUT, verify=_context(ca_path))
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise CouldNotLook(f"{self.name} cannot be asked: {type(error).__name__}") from None

    @staticmethod
    @abstractmethod
    def headers(token: str) -> dict[str, str]:
        """The headers of each request."""

    @abstractmethod
    def changes(self, commit: str) -> list[Change]:
        """The requests by which the commit came into the project."""

    @abstractmethod
    def approvals(self, change: Change) -> list[Approval]:
        """Each person's last review of a change; comments alone are none."""

    @abstractmethod
    def has_tracker(self) -> bool:
        """Whether the project keeps issues here at all."""

    @abstractmethod
    def has_label(self, label: str) -> bool:
        """Whether the label exists: the API answers a question for an unknown one with no issues."""

    @abstractmethod
    def open_issues(self, label: str) -> list[Issue]:
        """The open issues that bear the label."""

    def get(self, path: str, **query: Any) -> Any:
        """One answer. Raises CouldNotLook unless it is status 200 and JSON."""
        answer = self._ask(f"{self.url}{path}", query)
        return self._json(answer, path)

    def get_all(self, path: str, **query: Any) -> list[Mapping[str, Any]]:
        """A list over all its pages, which the Link header names."""
        address, found, given = f"{self.url}{path}", [], query
        for _ in range(MOST_PAGES):
            answer = self._ask(address, given)
            page = self._json(answer, path)
            if not isinstance(page, list) or not all(isinstance(one, dict) for one in page):
                raise CouldNotLook(f"{self.name} did not answer {path} with a list")
            found += page
            following = answer.links.get("next", {}).get("url")
            if not following:
                return found
            if urlsplit(following)[:2] != urlsplit(self.url)[:2]:
                raise CouldNotLook(f"{self.name} names a next page of {path} on another server")
            address, given = following, {}
        raise CouldNotLook(f"{self.name} has more than {MOST_PAGES} pages of {path}")

    def exists(self, path: str) -> bool:
        answer = self._ask(f"{self.url}{path}", {})
        if answer.status_code == NOT_FOUND:
            return False
        self._json(answer, path)
        return True

    def _ask(self, address: str, query: Mapping[str, Any]) -> httpx.Response:
        try:
            return self._client.get(address, params=query or None)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise CouldNotLook(f"{self.name} at {self.url} does not answer: {error or type(error).__name__}") from None

    def _json(self, answer: httpx.Response, path: str) -> Any:
        if answer.status_code != HTTP_OK:
            raise CouldNotLook(f"{self.name} answered {path} with status {answer.status_code}")
        try:
            return answer.json()
        except (ValueError, RecursionError):
            raise CouldNotLook(f"{self.name} did not answer {path} with JSON") from None


class GitHub(Forge):
    """docs.github.com/rest: commits, pulls, issues; version 2022-11-28."""

    name = "GitHub"

    @staticmethod
    def headers(token: str) -> dict[str, str]:
        fixed = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "tickbox"}
        return {**fixed, **({"Authorization": f"Bearer {token}"} if token else {})}

    @property
    def root(self) -> str:
        return f"/repos/{quote(self.project)}"

    def changes(self, commit: str) -> list[Change]:
        found = []
        for pull in self.get_all(f"{self.root}/commits/{commit}/pulls", per_page=100):
            number = pull["number"]
            commits = self.get_all(f"{self.root}/pulls/{number}/commits", per_page=100)
            found.append(Change(number, pull["head"]["sha"], _logins(self.name, pull["user"], commits)))
        return found

    def approvals(self, change: Change) -> list[Approval]:
        where = f"pull request {change.number}"
        last: dict[str, Approval] = {}
        for review in self.get_all(f"{self.root}/pulls/{change.number}/reviews", per_page=100):
            # In the order of time. A dismissed review is one no more; a comment leaves an earlier word as it was.
            who = _login(review.get("user"))
            if review["state"] in {"APPROVED", "CHANGES_REQUESTED"}:
                last[who] = Approval(who, review.get("commit_id") or "", review["state"] == "APPROVED", where)
            elif review["state"] == "DISMISSED":
                last.pop(who, None)
        return list(last.values())

    def has_tracker(self) -> bool:
        return self.get(self.root).get("has_issues") is True

    def has_label(self, label: str) -> bool:
        return self.exists(f"{self.root}/labels/{quote(label, safe='')}")

    def open_issues(self, label: str) -> list[Issue]:
        issues = self.get_all(f"{self.root}/issues", state="open", labels=label, per_page=100)
        return [Issue(one["number"], one["title"]) for one in issues if "pull_request" not in one]


class Gitea(Forge):
    """docs.gitea.com/api: the same shapes as GitHub's for most, at /api/v1."""

    name = "Gitea"

    @staticmethod
    def headers(token: str) -> dict[str, str]:
        return {"Accept": "application/json", **({"Authorization": f"token {token}"} if token else {})}

    @property
    def root(self) -> str:
        return f"/repos/{quote(self.project)}"

    def changes(self, commit: str) -> list[Change]:
        path = f"{self.root}/commits/{commit}/pull"
        if not self.exists(path):
            return []
        pull = self.get(path)
        commits = self.get_all(f"{self.root}/pulls/{pull['number']}/commits", limit=50)
        return [Change(pull["number"], pull["head"]["sha"], _logins(self.name, pull["user"], commits))]

    def approvals(self, change: Change) -> list[Approval]:
        where = f"pull request {change.number}"
        last: dict[str, Approval] = {}
        for review in self.get_all(f"{self.root}/pulls/{change.number}/reviews", limit=50):
            if review["state"] not in {"APPROVED", "REQUEST_CHANGES"}:
                continue
            who = _login(review.get("user"))
            if review.get("dismissed"):
                last.pop(who, None)
                continue
            commit = "" if review.get("stale") else review.get("commit_id") or ""
            last[who] = Approval(who, commit, review["state"] == "APPROVED", where)
        return list(last.values())

    def has_tracker(self) -> bool:
        return self.get(self.root).get("has_issues") is True

    def has_label(self, label: str) -> bool:
        return any(one.get("name") == label for one in self.get_all(f"{self.root}/labels", limit=50))

    def open_issues(self, label: str) -> list[Issue]:
        issues = self.get_all(f"{self.root}/issues", state="open", type="issues", labels=label, limit=50)
        return [Issue(one["number"], one["title"]) for one in issues if not one.get("pull_request")]


class GitLab(Forge):
    """docs.gitlab.com/api: merge requests, their approvals and versions, issues; version 4."""

    name = "GitLab"

    @staticmethod
    def headers(token: str) -> dict[str, str]:
        return {"PRIVATE-TOKEN": token} if token else {}

    @property
    def root(self) -> str:
        return f"/projects/{quote(self.project, safe='')}"

    def changes(self, commit: str) -> list[Change]:
        found = []
        for merge in self.get_all(f"{self.root}/repository/commits/{commit}/merge_requests", per_page=100):
            commits = self.get_all(f"{self.root}/merge_requests/{merge['iid']}/commits", per_page=100)
            # Commits carry names of people, not of accounts; both are held against who approves.
            wrote = {str(one.get("author_name")) for one in commits} | {_login(merge.get("author"), "username")}
            found.append(Change(merge["iid"], merge["sha"], frozenset(wrote)))
        return found

    def approvals(self, change: Change) -> list[Approval]:
        path = f"{self.root}/merge_requests/{change.number}"
        versions = sorted(
            (_time(one["created_at"]), one["head_commit_sha"]) for one in self.get_all(f"{path}/versions", per_page=100)
        )
        found = []
        for entry in self.get(f"{path}/approvals")["approved_by"]:
            user = entry["user"]
            if not entry.get("approved_at"):
                raise CouldNotLook(f"GitLab does not say when {user['username']} approved, so not what was approved")
            seen = [head for made, head in versions if made <= _time(entry["approved_at"])]
            named = user["name"] if user.get("name") in change.authors else user["username"]
            found.append(Approval(named, seen[-1] if seen else "", True, f"merge request {change.number}"))
        return found

    def has_tracker(self) -> bool:
        project = self.get(self.root)
        return project.get("issues_access_level", "enabled") != "disabled" and project.get("issues_enabled", True) is True

    def has_label(self, label: str) -> bool:
        return self.exists(f"{self.root}/labels/{quote(label, safe='')}")

    def open_issues(self, label: str) -> list[Issue]:
        issues = self.get_all(f"{self.root}/issues", state="opened", labels=label, scope="all", per_page=100)
        return [Issue(one["iid"], one["title"]) for one in issues]


FORGES: dict[str, type[Forge]] = {"github": GitHub, "gitlab": GitLab, "gitea": Gitea}


def reviews(forge: Forge, commit: str) -> tuple[list[Change], list[Approval]]:
    """The changes that brought a commit, and what people said of them. Raises CouldNotLook for answers of another shape."""
    try:
        changes = forge.changes(commit)
        return changes, [entry for change in changes for entry in forge.approvals(change)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CouldNotLook(f"{forge.name} answered in another form than is documented: {type(error).__name__} {error}") from None


def open_critical(forge: Forge, labels: Sequence[str]) -> list[Issue]:
    """The open issues that bear any of ``labels``, each of which must exist. Raises CouldNotLook where there is no tracker."""
    try:
        if not forge.has_tracker():
            raise CouldNotLook(f"{forge.project} keeps no issues on {forge.name}")
        missing = [label for label in labels if not forge.has_label(label)]
        if missing:
            raise CouldNotLook(f"{forge.project} has no label {', '.join(map(repr, missing))}, so nothing can bear it")
        found = {issue.number: issue for label in labels for issue in forge.open_issues(label)}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CouldNotLook(f"{forge.name} answered in another form than is documented: {type(error).__name__} {error}") from None
    return [found[number] for number in sorted(found)]


def _login(user: Any, key: str = "login") -> str:
    name = user.get(key) if isinstance(user, dict) else None
    if not isinstance(name, str) or not name:
        raise CouldNotLook("the forge does not say whose change or review it is")
    return name


def _logins(forge: str, user: Any, commits: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    unknown = [str(one.get("sha"))[:12] for one in commits if not one.get("author")]
    if unknown:
        raise CouldNotLook(f"{forge} does not know whose account wrote commit {unknown[0]}, so not who may review it")
    return frozenset({_login(user), *(_login(one["author"]) for one in commits)})


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _context(ca_path: str | None) -> Any:
    try:
        return ssl.create_default_context(cafile=ca_path)
    except (OSError, ssl.SSLError) as error:
        raise CouldNotLook(f"{ca_path} cannot be used: {error}") from None
