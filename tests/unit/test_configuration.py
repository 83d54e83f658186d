"""Configuration: files as rendered, secrets closed, settings read."""

import grp
import hashlib
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.configuration import judge_configuration, look, read_environment_file

CONTENT = 'DATABASE_URL="postgresql://shop:pw@db/shop"\nLEVEL=info\n'
SETTINGS = {"DATABASE_URL": "postgresql://shop:pw@db/shop", "LEVEL": "info"}
WEB = "shop-web@two.service"


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / "config" / "app.env"
    path.parent.mkdir()
    path.write_text(CONTENT)
    path.chmod(0o640)
    return path


def judge(path: Path, **given: Any) -> Any:
    expected = {
        "path": str(path),
        "sha256": hashlib.sha256(CONTENT.encode()).hexdigest(),
        "owner": pwd.getpwuid(os.getuid()).pw_name,
        "group": grp.getgrgid(os.getgid()).gr_name,
        "mode": "0640",
        "secret": True,
    } | given.get("expected", {})
    environment = SETTINGS | {"PATH": "/usr/bin"} | given.get("environment", {})
    environment = {name: value for name, value in environment.items() if value is not None}
    return judge_configuration(
        [expected],
        {str(path): look(path)},
        given.get("settings", SETTINGS),
        {WEB: None if given.get("stopped") else environment},
        {WEB: given.get("drop_ins", "")},
    )


def test_files_as_rendered_pass(env_file: Path) -> None:
    (env_file.parent / "notes").touch(0o600)
    assert judge(env_file).status == "passed"


def drift(path: Path) -> None:
    path.write_text(CONTENT.replace("info", "debug"))


def open_up(path: Path) -> None:
    path.chmod(0o644)


def open_for_writing(path: Path) -> None:
    path.chmod(0o660)


def link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def copy_beside(path: Path) -> None:
    (path.parent / "app.env.bak").write_text(CONTENT)
    (path.parent / "app.env.bak").chmod(0o644)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (drift, "not what was rendered"),
        (open_up, "mode 0644, not 0640; "),
        (open_up, "a secret that others may open (0644)"),
        (open_for_writing, "mode 0660"),
        (Path.unlink, "missing"),
        (link, "a link"),
        (copy_beside, "open to everybody: app.env.bak"),
    ],
)
def test_a_changed_file_is_refused(env_file: Path, change: Callable[[Path], None], says: str) -> None:
    change(env_file)
    seen = judge(env_file)
    assert seen.status == "failed"
    assert says in seen.summary


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"expected": {"owner": "nobody"}}, "owner"),
        ({"expected": {"group": "nogroup"}}, "group"),
        ({"expected": {"mode": "0644"}}, "mode 0640, not 0644"),
        ({"environment": {"LEVEL": "debug"}}, "another LEVEL than the file"),
        ({"environment": {"DATABASE_URL": None}}, "has no DATABASE_URL"),
        ({"environment": {"PYTHONPATH": "/tmp"}}, "given PYTHONPATH"),  # noqa: S108
        ({"stopped": True}, "no process runs"),
        ({"settings": {}}, "gives no setting"),
        ({"drop_ins": "/etc/systemd/system/x.d/override.conf"}, "changed by /etc/systemd/system/x.d/override.conf"),
    ],
)
def test_what_else_is_refused(env_file: Path, given: dict[str, Any], says: str) -> None:
    seen = judge(env_file, **given)
    assert seen.status == "failed"
    assert says in seen.summary
    assert "pw@db" not in f"{seen.summary}{seen.observed}{seen.expected}{seen.evidence}"


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("A=1\nB=two words \n", {"A": "1", "B": "two words"}),
        ("# A=1\n ; B=2\n\nC = 3\n", {"C": "3"}),
        ('A="a \\"quoted\\" \\\\ back"\n', {"A": 'a "quoted" \\ back'}),
        ('A="\\d \\$x"\n', {"A": "\\d $x"}),
        ("A='it\\'\nB=x\n", {"A": "it\\", "B": "x"}),
        ('A="two\nlines"\nB=2', {"A": "two\nlines", "B": "2"}),
        ("A=one\\\ntwo\n", {"A": "onetwo"}),
        ("A=a\\ b\\ \n", {"A": "a b "}),
        ("A=x=y#z\n", {"A": "x=y#z"}),
        ('A=""\nB=\n', {"A": "", "B": ""}),
        ("nonsense\nA=1", {"A": "1"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("", {}),
    ],
)
def test_environment_files_as_systemd_reads_them(text: str, settings: dict[str, str]) -> None:
    assert read_environment_file(text) == settings


def test_what_an_item_needs_is_named(run_module: Callable[..., dict[str, Any]]) -> None:
    result = run_module("check_release", items=["deploy.release.configuration", "deploy.release.code"], release_path="/")
    assert "deploy.release.configuration needs files, environment_file, units" in result["msg"]


def test_an_absent_environment_file_is_unverifiable(run_module: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    result = run_module(
        "check_release",
        items=["deploy.release.configuration"],
        release_path=str(tmp_path),
        files=[{"path": "/absent", "sha256": "x"}],
        environment_file=str(tmp_path / "absent"),
        units=["x.service"],
    )
    assert result["assertions"][0]["status"] == "unverifiable"
