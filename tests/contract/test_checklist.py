"""The checklist and the modules that tick it hold together."""

import ast
import importlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHECKLIST: list[dict[str, Any]] = yaml.safe_load((ROOT / "checklist.yml").read_text())["items"]
IDS = [item["id"] for item in CHECKLIST]
MODULES = sorted(path.stem for path in (ROOT / "library").glob("check_*.py"))


def ticked_by(module: str) -> set[str]:
    """The items that a module answers for: the choices of its option ``items``, or those that its code names."""
    documented = yaml.safe_load(importlib.import_module(module).DOCUMENTATION)
    choices = documented["options"].get("items", {}).get("choices")
    if choices:
        return set(choices)
    tree = ast.parse((ROOT / "library" / f"{module}.py").read_text())
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in IDS
    }


def test_has_82_statements_and_5_signatures() -> None:
    assert len([item for item in IDS if not item.startswith("signoff.")]) == 82
    assert len([item for item in IDS if item.startswith("signoff.")]) == 5


def test_no_id_and_no_text_stands_twice() -> None:
    assert [name for name, count in Counter(IDS).items() if count > 1] == []


@pytest.mark.parametrize("item", CHECKLIST, ids=IDS)
def test_an_item_belongs_to_its_phase(item: dict[str, Any]) -> None:
    assert item["id"].startswith(item["phase"] + ".")
    assert item["text"]
    assert item.get("held_in", item["phase"]) in {other["phase"] for other in CHECKLIST}


def test_each_item_is_ticked_by_the_module_that_the_checklist_names_and_no_other() -> None:
    claimed: dict[str, set[str]] = {}
    for module in MODULES:
        for item in ticked_by(module):
            claimed.setdefault(item, set()).add(module)
    named = {item["id"]: {item["module"]} for item in CHECKLIST if "module" in item}
    assert claimed == named
