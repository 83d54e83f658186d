"""Each role says what it takes, and what it says is so."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text()) or {} if path.exists() else {}


def defaults(role: str) -> dict[str, Any]:
    return load(ROOT / "roles" / role / "defaults" / "main.yml")


def options(role: str) -> dict[str, dict[str, Any]]:
    """The options of all entry points of a role; one that several have must take the same in each."""
    found: dict[str, dict[str, Any]] = {}
    for name, entry in load(ROOT / "roles" / role / "meta" / "argument_specs.yml").get("argument_specs", {}).items():
        for option, spec in entry.get("options", {}).items():
            known = found.setdefault(option, spec)
            for key in ("type", "elements", "choices", "default", "required"):
                assert known.get(key) == spec.get(key), f"{role}: {option} differs in entry point {name}"
    return found


@pytest.mark.parametrize("role", ROLES)
def test_specs_match_defaults(role: str) -> None:
    given, specified = defaults(role), options(role)
    assert set(given) <= set(specified), "defaults without a specification"
    for option, spec in specified.items():
        if option in given:
            assert "required" not in spec, f"{option} has a default"
            assert spec.get("default") == given[option], option
        else:
            assert "default" not in spec, f"{option} has its default in the specification alone"


@pytest.mark.parametrize("role", ROLES)
def test_each_option_has_a_type_and_a_description(role: str) -> None:
    lacking = [name for name, spec in options(role).items() if not (spec.get("type") and spec.get("description"))]
    assert not lacking


@pytest.mark.parametrize("role", ROLES)
def test_each_entry_point_has_its_tasks_and_is_described(role: str) -> None:
    entries = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    assert entries
    for name, entry in entries.items():
        assert entry.get("short_description")
        assert (ROOT / "roles" / role / "tasks" / f"{name}.yml").exists(), name


@pytest.mark.parametrize("role", ROLES)
def test_the_readme_names_each_variable_or_where_they_are(role: str) -> None:
    readme = (ROOT / "roles" / role / "README.md").read_text()
    assert readme.startswith("# ")
    assert "](meta/argument_specs.yml)" in readme or [name for name in defaults(role) if name not in readme] == []


def test_the_architecture_names_each_role() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert [role for role in ROLES if f"`{role}`" not in text] == []
