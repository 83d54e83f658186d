# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a commit was reviewed: a reviewer's signed tag in its repository, or a forge's word about exactly its content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .assertion import CouldNotLook, Verdict, listed, verdict
from .repository import Commit, Tag
from .signatures import BadSignature, allowed_keys, also_known_as, fingerprint, signer, verify


def judge_tag(
    tag: Tag | None,
    name: str,
    commit: str,
    commits: Sequence[Commit],
    reviewers: Sequence[str],
    allowed: Path,
    repository: str = "",
    signed_commits: bool = False,
) -> Verdict:
    """pre.quality.code_reviewed: a reviewer who wrote none of ``commits`` signed the tag ``name`` of exactly ``commit``.

    ``signed_commits``: each commit must bear the signature of one who wrote it. Without, who wrote it is what it says itself.
    """
    keys = allowed_keys(allowed, repository)
    if not reviewers:
        raise CouldNotLook("no reviewer is named")
    expected = {"commit": commit, "reviewers": list(reviewers)}
    authors = set().union(*(entry.people for entry in commits))
    seen = {"commits": [entry.hash for entry in commits], "authors": sorted(authors), "tag": tag.header if tag else None}
    if tag is None:
        return verdict([f"{name} is no signed tag of the repository: commit {commit[:12]} was not reviewed"], "", expected=expected)
    problems = []
    if tag.header.get("tag") != name:
        problems.append(f"the tag {name} was signed as {tag.header.get('tag')!r}")
    if tag.header.get("type") != "commit" or tag.header.get("object") != commit:
        problems.append(f"the tag {name} was signed for {tag.header.get('object', 'nothing')[:12]}, not for commit {commit[:12]}")
    if not tag.signature:
        problems.append(f"the tag {name} is not signed")
        return verdict(problems, "", expected=expected, observed=seen)
    try:
        who, key = verify(tag.content, tag.signature, "git", reviewers, allowed)
    except BadSignature as reason:
        return verdict([*problems, f"the tag {name} has {reason}"], "", expected=expected, observed=seen)
    if signed_commits:
        problems += unsigned(commits, allowed)
    problems += self_review(who, key, commits, also_known_as(key, authors, keys))
    return verdict(
        problems,
        f"{name} at {commit[:12]} is signed by {signer(who, key)}, who wrote none of its {len(commits)} commits "
        f"({listed(authors)})",
        expected=expected,
        observed={**seen, "reviewer": who, "key": fingerprint(key)},
    )


def unsigned(commits: Iterable[Commit], allowed: Path) -> list[str]:
    """Name the first commit that nobody who wrote it has signed."""
    for commit in commits:
        try:
            verify(commit.content, commit.signature, "git", sorted(commit.people), allowed)
        except BadSignature as reason:
            return [f"commit {commit.hash[:12]}, of which its authors are to be known: {reason}"]
    return []


def self_review(who: str, key: str, commits: Iterable[Commit], aliases: Sequence[str]) -> list[str]:
    """Name what shows that the reviewer wrote what was reviewed: by name, by another name of the key, or by the key."""
    for commit in commits:
        if who.lower() in commit.people:
            return [f"self-review: {who} signed and wrote commit {commit.hash[:12]}"]
        if commit.key and commit.key == key:
            return [f"self-review: the key of {who} also signed commit {commit.hash[:12]}"]
    return [f"self-review: the key of {who} is also that of {', '.join(aliases)}"] if aliases else []


@dataclass(frozen=True)
class Approval:
    """What a forge says of one person's last review of a change. ``commit``: what was looked at."""

    by: str
    commit: str
    approved: bool
    where: str


def judge_approvals(
    approvals: Sequence[Approval],
    commit: str,
    same_content: Iterable[str],
    authors: Iterable[str],
    reviewers: Sequence[str],
    needed: int,
) -> Verdict:
    """pre.quality.code_reviewed by a forge: ``needed`` people other than the authors approved exactly this content.

    ``same_content``: commits with the very tree of ``commit``, such as the head that a merge brought in unchanged. ``authors``:
    names of people on the forge. ``reviewers``: whose approval counts.
    """
    if not reviewers:
        raise CouldNotLook("no reviewer is named")
    exact = {commit, *same_content}
    wrote = {name.lower() for name in authors}
    refused = [entry for entry in approvals if not entry.approved]
    good, problems = set(), [f"{entry.by} asks for changes in {entry.where}" for entry in refused]
    why_not = []
    for entry in approvals:
        if not entry.approved:
            continue
        if entry.by.lower() in wrote:
            why_not.append(f"{entry.by} is an author: self-review")
        elif entry.by.lower() not in {name.lower() for name in reviewers}:
            why_not.append(f"{entry.by} is no reviewer")
        elif entry.commit not in exact:
            why_not.append(f"{entry.by} approved {entry.commit[:12] or 'an unknown commit'}, not this content")
        else:
            good.add(entry.by)
    if len(good) < needed:
        problems.append(
            f"commit {commit[:12]} has {len(good)} of {needed} approvals" + (f" ({'; '.join(why_not)})" if why_not else "")
        )
    return verdict(
        problems,
        f"commit {commit[:12]} is approved by {listed(good)} in {listed({entry.where for entry in approvals})}",
        expected={"commit": commit, "approvals": needed},
        observed={"approvals": [vars(entry) for entry in approvals], "authors": sorted(wrote)},
    )
