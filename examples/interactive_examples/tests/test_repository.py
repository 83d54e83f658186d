from pathlib import Path

import yaml

import build_repository

HERE = Path(__file__).resolve().parents[1]
PLAN = yaml.safe_load((HERE / "versions.yml").read_text())
VERSIONS = [version["version"] for version in PLAN["versions"]]


def test_each_version_is_a_tag(git):
    assert git("tag").stdout.split() == sorted(VERSIONS)
    assert git("rev-parse", "main").stdout == git("rev-parse", PLAN["main"] + "^{commit}").stdout


def test_commits_are_the_authors_and_tags_the_reviewers(git):
    for version in VERSIONS:
        assert "reviewer@examples.test" in git("verify-tag", version).stderr
        assert "author@examples.test" in git("verify-commit", version + "^{commit}").stderr
        assert git("show", "-s", "--format=%ae", version + "^{commit}").stdout.strip() == "author@examples.test"


def test_a_signer_who_is_not_allowed_is_refused(git, signers, tmp_path):
    stranger = build_repository.Signer("stranger", tmp_path)
    stranger.make_key()
    identity = ["-c", f"user.signingKey={stranger.key}", "-c", "user.name=x", "-c", "user.email=x@y"]
    git(*identity, "tag", "-s", "-m", "x", "x")
    assert git("verify-tag", "x", check=False).returncode != 0
    git("tag", "-d", "x")


def test_building_again_changes_nothing(repository, signers, git):
    before = git("for-each-ref").stdout
    assert not build_repository.build(HERE, repository, signers)
    assert git("for-each-ref").stdout == before


def test_another_repository_has_the_same_commits(repository, signers, git, tmp_path):
    build_repository.build(HERE, tmp_path / "other.git", signers)
    assert git("ls-remote", str(tmp_path / "other.git")).stdout == git("ls-remote", str(repository)).stdout


def test_a_tag_that_no_version_asks_for_is_removed(repository, signers, git):
    git("update-ref", "refs/tags/left-over", "main")
    assert build_repository.build(HERE, repository, signers)
    assert "left-over" not in git("tag").stdout


def test_nothing_that_is_made_is_in_it(git):
    for version in VERSIONS:
        names = git("ls-tree", "-r", "--name-only", version).stdout.splitlines()
        assert [name for name in names if "node_modules" in name or "/dist/" in name or name.endswith(".pyc")] == []
        assert "release.json" not in names


def test_lock_files_name_no_registry(git):
    for name in ("requirements.lock", "requirements-dev.lock", "frontend/package-lock.json"):
        content = git("show", f"{PLAN['main']}:{name}").stdout
        assert content
        assert "://" not in "\n".join(line for line in content.splitlines() if '"url"' not in line)
