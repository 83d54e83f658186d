"""Each role says what it takes, and what it says is so."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

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


def test_each_variable_of_the_application_is_specified() -> None:
    """What is used of the application's definition is checked before anything happens, not met undefined in the window."""
    texts = [
        path.read_text()
        for folder in ("roles", "playbooks")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".yml", ".j2") and path.parent.name != "meta"
    ]
    used = {name for text in texts for name in re.findall(r"\bapp_[a-z_]+\b", text)} - set(ROLES)
    laid_out = load(ROOT / "playbooks" / "vars" / "layout.yml").keys() | load(ROOT / "playbooks" / "vars" / "release.yml").keys()
    assert used - laid_out - {option for role in ROLES for option in options(role)} == set()


@pytest.mark.parametrize("role", ROLES)
def test_the_readme_names_each_variable_or_where_they_are(role: str) -> None:
    readme = (ROOT / "roles" / role / "README.md").read_text()
    assert readme.startswith("# ")
    assert "](meta/argument_specs.yml)" in readme or [name for name in defaults(role) if name not in readme] == []


def test_the_architecture_names_each_role() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert [role for role in ROLES if f"`{role}`" not in text] == []


def test_the_guide_of_the_example_names_each_role() -> None:
    """pre.docs.deployment_guide would refuse it, on a host and an hour later."""
    text = (ROOT / "examples/interactive_examples/source/docs/deployment.md").read_text()
    assert [role for role in ROLES if f"`{role}`" not in text] == []


def rendered(expression: Any, **variables: Any) -> Any:
    return Templar(loader=DataLoader(), variables=variables).template(trust_as_template(str(expression)))


def packages(groups: list[str], **more: Any) -> dict[str, str]:
    all_groups = {name: ["one" if name in groups else "other"] for name in ("app", "database", "redis", "web", "monitoring")}
    found: dict[str, str] = rendered(
        defaults("preflight")["preflight_packages"], inventory_hostname="one", groups=all_groups, **more
    )
    return found


def test_hosts_need_the_packages_of_their_work() -> None:
    assert packages(["web"]) == {"systemd": "252", "python3": "3.11", "nginx": "1.22"}
    assert packages(["database"])["postgresql-[0-9][0-9]"] == "15"
    assert packages(["database"], postgresql_version="17")["postgresql-17"] == "15"
    assert "python3-venv" not in packages(["app"])
    asked = packages(["app"], app_requirements="requirements.lock", app_host_packages=["bubblewrap", "nodejs=18.19"])
    assert [asked.get(name) for name in ("bubblewrap", "nodejs", "python3-venv")] == ["0", "0", "0"]
    assert "bubblewrap" not in packages(["web"], app_host_packages=["bubblewrap"])


def test_a_service_may_not_be_given_less_memory_than_it_needs() -> None:
    tasks = yaml.safe_load((ROOT / "roles/preflight/tasks/main.yml").read_text())
    task = next(one for one in tasks if "no service is given less" in one["name"])
    services = [{"name": "web"}, {"name": "worker", "memory_max": "64M"}, {"name": "mail", "memory_max": "1G"}]
    others = [{"name": "half", "memory_max": "50%"}, {"name": "all", "memory_max": "infinity"}]
    looked_at = rendered(task["loop"], app_services=services + others)
    held = {
        one["name"]: rendered("{{ " + task["ansible.builtin.assert"]["that"] + " }}", item=one, preflight_service_memory="256M")
        for one in looked_at
    }
    assert held == {"worker": False, "mail": True}


def test_no_secret_is_handed_over_in_the_environment_of_a_task() -> None:
    """It would stand in the process list and in sudo's log; private_command is for that."""
    files = [path for folder in ("roles", "playbooks") for path in (ROOT / folder).rglob("*.yml") if path.parent.name != "meta"]
    handed = {name for path in files for environment in environments(yaml.safe_load(path.read_text())) for name in environment}
    assert handed == {"PIP_CERT", "SSL_CERT_FILE", "TICKBOX_RUN"}


def environments(node: Any) -> Iterator[list[str]]:
    """Of tasks, blocks and plays: the names in each, or the expression that they come from."""
    if isinstance(node, list):
        for one in node:
            yield from environments(one)
    elif isinstance(node, dict):
        if "name" in node and "environment" in node:
            yield list(node["environment"]) if isinstance(node["environment"], dict) else [str(node["environment"])]
        for key in ("tasks", "block", "rescue", "always"):
            yield from environments(node.get(key))


def tasks_of(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks_of(task.get(part, []))


def test_no_look_is_taken_in_a_loop() -> None:
    """Ansible says of a loop alone on which host it began: a look would replace the one before it."""
    looped = [
        f"{path.relative_to(ROOT)}: {task.get('name')}"
        for path in ROOT.glob("roles/*/tasks/*.yml")
        for task in tasks_of(yaml.safe_load(path.read_text()))
        if any(name.startswith("check_") and name != "check_mode" for name in task) and "loop" in task
    ]
    assert looped == []


@pytest.mark.parametrize("role", ROLES)
def test_no_result_hides_a_variable_of_the_role(role: str) -> None:
    """What is registered or set holds for the rest of the play."""
    tasks = "\n".join(path.read_text() for path in (ROOT / "roles" / role / "tasks").glob("*.yml"))
    hidden = set(re.findall(r"register: (\w+)", tasks)) & set(load(ROOT / "roles" / role / "vars" / "main.yml"))
    assert not hidden
