"""An application of another kind: what it lacks does not apply, what it has is looked at, and it goes on and back."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

ABSENT = {
    "pre.environment.redis",
    "deploy.release.caches",
    "post.functionality.examples_load",
    "post.functionality.code_execution",
    "post.functionality.editor",
    "post.security.sandbox",
}
WAIVED = {
    "pre.quality.e2e_tests",
    "pre.quality.security_standards",
    "pre.quality.performance_benchmarks",
    "pre.security.vulnerability_scan",
}
LATER = {"rollback.close.root_cause", "rollback.close.fix"}  # given once they are known
EDITED = "/srv/shopping/current/code/node_modules/fastify/fastify.js"


def statuses(summary: dict[str, Any], status: str) -> set[str]:
    return {item["id"] for item in summary["items"] if item["status"] == status}


def names(site: httpx.Client) -> list[str]:
    return [item["name"] for item in site.get("/api/items").raise_for_status().json()["items"]]


@pytest.fixture
def edited(host: Any) -> Iterator[None]:
    """One file of one package is another than the one that was unpacked."""
    host.check_output(f"cp -a {EDITED} /root/kept && echo '// edited' >> {EDITED}")
    yield
    host.check_output(f"mv /root/kept {EDITED}")


def test_neither_redis_nor_python_environments_are_on_the_host(host: Any) -> None:
    assert not host.package("redis-server").is_installed
    assert not host.package("python3-venv").is_installed
    assert not host.file("/srv/shopping/current/venv").exists
    assert not host.file("/usr/local/bin/uv").exists
    assert host.package("nodejs").is_installed


def test_a_package_that_was_edited_turns_its_statement_red_and_no_other(play: Any, edited: None) -> None:
    done = play("playbooks/verify.yml", "--tags", "deploy.release.dependencies")
    assert done.code != 0
    assert statuses(done.summary, "failed") == {"deploy.release.dependencies"}


def test_the_packages_are_those_of_the_lock_file(play: Any) -> None:
    done = play("playbooks/verify.yml", "--tags", "deploy.release.dependencies")
    assert done.code == 0
    assert statuses(done.summary, "passed") == {"deploy.release.dependencies"}


def test_upgrade_and_rollback_keep_what_people_wrote(play: Any, host: Any, site: httpx.Client, version: Callable[[], str]) -> None:
    assert version() == "v1.0.0"
    assert site.post("/api/items", json={"name": "early"}).is_success

    done = play("deploy.yml", app_version="v1.1.0")
    assert done.summary["outcome"] == "deployed"
    assert statuses(done.summary, "not_applicable") == ABSENT
    assert statuses(done.summary, "waived") == WAIVED
    assert statuses(done.summary, "failed") | statuses(done.summary, "unverifiable") == set()
    assert version() == "v1.1.0"
    assert site.post("/api/items", json={"name": "late", "amount": 3}).json()["amount"] == 3
    assert names(site) == ["early", "late"]

    back = play("rollback.yml", rollback_reason="A test takes it back")
    assert back.summary["outcome"] == "rolled_back"
    seen = {item["id"]: item["status"] for item in back.summary["items"] if item["id"].startswith("rollback.")}
    assert {item for item, status in seen.items() if status != "passed"} == LATER
    assert version() == "v1.0.0"
    assert names(site) == ["early", "late"]
    assert host.check_output("runuser -u postgres -- psql -XAtd shopping -c 'SELECT id FROM migrations'") == "0001_items"
