"""What a rollback looks at is what the verification of a deployment is."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
VERIFICATION = {
    item["id"]: item["module"]
    for item in yaml.safe_load((ROOT / "checklist.yml").read_text())["items"]
    if item["phase"] == "deploy.verification" and "module" in item
}
# Looked at behind the maintenance page, and once visitors are in.
TASKS = "".join(
    (ROOT / "roles" / path).read_text()
    for path in (
        "verification/tasks/look.yml",
        "verification/tasks/look_open.yml",
        "verification/tasks/traces.yml",
        "monitoring/tasks/look_begin.yml",
        "go_live/tasks/runtime.yml",
    )
)


@pytest.mark.parametrize("item", VERIFICATION)
def test_each_statement_is_looked_at_on_the_way_back(item: str) -> None:
    assert f"  {VERIFICATION[item]}:\n" in TASKS
