"""Reviews: whose signature on a version counts, and what else does not."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import signing
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.review import Approval, judge_approvals
from ansible.module_utils.tickbox.signatures import BadSignature, allowed_keys, signing_key
from hypothesis import given, settings
from hypothesis import strategies as st
from signing import AUTHOR, REVIEWER, Keys, git

ITEM = "pre.quality.code_reviewed"


class Case:
    """A repository whose author signs commits and whose reviewer signs tags."""

    def __init__(self, folder: Path, run_module: Any) -> None:
        self.keys = Keys(folder)
        self.path = folder / "shop"
        self.run_module = run_module
        self.commit = signing.repository(self.path, {"app.py": "one\n"}, self.keys.make("author"))
        self.allowed = self.keys.allow(self.keys.line(AUTHOR, "author"), self.keys.line(REVIEWER, "reviewer"))

    def tag(self, name: str = "v1", key: str = "reviewer", target: str = "HEAD") -> None:
        git(self.path, "tag", "--sign", "--force", "-m", name, name, target, who=REVIEWER, key=self.keys.make(key))

    def look(self, **more: Any) -> dict[str, Any]:
        result: dict[str, Any] = self.run_module(
            "check_review",
            items=[ITEM],
            repository=str(self.path / ".git"),
            application="shop",
            environment="production",
            report_only=True,
            **{
                "commit": self.commit,
                "version": "v1",
                "reviewers": [REVIEWER],
                "allowed_signers": str(self.allowed),
                **more,
            },
        )
        assertion: dict[str, Any] = result["assertions"][0]
        return assertion


@pytest.fixture
def case(tmp_path: Path, run_module: Any) -> Case:
    return Case(tmp_path, run_module)


def test_a_version_that_a_reviewer_signed(case: Case) -> None:
    case.tag()
    seen = case.look()
    assert (seen["status"], seen["observed"]["reviewer"]) == ("passed", REVIEWER)
    assert seen["observed"]["key"].startswith("SHA256:")


def test_a_commit_after_the_review(case: Case) -> None:
    case.tag()
    later = signing.commit(case.path, {"app.py": "two\n"}, key=case.keys.make("author"))
    for version in ("v1", "main", later):
        seen = case.look(commit=later, version=version)
        assert seen["status"] == "failed"
    assert "no signed tag" in case.look(commit=later, version="main")["summary"]
    assert f"signed for {case.commit[:12]}, not for commit {later[:12]}" in case.look(commit=later)["summary"]


def test_an_unsigned_tag_and_one_that_is_only_a_name(case: Case) -> None:
    git(case.path, "tag", "-a", "-m", "v1", "v1")
    assert "is not signed" in case.look()["summary"]
    git(case.path, "tag", "--force", "v1")
    assert "is no signed tag" in case.look()["summary"]


def test_a_tag_under_another_name(case: Case) -> None:
    case.tag("v0")
    git(case.path, "update-ref", "refs/tags/v1", git(case.path, "rev-parse", "refs/tags/v0"))
    assert "was signed as 'v0'" in case.look()["summary"]


def test_a_tag_of_a_tag(case: Case) -> None:
    case.tag("inner")
    case.tag("v1", target="refs/tags/inner")
    assert case.look()["status"] == "failed"


def test_an_edited_tag(case: Case) -> None:
    case.tag()
    raw = git(case.path, "cat-file", "tag", "v1") + "\n"
    edited = raw.replace("\n\nv1\n", "\n\nv1, and more\n").encode()
    made = subprocess.run(["git", "mktag"], cwd=case.path, input=edited, check=True, capture_output=True).stdout.decode().strip()
    git(case.path, "update-ref", "refs/tags/v1", made)
    assert "no valid signature of reviewer@example.com" in case.look()["summary"]


def test_a_replaced_commit_is_seen_as_it_is(case: Case) -> None:
    case.tag()
    other = signing.commit(case.path, {"app.py": "two\n"})
    git(case.path, "replace", case.commit, other)
    assert case.look(commit=other)["status"] == "failed"


def test_self_review_by_name(case: Case) -> None:
    case.tag(key="author")
    assert "no valid signature" in case.look()["summary"], "the author is no reviewer"
    assert "self-review: author@example.com signed and wrote" in case.look(reviewers=[AUTHOR, REVIEWER])["summary"]


def test_self_review_by_the_key(case: Case) -> None:
    case.allowed = case.keys.allow(case.keys.line(REVIEWER, "author"))
    case.tag(key="author")
    assert "the key of reviewer@example.com also signed commit" in case.look()["summary"]


@pytest.mark.parametrize("principals", [f"{REVIEWER},{AUTHOR}", "*@example.com", "*", f"{REVIEWER},AUTHOR@example.com"])
def test_self_review_by_another_name_of_the_key(case: Case, principals: str) -> None:
    case.allowed = case.keys.allow(case.keys.line(principals, "second"))
    case.tag(key="second")
    assert "is also that of author@example.com" in case.look()["summary"]


def test_self_review_of_an_earlier_commit_and_as_a_co_author(case: Case) -> None:
    signing.commit(case.path, {"b.py": "two\n"}, who=REVIEWER)
    tip = signing.commit(case.path, {"c.py": "three\n"})
    case.tag()
    assert case.look(commit=tip)["status"] == "passed", "of the one commit"
    assert "self-review" in case.look(commit=tip, since=case.commit)["summary"]
    tip = signing.commit(case.path, {"d.py": "4\n"}, message=f"Change\n\nCo-Authored-By: R <{REVIEWER.upper()}>")
    case.tag()
    assert "self-review" in case.look(commit=tip)["summary"]


@pytest.mark.parametrize(
    "options",
    ['namespaces="file"', 'namespaces="git",valid-before="20200101"', 'namespaces="git",valid-after="29990101"'],
)
def test_a_key_that_may_not_sign_this_or_not_now(case: Case, options: str) -> None:
    case.allowed = case.keys.allow(case.keys.line(REVIEWER, "reviewer", options))
    case.tag()
    seen = case.look()
    assert seen["status"] == "failed"
    assert "no valid signature" in seen["summary"]


def test_commits_that_their_authors_have_signed(case: Case) -> None:
    case.tag()
    assert case.look(signed_commits=True)["status"] == "passed"
    for key, who in ((None, AUTHOR), ("stranger", AUTHOR), ("author", "someone@example.com"), ("reviewer", AUTHOR)):
        tip = signing.commit(case.path, {"b.py": f"{key}\n"}, who=who, key=case.keys.make(key) if key else None)
        case.tag()
        seen = case.look(commit=tip, signed_commits=True)
        assert (seen["status"], f"commit {tip[:12]}, of which its authors are to be known" in seen["summary"]) == ("failed", True)


def test_a_stranger(case: Case) -> None:
    case.tag(key="stranger")
    assert "no valid signature" in case.look()["summary"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.chmod(0o666), "may be written by others"),
        (lambda path: path.write_text("nonsense\n"), "line 1 is no line of allowed signers"),
        (lambda path: path.write_text("# nobody\n"), "names no signer"),
        (lambda path: path.write_text("* cert-authority ssh-ed25519 AAAA\n"), "certificates are not supported"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "cannot be read"),
    ],
)
def test_without_a_sound_list_of_signers_nothing_is_known(case: Case, spoil: Any, says: str) -> None:
    case.tag()
    spoil(case.allowed)
    seen = case.look()
    assert seen["status"] == "unverifiable"
    assert says in seen["summary"]


def test_a_list_of_signers_in_the_repository_itself(case: Case) -> None:
    case.tag()
    inside = case.path / ".git" / "allowed_signers"
    inside.write_text(case.allowed.read_text())
    assert "lies in the deployed repository" in case.look(allowed_signers=str(inside))["summary"]


def test_a_list_of_signers_that_the_repository_tracks(case: Case) -> None:
    case.tag()
    assert case.look()["status"] == "passed"
    git(case.path, "checkout", "--quiet", "-b", "elsewhere")
    signing.commit(case.path, {"deploy/signers": case.allowed.read_text()})
    seen = case.look()
    assert (seen["status"], "is a file of the deployed repository" in seen["summary"]) == ("unverifiable", True), seen["summary"]


def test_a_list_of_signers_beside_what_is_no_repository(case: Case, tmp_path: Path) -> None:
    with pytest.raises(CouldNotLook, match="cannot be searched for the allowed signers"):
        allowed_keys(case.allowed, str(tmp_path / "keys"))


def test_what_cannot_be_looked_at(case: Case) -> None:
    case.tag()
    assert "no reviewer is named" in case.look(reviewers=[])["summary"]
    seen = case.look(commit="e" * 40)
    assert seen["status"] == "unverifiable"
    assert case.look(allowed_signers=None)["status"] == "unverifiable"


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_garbage_is_no_signature(content: bytes) -> None:
    armoured = b"-----BEGIN SSH SIGNATURE-----\n" + content + b"\n-----END SSH SIGNATURE-----\n"
    for signature in (content, armoured):
        with pytest.raises(BadSignature):
            signing_key(signature)


@given(st.text(max_size=80))
@settings(max_examples=50)
def test_garbage_is_no_list_of_signers(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    path = tmp_path_factory.mktemp("allowed") / "allowed_signers"
    path.write_bytes(content.encode("utf-8", "replace"))
    path.chmod(0o600)
    with pytest.raises(CouldNotLook):
        allowed_keys(path)


COMMIT, HEAD, OLD = "a" * 40, "b" * 40, "c" * 40


def approval(by: str = "ben", commit: str = COMMIT, approved: bool = True) -> Approval:
    return Approval(by, commit, approved, "pull request 7")


@pytest.mark.parametrize(
    ("approvals", "says"),
    [
        ([], "has 0 of 1 approvals"),
        ([approval(commit=OLD)], "ben approved cccccccccccc, not this content"),
        ([approval(commit="")], "ben approved an unknown commit"),
        ([approval("anna")], "anna is an author: self-review"),
        ([approval("ANNA")], "self-review"),
        ([approval("zoe")], "zoe is no reviewer"),
        ([approval(), approval("carl", approved=False)], "carl asks for changes in pull request 7"),
    ],
)
def test_approvals_are_refused(approvals: list[Approval], says: str) -> None:
    seen = judge_approvals(approvals, COMMIT, [HEAD], ["anna"], ["ben", "carl"], 1)
    assert seen.status == "failed"
    assert says in seen.summary


def test_approvals_of_this_content() -> None:
    for commit in (COMMIT, HEAD):
        assert judge_approvals([approval(commit=commit)], COMMIT, [HEAD], ["anna"], ["ben"], 1).status == "passed"
    twice = judge_approvals([approval(), approval()], COMMIT, [], ["anna"], ["ben"], 2)
    assert "has 1 of 2 approvals" in twice.summary


def test_anybodys_approval_does_not_count() -> None:
    with pytest.raises(CouldNotLook, match="no reviewer is named"):
        judge_approvals([approval("zoe")], COMMIT, [HEAD], ["anna"], [], 1)
