#!/usr/bin/env python3
"""Builds the git repository of an example application: one commit and one signed tag for each version.

The author's key signs commits, the reviewer's key signs tags; both are made on first use. The same content gives the
same commits, so building again changes nothing.
"""

import argparse
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Signer:
    role: str
    folder: Path

    @property
    def name(self) -> str:
        return f"Release {self.role}"

    @property
    def email(self) -> str:
        return f"{self.role}@examples.test"

    @property
    def key(self) -> Path:
        return self.folder / self.role

    def make_key(self) -> None:
        if not self.key.exists():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.email, "-f", self.key], check=True
            )

    @property
    def allowed(self) -> str:
        kind, public, *_ = self.key.with_suffix(".pub").read_text().split()
        return f'{self.email} namespaces="git" {kind} {public}\n'


class Repository:
    """A bare repository, filled through an index of its own; nothing of the user's git configuration plays a part."""

    def __init__(self, example: Path, path: Path, index: Path, author: Signer, reviewer: Signer) -> None:
        self.example = example
        self.path = path
        self.author = author
        self.reviewer = reviewer
        self.allowed_signers = author.folder / "allowed_signers"
        self.environment = {
            **os.environ,
            "GIT_DIR": str(path),
            "GIT_INDEX_FILE": str(index),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    def git(self, *arguments: str | Path, **environment: str | Path) -> str:
        options = ["-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={self.allowed_signers}"]
        done = subprocess.run(
            ["git", *options, *arguments],
            env={**self.environment, **{name: str(value) for name, value in environment.items()}},
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise SystemExit(f"git {arguments[0]}: {done.stderr.strip()}")
        return done.stdout.strip()

    def prepare(self) -> None:
        if not (self.path / "HEAD").exists():
            self.path.mkdir(parents=True, exist_ok=True)
            self.git("init", "-q", "--bare", "--initial-branch=main")

    def references(self) -> dict[str, str]:
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split() for line in lines)

    def add_version(self, version: dict[str, Any], commits: dict[str, str]) -> str:
        parent = commits[version["parent"]] if "parent" in version else None
        changes = self.example / "versions" / version["version"]
        if parent is None:
            self.git("read-tree", "--empty")
            self.git("add", "--all", ".", GIT_WORK_TREE=self.example / "source")
        else:
            self.git("read-tree", parent)
            if (changes / "changes.patch").exists():
                self.git("apply", "--cached", "--whitespace=nowarn", changes / "changes.patch")
            if (changes / "files").exists():
                self.git("add", "--ignore-removal", ".", GIT_WORK_TREE=changes / "files")
        return self.git(
            *("commit-tree", "-S", "-m", f"{version['version']}: {version['description']}"),
            *(["-p", parent] if parent else []),
            self.git("write-tree"),
            **self.identity(self.author, version["date"]),
        )

    def add_tag(self, version: dict[str, Any], commit: str) -> None:
        message = f"{version['version']}\n\n{version['description']}"
        identity = self.identity(self.reviewer, version["date"])
        self.git("tag", "--sign", "--force", "-m", message, version["version"], commit, **identity)
        self.git("verify-tag", version["version"])

    @staticmethod
    def identity(signer: Signer, date: str) -> dict[str, str]:
        identity = {
            f"GIT_{part}_{name}": value
            for part in ("AUTHOR", "COMMITTER")
            for name, value in (("NAME", signer.name), ("EMAIL", signer.email), ("DATE", date))
        }
        configuration = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.signingKey"}
        return identity | configuration | {"GIT_CONFIG_VALUE_0": str(signer.key)}


def build(example: Path, target: Path, signers: Path) -> bool:
    """Says whether anything has changed."""
    plan = yaml.safe_load((example / "versions.yml").read_text())
    author, reviewer = Signer("author", signers), Signer("reviewer", signers)
    for signer in (author, reviewer):
        signer.make_key()
    (signers / "allowed_signers").write_text(author.allowed + reviewer.allowed)
    with tempfile.TemporaryDirectory() as scratch:
        repository = Repository(example, target, Path(scratch) / "index", author, reviewer)
        repository.prepare()
        before = repository.references()
        commits: dict[str, str] = {}
        for version in plan["versions"]:
            commits[version["version"]] = repository.add_version(version, commits)
        for version in plan["versions"]:
            repository.add_tag(version, commits[version["version"]])
        repository.git("update-ref", "refs/heads/main", commits[plan["main"]])
        wanted = {"refs/heads/main", *(f"refs/tags/{version}" for version in commits)}
        for reference in repository.references().keys() - wanted:
            repository.git("update-ref", "-d", reference)
        return repository.references() != before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("example", type=Path, help="folder of the example: source, versions.yml, versions")
    parser.add_argument("target", type=Path, help="the bare repository")
    parser.add_argument("--signers-dir", type=Path, required=True, help="where the keys and allowed_signers lie")
    arguments = parser.parse_args()
    changed = build(arguments.example.resolve(), arguments.target.resolve(), arguments.signers_dir.resolve())
    print("built" if changed else "unchanged")


if __name__ == "__main__":
    main()
