"""Versions of the example application to deploy: one more changes the code alone, or lock files, frontend and schema as well."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.build_repository import Repository, Signer
from tools.bench import ROOT

EXAMPLE = ROOT / ".tickbox/repositories/interactive_examples.git"
REPOSITORY = ROOT / ".tickbox/repositories/bench.git"
SIGNERS = ROOT / ".tickbox/signers"
ATTESTATIONS = ROOT / ".tickbox/attestations/examples"
FIRST = "v1.2.0"

# A package that the application does not use, in two versions, so that something is installed anew. A number makes each lock file
# another than all before, as whoever has seen one may keep what was made of it.
PYTHON = (
    (
        "itsdangerous==2.1.2 --hash=sha256:2c2349112351b88699d8d4b6b075022c0808887cb7ad10069318a8b0bc88db44"
        " --hash=sha256:5dbbc68b317e5e42f327f9021763545dc3fc3bfe22e6deb96aaf1fc38874156a\n"
    ),
    (
        "itsdangerous==2.2.0 --hash=sha256:c6242fc49e35958c8b15141343aa660db5fc54d4f13a1db01a3f5891b98700ef"
        " --hash=sha256:e0050c0b7da1eea53ffaf149c0cfbb5c6e2e2b69c4bef22c81fa6eb73e5f6173\n"
    ),
)
NPM = (
    ("2.1.2", "sha512-sGkPx+VjMtmA6MX27oA4FBFELFCZZ4S4XqeGOXCv68tT+jb3vk/RyaKWP0PTKyWtmLSM0b+adUTEvbs1PEaH2w=="),
    ("2.1.3", "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA=="),
)
MIGRATION = '''"""One more column, which earlier code does not mind."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("popularity", sa.Column("bench_{number}", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("popularity", "bench_{number}")
'''


def code_change(name: str, module: str) -> str:
    return f'{module.rstrip()}\n\nCHANGED_FOR = "{name}"\n'.lstrip()


def locked(lock: str, number: int) -> str:
    """The lock file of Python with the other version of the package."""
    kept = [line for line in lock.splitlines(keepends=True) if not line.startswith("itsdangerous==")]
    return "".join(line for line in kept if not line.startswith("# bench")) + PYTHON[number % len(PYTHON)] + f"# bench {number}\n"


def npm_locked(package: str, lock: str, number: int) -> tuple[str, str]:
    """package.json and package-lock.json with the other version of the package."""
    version, integrity = NPM[number % len(NPM)]
    described, locks = json.loads(package), json.loads(lock)
    locks["version"] = f"0.0.{number}"
    for part in (described, locks["packages"][""]):
        part["version"] = f"0.0.{number}"
        part["dependencies"]["ms"] = version
    locks["packages"]["node_modules/ms"] = {"version": version, "integrity": integrity, "license": "MIT"}
    return json.dumps(described, indent=2) + "\n", json.dumps(locks, indent=2) + "\n"


class Versions:
    """A bare repository whose branch main goes on from the example's last version. It stays, as the host has its versions."""

    def __init__(self, index: Path) -> None:
        self._repository = Repository(ROOT, REPOSITORY, index, Signer("author", SIGNERS), Signer("reviewer", SIGNERS))
        self._repository.prepare()
        if "refs/heads/main" not in self._repository.references():
            self._repository.git("fetch", "--quiet", EXAMPLE, f"refs/tags/{FIRST}:refs/tags/{FIRST}")
            self._repository.git("update-ref", "refs/heads/main", f"{FIRST}^{{commit}}")

    @property
    def last(self) -> str:
        """The name of the last version."""
        return self._repository.git("describe", "--tags", "--exact-match", "main")

    def code_only(self) -> str:
        name = f"code-{int(time.time() * 1000)}"
        path = "interactive_examples/__init__.py"
        return self._add(name, {path: code_change(name, self._read(path))})

    def full(self) -> str:
        migrations = sorted(self._repository.git("ls-tree", "--name-only", "main", "migrations/versions/").splitlines())
        before = Path(migrations[-1]).name[:4]
        number = int(before) + 1
        package, lock = "frontend/package.json", "frontend/package-lock.json"
        new_package, new_lock = npm_locked(self._read(package), self._read(lock), number)
        models = "interactive_examples/models.py"
        return self._add(
            f"full-{int(time.time() * 1000)}",
            {
                "requirements.lock": locked(self._read("requirements.lock"), number),
                package: new_package,
                lock: new_lock,
                models: f"{self._read(models).rstrip()}\n    bench_{number}: Mapped[int | None]\n",
                f"migrations/versions/{number:04}_bench.py": MIGRATION.format(
                    revision=f"{number:04}", before=before, number=number
                ),
            },
        )

    def _read(self, path: str) -> str:
        return self._repository.git("show", f"main:{path}") + "\n"

    def _add(self, name: str, files: dict[str, str]) -> str:
        git, date = self._repository.git, datetime.now(UTC).isoformat(timespec="seconds")
        git("read-tree", "main")
        with TemporaryDirectory() as tree:
            for path, content in files.items():
                file = Path(tree) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
            git("add", "--ignore-removal", ".", GIT_WORK_TREE=tree)
        identity = self._repository.identity(self._repository.author, date)
        commit = git("commit-tree", "-S", "-p", "main", "-m", f"{name}: a version to measure", git("write-tree"), **identity)
        self._repository.add_tag({"version": name, "description": "A version to measure", "date": date}, commit)
        git("update-ref", "refs/heads/main", commit)
        return name


def attest() -> None:
    """Have the demo's signers say of each version what a deployment asks for."""
    signers = ROOT / "tools/demo_signers.py"
    subprocess.run([sys.executable, signers, REPOSITORY, SIGNERS, ATTESTATIONS, "examples", "demo"], check=True)
