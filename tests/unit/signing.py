"""Real keys, signatures and repositories for tests."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

AUTHOR, REVIEWER = "author@example.com", "reviewer@example.com"


@dataclass(frozen=True)
class Keys:
    """Key pairs in a folder, and an allowed_signers file beside them."""

    folder: Path

    def make(self, name: str) -> Path:
        key = self.folder / name
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True)
        return key

    def line(self, principals: str, name: str, options: str = 'namespaces="git,tickbox/*"') -> str:
        kind, public, *_ = self.make(name).with_suffix(".pub").read_text().split()
        return f"{principals} {options} {kind} {public}\n".replace("  ", " ")

    def allow(self, *lines: str) -> Path:
        path = self.folder / "allowed_signers"
        path.write_text("# who may sign\n\n" + "".join(lines))
        path.chmod(0o600)
        return path

    def sign(self, content: bytes, name: str, namespace: str) -> bytes:
        command = ["ssh-keygen", "-Y", "sign", "-f", str(self.make(name)), "-n", namespace]
        return subprocess.run(command, input=content, check=True, capture_output=True).stdout


def git(path: Path, *arguments: str, who: str = AUTHOR, key: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for part in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{part}_NAME": who.partition("@")[0], f"GIT_{part}_EMAIL": who}
    signing = ["-c", "gpg.format=ssh", "-c", f"user.signingKey={key}"] if key else []
    done = subprocess.run(["git", *signing, *arguments], cwd=path, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(path: Path, files: dict[str, str], key: Path | None = None) -> str:
    """A repository with one commit of ``files``; its hash."""
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    return commit(path, files, key=key)


def commit(path: Path, files: dict[str, str], who: str = AUTHOR, key: Path | None = None, message: str = "Change") -> str:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content)
    git(path, "add", ".")
    git(path, "commit", "--quiet", *(["-S"] if key else []), "-m", message, who=who, key=key)
    return git(path, "rev-parse", "HEAD")
