"""Each module documents all that it takes and returns, as ansible-doc shows it."""

import ast
import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "library").glob("*.py"))
fragment_loader.add_directory(str(ROOT / "plugins/doc_fragments"))


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(request.param)


def specification(module: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The argument_spec that the module's main() gives to Ansible."""
    seen: dict[str, Any] = {}

    class Seen(Exception):
        pass

    def remember(_self: AnsibleModule, argument_spec: dict[str, Any], **more: Any) -> None:
        seen.update(argument_spec=argument_spec, **more)
        raise Seen

    monkeypatch.setattr(AnsibleModule, "__init__", remember)
    with pytest.raises(Seen):
        module.main()
    return seen


def test_the_documentation_has_the_options_of_the_specification(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    options = get_docstring(module.__file__, fragment_loader)[0]["options"]
    spec = specification(module, monkeypatch)["argument_spec"]
    assert set(options) == set(spec)
    for name, given in spec.items():
        for key in ("type", "elements", "choices", "default", "required"):
            assert options[name].get(key) == given.get(key), f"{name}.{key}"
        assert options[name]["description"]


def test_a_module_says_whether_it_works_in_check_mode(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    support = yaml.safe_load(module.DOCUMENTATION)["attributes"]["check_mode"]["support"]
    assert specification(module, monkeypatch).get("supports_check_mode", False) is (support != "none")


def test_each_module_has_examples_and_says_what_it_returns(module: Any) -> None:
    name = module.__name__
    assert yaml.safe_load(module.DOCUMENTATION)["module"] == name
    assert all(name in task for task in yaml.safe_load(module.EXAMPLES))
    assert all({"description", "returned", "type"} <= set(value) for value in yaml.safe_load(module.RETURN).values())
    json.dumps(yaml.safe_load(module.RETURN))


@pytest.mark.parametrize("name", MODULES)
def test_no_module_is_long(name: str) -> None:
    assert len((ROOT / "library" / f"{name}.py").read_text().splitlines()) <= 300


def test_what_a_module_takes_from_the_shared_code_is_there(module: Any) -> None:
    """The type checker knows the shared code by another name, and lets such mistakes pass."""
    shared = {name: value for name, value in vars(module).items() if inspect.ismodule(value) and ".tickbox" in value.__name__}
    used = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Attribute)]
    of_shared = [(node.value.id, node.attr) for node in used if isinstance(node.value, ast.Name) and node.value.id in shared]
    assert [f"{name}.{attribute}" for name, attribute in of_shared if not hasattr(shared[name], attribute)] == []
