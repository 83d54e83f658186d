"""What a release without a maintenance window leaves out, and what it is refused for."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).parents[2]
ITEMS = yaml.safe_load((ROOT / "checklist.yml").read_text())["items"]
VARIABLES = yaml.safe_load((ROOT / "playbooks/vars/release.yml").read_text())
init_plugin_loader()


def trusted(node: Any) -> Any:
    if isinstance(node, str):
        return trust_as_template(node)
    if isinstance(node, dict):
        return {name: trusted(one) for name, one in node.items()}
    return [trusted(one) for one in node] if isinstance(node, list) else node


def rendered(expression: Any, **variables: Any) -> Any:
    known = {name: value for name, value in trusted(VARIABLES).items() if name not in variables}
    return Templar(loader=DataLoader(), variables={**known, **variables}).template(trusted(expression))


def test_what_makes_sense_with_a_window_alone_does_not_apply() -> None:
    of_maintenance = {item["id"] for item in ITEMS if item["module"] in ("check_maintenance", "check_window")}
    found = rendered("{{ release_not_applicable }}", release_rolling=True)
    assert set(found) == of_maintenance | {"deploy.maintenance.notify"}
    assert set(found.values()) == {"visitors were served all the while: the release is rolling, without a maintenance window"}
    assert rendered("{{ release_not_applicable }}", release_rolling=False) == {}


def reasons(tasks: str, name: str, **known: Any) -> list[str]:
    """Why a release would be refused, up to what is to be done about it."""
    (task,) = (one for one in yaml.safe_load((ROOT / f"roles/release/tasks/{tasks}").read_text()) if one["name"].startswith(name))
    said = rendered("{{ __release_against | select | list }}", **trusted(task["vars"]), **known)
    allowed = rendered("{{ " + task["ansible.builtin.assert"]["that"] + " }}", **trusted(task["vars"]), **known)
    assert allowed is not bool(said)
    return [reason.partition(":")[0] for reason in said]


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({}, ["app_migrations_compatible does not name the migration 0002"]),
        ({"app_migrations_compatible": ["0001", "0003"]}, ["app_migrations_compatible does not name the migration 0002"]),
        ({"app_migrations_compatible": ["0002"]}, []),
        ({"release_schema_head": ["0002"], "release_migrations_pending": False}, []),
        ({"release_schema_head": ["0003"], "release_migration_head": []}, ["the database is at 0003, which v2-bbbb does not know"]),
    ],
)
def test_migrations_that_are_not_eligible_are_refused(known: dict[str, Any], says: list[str]) -> None:
    given = {
        "release_id": "v2-bbbb",
        "release_migration_head": ["0002"],
        "release_schema_head": ["0001"],
        "release_migrations_pending": True,
        "app_migrations_compatible": [],
    }
    assert reasons("rolling.yml", "Refuse migrations", **given | known) == says


@pytest.mark.parametrize(("serves", "says"), [("v1-aaaa", []), ("", ["no release serves that could go on meanwhile"])])
def test_a_first_deployment_is_refused(serves: str, says: list[str]) -> None:
    assert reasons("plan.yml", "Refuse what cannot be rolling", release_from=serves) == says


@pytest.mark.parametrize(
    ("asked", "resumed", "rolling"),
    [
        ({}, {}, False),
        ({"deploy_strategy": "rolling"}, {}, True),
        ({}, {"rollback_resumed": {"rolling": True}}, True),
        ({"deploy_strategy": "rolling"}, {"rollback_resumed": {"rolling": True}}, True),
        ({"deploy_strategy": "maintenance"}, {"rollback_resumed": {"rolling": True}}, False),
        ({"deploy_strategy": "rolling"}, {"rollback_resumed": {"rolling": False}}, False),
    ],
)
def test_a_deployment_that_was_cut_off_goes_on_as_it_was_begun(asked: Any, resumed: Any, rolling: bool) -> None:
    plan = yaml.safe_load((ROOT / "roles/release/tasks/plan.yml").read_text())
    (task,) = (one for one in plan if one["name"] == "Remember whether visitors are served all the while")
    known = {**trusted(task["vars"]), **asked, **resumed}
    assert rendered(task["ansible.builtin.set_fact"]["release_rolling"], **known) is rolling


def test_it_is_refused_before_anything_has_changed() -> None:
    text = (ROOT / "playbooks/deploy.yml").read_text()
    assert text.index("tasks_from: rolling}") < text.index("Change what visitors get")


@pytest.mark.parametrize(
    ("freeze", "frozen"),
    [
        ({"from": "2026-12-20", "to": "2027-01-03"}, True),
        ({"from": "2026-12-24"}, True),
        ({"from": "2026-12-25"}, False),
        ({"from": "2026-12-20", "to": "2026-12-23"}, False),
    ],
)
def test_days_on_which_nothing_may_be_deployed_are_kept(freeze: dict[str, str], frozen: bool) -> None:
    task = yaml.safe_load((ROOT / "roles/maintenance/tasks/freezes.yml").read_text())[0]
    found = rendered("{{ " + task["ansible.builtin.assert"]["that"] + " }}", item=freeze, __maintenance_today="2026-12-24")
    assert found is not frozen


def test_a_host_is_taken_out_only_where_others_serve() -> None:
    groups = {"app": ["app1", "app2"], "web": ["web"]}
    about = {"web": {"internal_address": "10.0.0.2"}, "app1": {"ansible_host": "10.0.0.3"}}
    one = {"groups": groups, "hostvars": about, "inventory_hostname": "app1"}
    assert rendered("{{ release_web_addresses }}", **one) == ["10.0.0.2"]
    assert rendered("{{ release_can_be_taken_out }}", **one)
    assert not rendered("{{ release_can_be_taken_out }}", **one | {"groups": groups | {"app": ["app1"]}})
    assert not rendered("{{ release_can_be_taken_out }}", **one | {"groups": groups | {"web": ["app1"]}})
