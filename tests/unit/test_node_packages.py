"""A folder node_modules against its lock file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox import dependencies
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.node_packages import read_lock
from ansible.module_utils.tickbox.tree import tree_digest

LOCK = {
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "demo"},
        "node_modules/web": {"version": "4.1.0", "integrity": "sha512-web"},
        "node_modules/@scope/log": {"version": "2.0.0", "integrity": "sha512-log"},
        "node_modules/web/node_modules/deep": {"version": "1.0.0", "integrity": "sha512-deep"},
        "node_modules/for-others": {"version": "1.0.0", "integrity": "sha512-others", "optional": True},
        "node_modules/linter": {"version": "9.0.0", "integrity": "sha512-linter", "dev": True},
    },
}
INSTALLED = ["node_modules/web", "node_modules/@scope/log", "node_modules/web/node_modules/deep"]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """What npm ci --omit=dev leaves of that lock file."""
    code = tmp_path / "code"
    for path in INSTALLED:
        (code / path).mkdir(parents=True)
        (code / path / "package.json").write_text(json.dumps({"name": path, "version": LOCK["packages"][path]["version"]}))  # type: ignore[index]
        (code / path / "index.js").write_text("export default 1;\n")
    (code / "node_modules/.bin").mkdir()
    (code / "node_modules/.bin/web").symlink_to("../web/index.js")
    noted = {path: LOCK["packages"][path] for path in INSTALLED}  # type: ignore[index]
    (code / "node_modules/.package-lock.json").write_text(json.dumps({"packages": noted}))
    (code / "package-lock.json").write_text(json.dumps(LOCK))
    return tmp_path


def edit_json(path: Path, edit: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def edit(path: str, change: Callable[[Any], None]) -> Callable[[Path], None]:
    return lambda code: edit_json(code / path, change)


def test_what_npm_leaves_is_what_the_lock_file_names(release: Path) -> None:
    seen = dependencies.judge(release, "package-lock.json", tree_digest(release / "code"))
    assert seen.status == "passed", seen.summary
    assert "3 packages as the lock file names them, 8 files" in seen.summary


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "another version": (edit("node_modules/web/package.json", lambda it: it.update(version="4.0.0")), "web 4.0.0, not 4.1.0"),
    "another version, deep": (
        edit("node_modules/web/node_modules/deep/package.json", lambda it: it.update(version="9")),
        "deep 9, not 1.0.0",
    ),
    "a package is gone": (lambda code: (code / INSTALLED[1]).rename(code / "log"), "1 packages missing: node_modules/@scope/log"),
    "a package more": (
        lambda code: (code / INSTALLED[0]).rename(code / "node_modules/web2"),
        "packages not in the lock file: node_modules/web2",
    ),
    "no package": (lambda code: (code / "node_modules/loose.js").write_text(""), "of no package: node_modules/loose.js"),
    "a link to elsewhere": (lambda code: (code / "node_modules/sly").symlink_to(code.parent), "of no package: node_modules/sly"),
    "its file is broken": (lambda code: (code / "node_modules/web/package.json").write_text("{"), "missing or unreadable"),
    "unpacked with another hash": (
        edit("node_modules/.package-lock.json", lambda it: it["packages"]["node_modules/web"].update(integrity="sha512-x")),
        "another hash than the lock file's: node_modules/web",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_the_lock_files_is_found(release: Path, name: str) -> None:
    apply, words = BROKEN[name]
    apply(release / "code")
    seen = dependencies.judge(release, "package-lock.json", tree_digest(release / "code"))
    assert seen.status == "failed"
    assert words in seen.summary


def test_an_edited_file_is_found_by_the_digest_of_the_code(release: Path) -> None:
    digest = tree_digest(release / "code")
    (release / "code/node_modules/web/index.js").write_text("export default 2;\n")
    seen = dependencies.judge(release, "package-lock.json", digest)
    assert seen.status == "failed"
    assert "edited, added or removed since the build" in seen.summary


def test_an_optional_package_that_is_there_is_held_against_the_lock_file(release: Path) -> None:
    other = release / "code/node_modules/for-others"
    other.mkdir()
    (other / "package.json").write_text(json.dumps({"version": "2.0.0"}))
    seen = dependencies.judge(release, "package-lock.json", tree_digest(release / "code"))
    assert "for-others 2.0.0, not 1.0.0" in seen.summary


def test_what_npm_did_not_make_cannot_be_looked_at(release: Path) -> None:
    (release / "code/node_modules/.package-lock.json").unlink()
    with pytest.raises(CouldNotLook, match="was not made by npm ci"):
        dependencies.judge(release, "package-lock.json", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "none of npm's"),
        ("[]", "none of npm's"),
        ('{"lockfileVersion": 1, "packages": {}}', "version 1"),
        ('{"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1"}}}', "does not pin"),
        ('{"lockfileVersion": 3, "packages": {"node_modules/a": {"link": true, "resolved": "a"}}}', "does not pin"),
    ],
)
def test_a_lock_file_that_does_not_say_what_has_to_be_there(text: str, words: str) -> None:
    with pytest.raises(CouldNotLook, match=words):
        read_lock(text)
