"""Calls modules as Ansible does: arguments in, JSON out."""

import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import database_server
import pytest
from ansible.module_utils.testing import patch_module_args

Assertions = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def server() -> Iterator[database_server.Server]:
    """A PostgreSQL of the tests' own."""
    with database_server.running() as started:
        yield started


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run library/<name>.py with the arguments given and return its result."""

    def run(name: str, /, **arguments: Any) -> dict[str, Any]:
        capsys.readouterr()
        with patch_module_args(arguments), pytest.raises(SystemExit):
            importlib.import_module(name).main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert not (name.startswith("check_") and result.get("changed"))
        return result

    return run
