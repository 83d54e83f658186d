"""Each run refuses a part of its hosts; a deployment leaves no error in the log of a release to go back to."""

from pathlib import Path

import pytest
import yaml
from ansible.plugins.filter.mathstuff import FilterModule
from jinja2 import Environment

ROOT = Path(__file__).parents[2]
REFUSAL = yaml.safe_load((ROOT / "roles/run/tasks/open_record.yml").read_text())[0]
GROUPS = {"app": ["app1"], "database": ["db1"], "redis": ["app1"], "web": ["web1"], "monitoring": ["mon1"]}


def lets_through(kind: str, hosts: list[str]) -> bool:
    environment = Environment(autoescape=False)  # noqa: S701 - no page is made of it
    environment.filters.update(FilterModule().filters())
    known = {"groups": GROUPS, "run_kind": kind, "ansible_play_hosts_all": hosts}
    asked = environment.compile_expression(REFUSAL["vars"]["__run_hosts"].strip().removeprefix("{{").removesuffix("}}"))(**known)
    return bool(environment.compile_expression(REFUSAL["ansible.builtin.assert"]["that"])(**known, __run_hosts=asked))


@pytest.mark.parametrize("kind", ["deploy", "rollback", "restore", "backup", "preflight", "verify"])
def test_a_part_of_the_hosts_is_refused(kind: str) -> None:
    play = next(play for play in yaml.safe_load((ROOT / f"playbooks/{kind}.yml").read_text()) if "hosts" in play)
    hosts = [host for group in play["hosts"].split(":") for host in GROUPS[group]]
    assert lets_through(kind, hosts)
    assert [host for host in hosts if lets_through(kind, [other for other in hosts if other != host])] == []


def test_no_error_is_caused_before_the_way_back_is_past() -> None:
    """Errors since the run began are looked for in the log of the release that it goes back to."""
    for path in (ROOT / "roles/preflight/tasks").glob("*.yml"):
        assert "app_error_request" not in path.read_text()
