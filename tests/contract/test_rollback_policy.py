"""What a rollback finds out about each policy of the database, as its tasks say it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).parents[2] / "roles" / "rollback"
EARLIER = {"release_id": "v1-aaaa", "migration_head": ["0002"]}
URL = "postgresql+psycopg://shop_owner:shop@db:5432/shop?sslmode=prefer"
ENDED = {"rc": 0, "stdout": "", "stdout_lines": [], "stderr_lines": [], "cmd": ["alembic", "check"]}
GIVEN: dict[str, Any] = {
    "app_name": "shop",
    "app_writes_path": "/var/lib/tickbox/shop/writes",
    "app_migration_database_url": URL,
    "app_migration_downgrade_command": "alembic downgrade {head}",
    "run_info": {"id": "run_2"},
    "rollback_against": {},
    "rollback_seen": {},
    "rollback_manifest": EARLIER,
    "rollback_restore_point": "shop_before_run_1",
    "rollback_marked_run": "run_1",
    "rollback_migrations": ["0003"],
    "rollback_accept_data_loss": False,
    "rollback_database": "auto",
}


def trusted(value: Any) -> Any:
    """As Ansible takes what stands in a playbook."""
    if isinstance(value, dict):
        return {key: trusted(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [trusted(entry) for entry in value]
    return trust_as_template(value) if isinstance(value, str) else value


def facts(file: str, name: str, **known: Any) -> dict[str, Any]:
    """The facts that a task sets."""
    tasks = yaml.safe_load((ROLE / "tasks" / file).read_text())
    tasks += [inner for task in tasks for inner in task.get("block", [])]
    task = next(one for one in tasks if one["name"] == name)
    of_role = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    variables = {**trusted(of_role), **trusted(task.get("vars", {})), **GIVEN, **known}
    found: dict[str, Any] = Templar(loader=DataLoader(), variables=variables).template(trusted(task["ansible.builtin.set_fact"]))
    return found


def against(policy: str, file: str, name: str, **known: Any) -> str:
    return str(facts(file, name, **known)["rollback_against"][policy])


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({}, "app_migrations_compatible does not name 0003"),
        ({"app_migrations_compatible": ["0003"]}, ""),
        (
            {"app_migrations_compatible": ["0003"], "rollback_migrations": ["0003", "0004"]},
            "app_migrations_compatible does not name 0004",
        ),
        ({"app_migrations_compatible": ["0003"], "rollback_migrations": []}, "nobody knows which migrations have run since"),
        ({"app_migrations_compatible": ["0003"], "rollback_manifest": {}}, "no release served before"),
    ],
)
def test_what_keeps_the_database_from_being_kept(known: dict[str, Any], says: str) -> None:
    assert against("keep", "policy_keep.yml", "Look for what keeps the database from being kept", **known) == says


def test_a_schema_that_the_earlier_release_cannot_use() -> None:
    newer = {"restored": {"head": ["0003"]}}
    tried = {"asked": 5, "problems": ["orders: status 500, not 200"]}
    seen = facts("policy_keep.yml", "Remember what was seen", __rollback_tried=tried, __rollback_newer=newer)
    assert "cannot use the newer schema: orders: status 500" in seen["rollback_against"]["keep"]
    seen = facts("policy_keep.yml", "Remember what was seen", __rollback_tried={"asked": 5, "problems": []}, __rollback_newer=newer)
    assert seen["rollback_against"]["keep"] == ""
    assert seen["rollback_schema"] == {"current": ["0003"], "proof": {"asked": 5, "problems": []}}


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({}, ""),
        ({"rollback_manifest": {}}, "no release served before"),
        ({"app_migration_downgrade_command": ""}, "app_migration_downgrade_command is not defined"),
        ({"app_migration_downgrade_command": "alembic downgrade -1"}, "app_migration_downgrade_command does not hold {head}"),
        ({"rollback_manifest": {**EARLIER, "migration_head": []}}, "the earlier release does not end with one migration"),
        ({"app_migration_database_url": "postgresql:///other"}, "cannot be led to a copy"),
        # A name that only begins so is another database.
        ({"app_migration_database_url": "postgresql://shop/shop_two"}, "cannot be led to a copy"),
    ],
)
def test_what_keeps_the_database_from_being_downgraded(known: dict[str, Any], says: str) -> None:
    found = against("downgrade", "policy_downgrade.yml", "Look for what keeps the database from being downgraded", **known)
    assert found == says or (says and says in found)


def test_the_downgrade_is_tried_on_the_copy_alone() -> None:
    variables = {**trusted(yaml.safe_load((ROLE / "vars" / "main.yml").read_text())), **GIVEN}
    url = Templar(loader=DataLoader(), variables=variables).template(trusted("{{ __rollback_scratch_url }}"))
    assert url == URL.replace("/shop?", "/shop_downgrade?")


FAILED = {"rc": 1, "stdout_lines": [], "stderr_lines": ["Traceback", "no such column"], "cmd": ["alembic", "downgrade", "0002"]}
AT_0002 = {**ENDED, "stdout": "0002 (head)\n"}
SKIPPED = {"skipped": True}


@pytest.mark.parametrize(
    ("downgraded", "current", "check", "says"),
    [
        (ENDED, AT_0002, ENDED, ""),
        (FAILED, SKIPPED, SKIPPED, "on a copy, 'alembic downgrade 0002' failed: no such column"),
        ({"msg": "Unable to change directory"}, SKIPPED, SKIPPED, "Unable to change directory"),
        (ENDED, FAILED, ENDED, "no such column"),
        (ENDED, AT_0002, {**FAILED, "cmd": ["alembic", "check"]}, "on a copy, 'alembic check' failed: no such column"),
        (ENDED, {**ENDED, "stdout": "0003\n"}, ENDED, "a copy that was downgraded is at 0003"),
        (ENDED, ENDED, ENDED, "a copy that was downgraded is at no migration"),
    ],
)
def test_what_the_trial_found_out(downgraded: Any, current: Any, check: Any, says: str) -> None:
    looked = {"__rollback_downgraded": downgraded, "__rollback_copy_current": current, "__rollback_copy_check": check}
    found = facts("downgrade_trial.yml", "Remember what was found out", **looked)["__rollback_trial_against"]
    assert found == says or (says and says in found)


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"__rollback_trial_against": "", "__rollback_room": {"changed": True}}, ""),
        ({"__rollback_trial_against": "it failed", "__rollback_room": {"changed": True}}, "it failed"),
        ({"__rollback_trial_against": "", "__rollback_room": {"failed": True, "msg": "no room"}}, "no room"),
        ({"__rollback_copied": {"failed": True, "msg": "no room for a copy"}}, "no room for a copy"),
        ({}, "nobody has looked at the copy"),
    ],
)
def test_a_downgrade_that_was_not_tried_is_none(known: dict[str, Any], says: str) -> None:
    whole = {"__rollback_copied": {"changed": False}, **known}
    assert against("downgrade", "policy_downgrade.yml", "Remember what was seen", **whole) == says


POINT = {"changed": True}
GONE = {"failed": True, "msg": "there is no restore point shop_before_run_1"}
COUNTED = {"mark": {"xid": 5}, "writes": {"some": False, "text": "0 rows in 0 tables were written since go-live"}}
WRITTEN = {"mark": {"xid": 5}, "writes": {"some": True, "text": "3 rows in 1 tables were written since go-live (public.orders 3)"}}
LOSS = "-e rollback_accept_data_loss=true"


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"__rollback_point": POINT, "__rollback_counted": COUNTED}, []),
        ({"__rollback_point": POINT, "__rollback_counted": WRITTEN}, ["3 rows in 1 tables", LOSS]),
        ({"__rollback_point": POINT, "__rollback_counted": WRITTEN, "rollback_accept_data_loss": "true"}, []),
        ({"__rollback_point": POINT, "__rollback_counted": SKIPPED}, ["nothing was counted", LOSS]),
        ({"__rollback_point": GONE, "__rollback_counted": SKIPPED}, ["there is no restore point", "-e rollback_database=restore"]),
        (
            {"__rollback_point": GONE, "__rollback_dumped": GONE | {"msg": "the dump is missing"}},
            ["there is no restore", "dump is missing"],
        ),
        ({"__rollback_point": GONE, "__rollback_dumped": {"changed": True}}, ["since the dump", LOSS]),
        ({"__rollback_point": GONE, "__rollback_dumped": {"changed": True}, "rollback_accept_data_loss": True}, []),
    ],
)
def test_what_keeps_the_database_from_going_back(known: dict[str, Any], says: list[str]) -> None:
    found = against("restore", "policy_restore.yml", "Remember what was seen", **{"__rollback_counted": SKIPPED, **known})
    assert bool(found) is bool(says)
    assert all(text in found for text in says), found


def test_a_dump_takes_the_place_of_the_restore_point() -> None:
    known = {"__rollback_point": GONE, "__rollback_counted": SKIPPED, "rollback_accept_data_loss": True}
    found = facts("policy_restore.yml", "Remember what was seen", **known, __rollback_dumped={"changed": True})
    assert (found["rollback_restore_point"], found["rollback_mark"], found["rollback_from_dump"]) == ("shop_dumped_run_2", {}, True)
    assert "the dump of run run_1" in found["rollback_seen"]["restore"]
    found = facts(
        "policy_restore.yml", "Remember what was seen", **known | {"__rollback_point": POINT, "__rollback_counted": COUNTED}
    )
    assert (found["rollback_restore_point"], found["rollback_mark"]) == ("shop_before_run_1", {"xid": 5})


def test_without_a_migration_there_is_nothing_to_decide() -> None:
    found = facts("policy.yml", "Begin with what the manifests say", rollback_restore_point="", rollback_migrations=[])
    assert found["rollback_against"]["keep"] == ""
    assert "leave rollback_database out" in found["rollback_against"]["restore"]
    assert facts("policy.yml", "Begin with what the manifests say")["rollback_against"] == {}
    assert facts("policy.yml", "Begin with what the manifests say", rollback_restore_point="")["rollback_against"] == {}


def test_how_a_deployment_ends_whose_way_back_would_cost_rows() -> None:
    variables = {
        **trusted(yaml.safe_load((ROLE / "vars" / "main.yml").read_text())),
        "maintenance_probe": {"started": 1},
        "rollback_from": "v2-bbbb",
        "rollback_refused": f"rollback_database: no policy is possible. restore: 3 rows: {LOSS}",
        "release_from": "v1-aaaa",
    }
    said = Templar(loader=DataLoader(), variables=variables).template(trusted("{{ __rollback_ended }}"))
    assert said.startswith("v2-bbbb serves all the same. rollback_database: no policy is possible")
    assert LOSS in said
