"""tree_digest: equal for equal trees, different for every difference that matters."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.module_utils.tickbox.tree import entries_digest, tree_digest, tree_entries


def plant(root: Path) -> Path:
    (root / "app" / "static").mkdir(parents=True)
    (root / "app" / "main.py").write_text("print('hello')\n")
    (root / "app" / "static" / "page.html").write_text("<p>page</p>")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "latest").symlink_to("app/main.py")
    return root


def test_equal_trees_have_equal_digests(tmp_path: Path) -> None:
    one, other = plant(tmp_path / "one"), plant(tmp_path / "other")
    os.utime(other / "run.sh", (0, 0))
    (other / "app" / "main.py").chmod(0o600)
    (other / "app" / "__pycache__").mkdir()
    (other / "app" / "__pycache__" / "main.pyc").write_bytes(b"cache")
    assert tree_digest(one) == tree_digest(other)
    (tmp_path / "link").symlink_to(one)
    assert tree_digest(tmp_path / "link") == tree_digest(one)


def edit(root: Path) -> None:
    (root / "app" / "main.py").write_text("print('hellO')\n")


def remove(root: Path) -> None:
    (root / "app" / "static" / "page.html").unlink()


def add(root: Path) -> None:
    (root / "app" / "extra.py").touch()


def add_folder(root: Path) -> None:
    (root / "empty").mkdir()


def rename(root: Path) -> None:
    (root / "app" / "main.py").rename(root / "app" / "main2.py")


def swap(root: Path) -> None:
    first, second = root / "app" / "main.py", root / "run.sh"
    one, two = first.read_text(), second.read_text()
    first.write_text(two)
    second.write_text(one)


def make_executable(root: Path) -> None:
    (root / "app" / "main.py").chmod(0o755)


def retarget(root: Path) -> None:
    (root / "latest").unlink()
    (root / "latest").symlink_to("run.sh")


def replace_link_by_copy(root: Path) -> None:
    content = (root / "latest").read_text()
    (root / "latest").unlink()
    (root / "latest").write_text(content)


def plant_pipe(root: Path) -> None:
    os.mkfifo(root / "pipe")


@pytest.mark.parametrize(
    "change",
    [edit, remove, add, add_folder, rename, swap, make_executable, retarget, replace_link_by_copy, plant_pipe],
)
def test_a_difference_changes_the_digest(tmp_path: Path, change: Callable[[Path], None]) -> None:
    root = plant(tmp_path / "tree")
    before = tree_digest(root)
    change(root)
    assert tree_digest(root) != before


def test_excluded_names_are_left_out_with_what_is_in_them(tmp_path: Path) -> None:
    root = plant(tmp_path / "tree")
    assert set(tree_entries(root, exclude={"app"})) == {"run.sh", "latest"}


def test_names_that_are_not_utf8_and_sockets(tmp_path: Path) -> None:
    with Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).open("w"):
        pass
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert len(tree_digest(tmp_path)) == 64


def test_a_line_break_in_a_name_does_not_imitate_another_tree() -> None:
    assert entries_digest({"a": "folder", "b": "folder"}) != entries_digest({"a\nb": "folder"})


@pytest.mark.parametrize("broken", ["absent", "file"])
def test_what_cannot_be_read_raises(tmp_path: Path, broken: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        tree_digest(tmp_path / broken)
