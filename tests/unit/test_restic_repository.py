"""Settings of a repository that cannot be right are refused by name; the repository is made once."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.restic_address import problems, sftp_server

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----\n"
KNOWN = "# the backup server\nbackup.example.com,192.0.2.9 ssh-ed25519 AAAA\n"
S3 = "s3:https://s3.example.com/backups/one"
KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
Run = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("address", "environment", "key", "known"),
    [
        ("/mnt/backup/one", {}, "", ""),
        ("local:/mnt/backup/one", {}, "", ""),
        ("/mnt/back:up/one", {}, "", ""),
        (S3, KEYS, "", ""),
        ("s3:s3.amazonaws.com/bucket", {}, "", ""),
        ("sftp:backup@backup.example.com:/srv/restic/one", {}, KEY, KNOWN),
        ("sftp:backup.example.com:restic", {}, KEY, KNOWN),
        ("sftp://backup@backup.example.com//srv/restic", {}, KEY, KNOWN),
        ("sftp://backup@backup.example.com:2222//srv/restic", {}, KEY, "[backup.example.com]:2222 ssh-ed25519 AAAA"),
        ("sftp:backup@backup.example.com:/srv", {}, KEY, "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988 ssh-ed25519 AAAA"),
        ("rest:https://user:pw@backup.example.com:8000/one", {}, "", ""),
        ("b2:bucket:path", {"B2_ACCOUNT_ID": "id", "B2_ACCOUNT_KEY": "key"}, "", ""),
    ],
)
def test_good_settings_have_no_problem(address: str, environment: dict[str, str], key: str, known: str) -> None:
    assert problems(address, environment, key, known) == []


@pytest.mark.parametrize(
    ("address", "environment", "key", "known", "says"),
    [
        ("", {}, "", "", "backup_repository: '' is no absolute path"),
        ("backup/one", {}, "", "", "backup_repository: 'backup/one' is no absolute path"),
        ("local:backup", {}, "", "", "is no absolute path"),
        ("ftp://example.com/x", {}, "", "", "restic knows no storage 'ftp:'; there are local:, sftp:, s3:"),
        ("s3:https://s3.example.com", KEYS, "", "", "names no bucket: s3:https://host/bucket/path"),
        ("s3:bucket", KEYS, "", "", "names no bucket"),
        (S3, {"AWS_ACCESS_KEY_ID": "id"}, "", "", "AWS_ACCESS_KEY_ID is given without AWS_SECRET_ACCESS_KEY"),
        (S3, {**KEYS, "AWS_DEFAULT_REGION": ""}, "", "", "backup_environment: AWS_DEFAULT_REGION is empty"),
        (S3, {**KEYS, "AWS_SESSION_TOKEN": None}, "", "", "AWS_SESSION_TOKEN is empty"),
        (S3, {**KEYS, "X": "it's"}, "", "", "X holds a quote or a line break"),
        (S3, {**KEYS, "a b": "c"}, "", "", "'a b' is no name of a variable"),
        ("/mnt/backup", {"RESTIC_PASSWORD": "x"}, "", "", "RESTIC_PASSWORD belongs in backup_repository or backup_password"),
        ("sftp:backup.example.com", {}, KEY, KNOWN, "names no host and path: sftp:user@host:/path"),
        (
            "sftp:backup@backup.example.com:/srv",
            {},
            "",
            KNOWN,
            "backup_ssh_key is empty: the private key with which root logs in at back",
        ),
        (
            "sftp:backup@backup.example.com:/srv",
            {},
            "~/.ssh/id",
            KNOWN,
            "backup_ssh_key is no private key: it holds the key itself",
        ),
        ("sftp:backup@backup.example.com:/srv", {}, "ssh-ed25519 AAAA", KNOWN, "backup_ssh_key is no private key"),
        ("sftp:backup@backup.example.com:/srv", {}, KEY, "", "backup_ssh_known_hosts has no key of backup.example.com"),
        ("sftp:backup@backup.example.com:/srv", {}, KEY, "other.example.com ssh-ed25519 AAAA", "has no key of backup.example.com"),
        ("sftp://b@backup.example.com:2222//srv", {}, KEY, KNOWN, "has no key of [backup.example.com]:2222"),
        ("/mnt/backup", {}, KEY, "", "are for repositories at sftp:, which backup_repository is not"),
    ],
)
def test_each_problem_names_its_variable(address: str, environment: dict[str, Any], key: str, known: str, says: str) -> None:
    found = problems(address, environment, key, known)
    assert len(found) == 1
    assert says in found[0]
    assert found[0].startswith("backup_")


def test_the_server_of_an_address() -> None:
    server = sftp_server("sftp://backup@backup.example.com:2222//srv")
    assert server
    assert (server.host, server.port) == ("backup.example.com", 2222)
    assert sftp_server(S3) is None


def test_all_problems_are_told_at_once(run_module: Run) -> None:
    failed = run_module("restic_repository", repository="sftp:nowhere", state="judged")
    assert failed["failed"]
    assert all(name in failed["msg"] for name in ("backup_repository", "backup_ssh_key"))
    assert run_module("restic_repository", repository="/mnt/backup", state="judged")["ssh_host"] == ""


def test_the_repository_is_made_once(run_module: Run, tmp_path: Path) -> None:
    assert shutil.which("restic"), "apt-get install restic"
    password = tmp_path / "password"
    password.write_text("horse-battery")
    given = {"repository": str(tmp_path / "repository"), "password_file": str(password)}
    assert run_module("restic_repository", **given, _ansible_check_mode=True)["changed"]
    assert not (tmp_path / "repository").exists()
    assert run_module("restic_repository", **given)["changed"] is True
    assert run_module("restic_repository", **given)["changed"] is False
    password.write_text("another")
    failed = run_module("restic_repository", **given)
    assert failed["msg"] == f"backup_password is not the password of the repository {given['repository']}"


def test_a_storage_that_refuses_is_named(run_module: Run, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("horse-battery")
    (tmp_path / "file").touch()
    given = {"password_file": str(tmp_path / "password")}
    failed = run_module("restic_repository", **given, repository=f"{tmp_path}/file/repository")
    assert failed["msg"].startswith(f"backup_repository: {tmp_path}/file/repository cannot be ")
    failed = run_module("restic_repository", **given, repository="sftp:backup@host.invalid:/srv")
    assert failed["msg"].startswith("backup_repository: sftp:backup@host.invalid:/srv cannot be ")
    assert "\n" not in failed["msg"]
