"""A virtual environment against its lock file."""

import base64
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox import packages
from ansible.module_utils.tickbox.assertion import CouldNotLook

LOCK = """\
# made by a tool
Demo_Package[extra]==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via something
other==2.1 ; python_version >= "3" --hash=sha256:cc
windows-only==1 ; sys_platform == "win32" \\
    --hash=sha256:dd
"""


def install(site: Path, name: str, version: str) -> None:
    """Lay down a package of two files and a program, with its records."""
    (site / name).mkdir()
    (site / name / "__init__.py").write_text(f"version = '{version}'\n")
    (site / name / "data.txt").write_text("data")
    program = site.parents[2] / "bin" / name
    program.write_text("#!/bin/sh\n")
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nText\n")
    lines = []
    for path in (site / name / "__init__.py", site / name / "data.txt", info / "METADATA", program):
        digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
        short = f"../../../bin/{name}" if path == program else str(path.relative_to(site))
        lines.append(f"{short},sha256={digest},{path.stat().st_size}")
    (info / "RECORD").write_text("\n".join([*lines, f"{info.name}/RECORD,,"]) + "\n")


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    root = tmp_path / "venv"
    site = root / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    site.mkdir(parents=True)
    (root / "lib64").symlink_to("lib")
    (root / "bin").mkdir()
    interpreter = Path(sys.executable).resolve()
    (root / "bin" / "python").symlink_to(interpreter)
    (root / "bin" / "python3").symlink_to("python")
    (root / "bin" / "activate").write_text("# for shells")
    (root / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\ninclude-system-site-packages = false\n")
    install(site, "demo_package", "1.0.0")
    install(site, "other", "2.1")
    return root


def site(venv: Path) -> Path:
    return next(venv.glob("lib/python*/site-packages"))


def judge(venv: Path, lock: str = LOCK) -> Any:
    return packages.judge_dependencies(packages.read_lock(lock, packages.markers(venv)), packages.look(venv))


def test_what_the_lock_file_names_passes(venv: Path) -> None:
    cache = site(venv) / "other" / "__pycache__"
    cache.mkdir()
    (cache / "__init__.cpython-311.pyc").write_bytes(b"cache")
    seen = judge(venv)
    assert (seen.status, seen.summary) == ("passed", "2 packages as the lock file names them, 8 files as recorded")


def edit(venv: Path) -> None:
    (site(venv) / "other" / "__init__.py").write_text("version = '2.1' # edited\n")


def edit_program(venv: Path) -> None:
    (venv / "bin" / "other").write_text("#!/bin/sh\nexit\n")


def remove_file(venv: Path) -> None:
    (site(venv) / "other" / "data.txt").unlink()


def add_package(venv: Path) -> None:
    install(site(venv), "extra", "1")


def remove_package(venv: Path) -> None:
    (site(venv) / "other-2.1.dist-info").rename(venv / "aside")


def other_version(venv: Path) -> None:
    metadata = site(venv) / "other-2.1.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("2.1\n\n", "2.2\n\n"))


def plant_path_file(venv: Path) -> None:
    (site(venv) / "evil.pth").write_text("import os\n")


def plant_module(venv: Path) -> None:
    (site(venv) / "sitecustomize.py").touch()


def plant_in_a_package(venv: Path) -> None:
    (site(venv) / "other" / "plugin.py").touch()


def plant_folder_link(venv: Path) -> None:
    (site(venv) / "linked").symlink_to(venv.parent)


def plant_program(venv: Path) -> None:
    (venv / "bin" / "gunicorn").touch()


def plant_compiled_module(venv: Path) -> None:
    (site(venv) / "json.pyc").touch()


def drop_hash(venv: Path) -> None:
    record = site(venv) / "other-2.1.dist-info" / "RECORD"
    lines = record.read_text().splitlines()
    record.write_text("\n".join([lines[0].split(",")[0] + ",,", *lines[1:]]))


def lose_record(venv: Path) -> None:
    (site(venv) / "other-2.1.dist-info" / "RECORD").unlink()


def break_record(venv: Path) -> None:
    (site(venv) / "other-2.1.dist-info" / "RECORD").write_bytes(b"\xff\x00,\n")


def let_the_system_in(venv: Path) -> None:
    settings = venv / "pyvenv.cfg"
    settings.write_text(settings.read_text().replace("false", "true"))


def wrap_the_interpreter(venv: Path) -> None:
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (venv / "bin" / "python").chmod(0o755)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (edit, "1 files edited: lib/python"),
        (edit_program, "1 files edited: bin/other"),
        (remove_file, "1 files missing"),
        (add_package, "1 packages not in the lock file: extra"),
        (remove_package, "1 packages missing: other"),
        (other_version, "other 2.2, not 2.1"),
        (plant_path_file, "evil.pth"),
        (plant_module, "sitecustomize.py"),
        (plant_in_a_package, "other/plugin.py"),
        (plant_folder_link, "linked"),
        (plant_program, "bin/gunicorn"),
        (plant_compiled_module, "json.pyc"),
        (drop_hash, "without a recorded hash"),
        (lose_record, "missing or unreadable: other-2.1.dist-info"),
        (break_record, "missing or unreadable"),
        (let_the_system_in, "the system's packages"),
        (wrap_the_interpreter, "link to the interpreter: bin/python"),
    ],
)
def test_a_difference_is_refused(venv: Path, change: Callable[[Path], None], says: str) -> None:
    change(venv)
    seen = judge(venv)
    assert seen.status == "failed"
    assert says in seen.summary


@pytest.mark.parametrize(
    "line",
    [
        "other>=2 --hash=sha256:aa",
        "other==2.* --hash=sha256:aa",
        "other==2.1",
        "other @ https://example.com/other.whl --hash=sha256:aa",
        "-e ./other",
        "-r further.lock",
        "<<<<<<< ours",
    ],
)
def test_a_lock_file_that_does_not_pin(line: str) -> None:
    with pytest.raises(CouldNotLook, match="does not pin"):
        packages.read_lock(line + "\n", {})


def test_no_packaging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PACKAGING", False)
    with pytest.raises(CouldNotLook, match="python3-packaging"):
        packages.read_lock(LOCK, {})


@pytest.mark.parametrize("what", ["bin/python", "lib"])
def test_no_environment_is_unverifiable(venv: Path, what: str) -> None:
    (venv / what).rename(venv / "aside")
    with pytest.raises((CouldNotLook, OSError)):
        judge(venv)


def test_the_module_answers_in_one_line(run_module: Callable[..., dict[str, Any]], venv: Path) -> None:
    (venv.parent / "code").mkdir()
    arguments = {"items": ["deploy.release.dependencies"], "release_path": str(venv.parent), "lock": "requirements.lock"}
    assert run_module("check_release", **arguments)["assertions"][0]["status"] == "unverifiable"
    (venv.parent / "code" / "requirements.lock").write_text(LOCK)
    assert "failed" not in run_module("check_release", **arguments)
    (venv.parent / "code" / "requirements.lock").write_text("")
    result = run_module("check_release", **arguments, report_only=True)
    assert result["assertions"][0]["status"] == "failed"
    assert "failed" not in result
