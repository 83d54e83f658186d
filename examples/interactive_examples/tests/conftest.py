import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE.parent), str(HERE / "source" / "tests")]


@pytest.fixture(scope="session")
def signers(tmp_path_factory):
    return tmp_path_factory.mktemp("signers")


@pytest.fixture(scope="session")
def repository(tmp_path_factory, signers):
    import build_repository

    target = tmp_path_factory.mktemp("repositories") / "examples.git"
    assert build_repository.build(HERE, target, signers)
    return target


@pytest.fixture(scope="session")
def git(repository, signers):
    def run(*arguments, check=True):
        options = ["-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={signers / 'allowed_signers'}"]
        command = ["git", "--git-dir", str(repository), *options, *arguments]
        return subprocess.run(command, check=check, capture_output=True, text=True)

    return run
