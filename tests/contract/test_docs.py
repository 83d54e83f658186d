"""What the documents say is so: their commands call what there is, their links lead somewhere, and their example works."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "roles").glob("*/README.md")),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"^`([\w./]+)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELLS = ("", "bash", "console", "sh", "crontab")
LINK = re.compile(r"\]\(([^)\s]+)\)")
ANSIBLE = re.compile(r"ansible-playbook\s.*")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) or {}


@dataclass(frozen=True)
class Command:
    """A command of a document: the words after ``ansible-playbook``."""

    document: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}: {' '.join(self.words)[:80]}"

    @property
    def playbook(self) -> str:
        return next(word for word in self.words if word.endswith(".yml"))

    def given(self, *options: str) -> list[str]:
        return [value for name, value in zip(self.words, self.words[1:], strict=False) if name in options]

    @property
    def variables(self) -> set[str]:
        named: set[str] = set()
        for value in self.given("-e", "--extra-vars"):
            named |= set(load_variables(value)) if value.startswith("{") else {one.partition("=")[0] for one in shlex.split(value)}
        return named


def load_variables(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def commands() -> Iterator[Command]:
    for path in DOCUMENTS:
        for language, text in FENCE.findall(path.read_text()):
            if language not in SHELLS:
                continue
            for line in text.replace("\\\n", " ").splitlines():
                found = ANSIBLE.search(line)
                if found:
                    # what stands after several blanks is said of the command
                    words = shlex.split(re.split(r"\s{2,}(?=[^\s\-\"'])|\s+>", found.group())[0], comments=True)
                    yield Command(str(path.relative_to(ROOT)), tuple(words[1:]))


COMMANDS = list(commands())


def options() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        for entry in load(path)["argument_specs"].values():
            found |= set(entry.get("options", {}))
    return found


def of_inventories() -> set[str]:
    files = [*(ROOT / "inventory").glob("*/group_vars/all/*.yml"), *(ROOT / "playbooks/vars").glob("*.yml")]
    return {name for path in files if path.name != "vault.yml" for name in load(path)}


KNOWN = options() | of_inventories()


def without_comments(path: Path) -> str:
    return "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))


def test_the_documents_have_commands() -> None:
    assert len(COMMANDS) > 50


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_calls_a_playbook_with_variables_that_it_knows(command: Command) -> None:
    path = ROOT / command.playbook
    assert path.exists()
    own = path if path.parent.name == "playbooks" else ROOT / "playbooks" / path.name
    used = set(re.findall(r"\b[a-z_]+\b", without_comments(own)))
    assert command.variables - KNOWN - used == set()


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.given("--tags", "--skip-tags")], ids=str)
def test_a_tag_is_one_of_the_playbook(command: Command) -> None:
    tasks = "".join(path.read_text() for path in (ROOT / "roles/audit/tasks").glob("*.yml"))
    for tag in ",".join(command.given("--tags", "--skip-tags")).split(","):
        assert re.search(rf"[\[ ]{re.escape(tag)}[,\]]", tasks), tag


def anchors(path: Path) -> set[str]:
    """Of its headings, as forges make them."""
    text = FENCE.sub("", path.read_text())
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading)).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_link_leads_somewhere(document: Path) -> None:
    dead = []
    for target in LINK.findall(FENCE.sub("", document.read_text())):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            dead.append(target)
    assert dead == []


def test_each_variable_of_the_application_is_said_what_it_is_for() -> None:
    text = (ROOT / "docs/your-application.md").read_text()
    assert (
        sorted(
            name for name in options() if name.startswith("app_") and f"`{name}`" not in text and not name.startswith("app_host_")
        )
        == []
    )


def test_the_documents_are_listed() -> None:
    text = (ROOT / "docs/README.md").read_text()
    pages = [str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md") if path.name != "README.md"]
    assert [page for page in pages if f"]({page})" not in text] == []


def test_the_example_of_a_check_works(tmp_path: Path) -> None:
    """Its files in a copy of the project, where its own tests and those of each module's documentation pass."""
    for name in ("library", "plugins", "tests", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    files = dict(NAMED.findall((ROOT / "docs/writing-a-check.md").read_text()))
    assert set(files) == {"plugins/module_utils/tickbox/zone.py", "library/check_zone.py", "tests/unit/test_zone.py"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    tests = ["tests/unit/test_zone.py", "tests/contract/test_modules.py", "-k", "zone"]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *tests], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
