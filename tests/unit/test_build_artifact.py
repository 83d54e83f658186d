"""The artefact: the same commit gives the same bytes, and errors name the variable to look at."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    (path / "app.py").write_text("print('one')\n")
    (path / "run.sh").write_text("#!/bin/sh\n")
    (path / "run.sh").chmod(0o755)
    (path / "lock").write_text("a==1\n")
    who = ["-c", "user.name=Author", "-c", "user.email=author@example.com"]
    for command in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "One"], ["tag", "v1"]):
        subprocess.run(["git", *command], cwd=path, check=True)
    return path


def build(run_module: Any, repository: Path, cache: Path, **more: Any) -> dict[str, Any]:
    arguments = {"repository": str(repository), "version": "v1", "cache": str(cache), **more}
    result: dict[str, Any] = run_module("build_artifact", **arguments)
    return result


def test_builds_once_and_gives_the_same_bytes_again(run_module: Any, repository: Path, tmp_path: Path) -> None:
    commands = ["sh -c 'echo built > out'"]
    first = build(run_module, repository, tmp_path / "a", commands=commands, lock="lock")
    again = build(run_module, repository, tmp_path / "a", commands=commands)
    elsewhere = build(run_module, repository, tmp_path / "b", commands=commands)
    assert (first["built"], again["built"], elsewhere["built"]) == (True, False, True)
    assert first["sha256"] == again["sha256"] == elsewhere["sha256"]
    assert first["tree_digest"] == elsewhere["tree_digest"]
    assert len(first["lock_digest"]) == 64


def test_packs_the_tree_with_its_version_and_without_what_is_excluded(run_module: Any, repository: Path, tmp_path: Path) -> None:
    built = build(run_module, repository, tmp_path / "a", commands=["mkdir scratch", "touch scratch/x"], exclude=["scratch"])
    with tarfile.open(built["archive"]) as tar:
        modes = {entry.name: entry.mode for entry in tar}
        release = json.load(tar.extractfile("release.json"))  # type: ignore[arg-type]
    assert modes == {"app.py": 0o644, "lock": 0o644, "release.json": 0o644, "run.sh": 0o755}
    assert release == {"version": "v1", "commit": built["commit"]}


def test_an_unknown_version_names_the_known_ones(run_module: Any, repository: Path, tmp_path: Path) -> None:
    result = build(run_module, repository, tmp_path / "a", version="v2")
    assert result["failed"]
    assert "app_version: the repository has no 'v2'; its versions are v1" in result["msg"]


@pytest.mark.parametrize("version", ["--all", "v1;ls", "", "HEAD:app.py"])
def test_a_version_is_a_name_and_nothing_else(run_module: Any, repository: Path, tmp_path: Path, version: str) -> None:
    assert "app_version" in build(run_module, repository, tmp_path / "a", version=version)["msg"]


def test_a_missing_repository_names_the_variable(run_module: Any, tmp_path: Path) -> None:
    result = build(run_module, tmp_path / "none", tmp_path / "a")
    assert result["failed"]
    assert result["msg"].startswith("app_repo:")
    assert list((tmp_path / "a").iterdir()) == []


def test_a_failed_build_shows_its_end_and_leaves_nothing(run_module: Any, repository: Path, tmp_path: Path) -> None:
    result = build(run_module, repository, tmp_path / "a", commands=["sh -c 'echo broken >&2; exit 3'"])
    assert "ended with 3: broken" in result["msg"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["repository.git"]


def test_two_runs_at_once_build_it_once(repository: Path, tmp_path: Path) -> None:
    arguments = {"repository": str(repository), "version": "v1", "cache": str(tmp_path / "a"), "commands": ["sleep 0.3"]}
    program = (
        "import sys, json; sys.path[:0] = json.loads(sys.argv[1]); import ansible.module_utils;"
        "ansible.module_utils.__path__.append(sys.argv[2]); import build_artifact;"
        "from ansible.module_utils.testing import patch_module_args\n"
        "with patch_module_args(json.loads(sys.argv[3])): build_artifact.main()"
    )
    command = [sys.executable, "-c", program, json.dumps([str(ROOT / "library")]), str(ROOT / "plugins/module_utils")]
    begun = [subprocess.Popen([*command, json.dumps(arguments)], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [json.loads(process.communicate()[0]) for process in begun]
    assert sorted(result["built"] for result in ended) == [False, True]
    assert ended[0]["sha256"] == ended[1]["sha256"]
