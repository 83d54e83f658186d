"""The whole line on Debian 13."""

from collections.abc import Callable
from typing import Any


def test_provisioning_again_changes_nothing(play: Any) -> None:
    done = play("playbooks/provision.yml")
    assert done.code == 0
    assert set(done.changed.values()) <= {0}


def test_the_host_is_debian_13(host: Any) -> None:
    assert host.system_info.codename == "trixie"


def test_upgrade_and_rollback(play: Any, version: Callable[[], str]) -> None:
    assert version() == "v1.0.0"
    assert play("deploy.yml", app_version="v1.1.0").summary["outcome"] == "deployed"
    assert version() == "v1.1.0"
    assert play("rollback.yml", rollback_reason="A test takes it back").summary["outcome"] == "rolled_back"
    assert version() == "v1.0.0"
