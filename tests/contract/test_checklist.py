"""The checklist and the modules that tick it hold together."""

import ast
import importlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.tickbox.checklist import laid_out, markdown

ROOT = Path(__file__).parents[2]
FILE = ROOT / "checklist.yml"
CHECKLIST: list[dict[str, Any]] = yaml.safe_load(FILE.read_text())["items"]
IDS = [item["id"] for item in CHECKLIST]
MODULES = sorted(path.stem for path in (ROOT / "library").glob("check_*.py"))
ACTIONS = ROOT / "plugins" / "action"


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


def test_each_statement_is_ticked_by_a_module() -> None:
    assert [item["id"] for item in CHECKLIST if "module" not in item and item["phase"] != "signoff"] == []


def test_each_statement_is_held_by_a_gate() -> None:
    tasks = "".join(path.read_text() for path in (ROOT / "roles").glob("*/tasks/*.yml"))
    held = {phase.strip() for phases in re.findall(r"run_gate_phases: \[(.*)\]", tasks) for phase in phases.split(",")}
    places = {item["id"]: item.get("held_in", item["phase"]) for item in CHECKLIST if item["phase"] != "signoff"}
    assert [item for item, place in places.items() if place not in held and place.split(".")[0] not in held] == []


def test_the_document_is_the_checklist_word_for_word() -> None:
    """checklist.md of a run at which nobody looked, without its reasons, is the checklist as it was agreed."""
    summary: dict[str, Any] = {
        "app": "examples",
        "title": "Interactive examples",
        "kind": "deploy",
        "environment": "production",
        "items": [],
    }
    summary |= {"run_id": "r", "who": "w", "started": 0.0, "outcome": "failed"}
    lines = markdown(laid_out(yaml.safe_load(FILE.read_text())["document"], CHECKLIST, summary, []), summary).splitlines()
    of_run = next(number for number, line in enumerate(lines) if "Run r, by w." in line)
    lines[of_run : of_run + 2] = []
    text = re.sub(r" \(not looked at: .*\)$", "", "\n".join(lines), flags=re.MULTILINE)
    text = re.sub(r"\|  \| not looked at: .* \|  \|$", "| | | |", text, flags=re.MULTILINE)
    assert text.splitlines() == (Path(__file__).parent / "deployment_checklist.md").read_text().splitlines()


@pytest.mark.parametrize("module", MODULES)
def test_waivers_hold_for_each_look(module: str) -> None:
    """Its action applies them, and knows a failure by its assertions from any other by what exit_with says."""
    assert (ACTIONS / f"{module}.py").readlink().name in ("in_process.py", "own_process.py")
    assert "exit_with(" in (ROOT / "library" / f"{module}.py").read_text()


def test_a_look_that_ran_asynchronously_is_gathered_with_its_waivers() -> None:
    """Where a module of library/ that looks is begun with async, async_status would not know of waivers."""
    tasks = [task for path in (ROOT / "roles").glob("*/tasks/*.yml") for task in flat(yaml.safe_load(path.read_text()) or [])]
    begun = [task["register"] for task in tasks if "async" in task and set(MODULES) & set(task)]
    gathered = [str(task["async_look"]["jid"]) for task in tasks if "async_look" in task]
    assert begun
    assert [name for name in begun if not any(f" {name}." in jid for jid in gathered)] == []


def flat(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tasks, and those in their blocks."""
    inner = [one for task in tasks for part in ("block", "rescue", "always") for one in flat(task.get(part, []))]
    return tasks + inner


MUTATIONS = [
    mutation
    for path in sorted((ROOT / "molecule" / "mutations" / "mutations").glob("*.yml"))
    for mutation in yaml.safe_load(path.read_text())
]


@pytest.mark.parametrize("item", [item["id"] for item in CHECKLIST if item["phase"] != "signoff"])
def test_each_statement_has_a_breakage_that_turns_it_red(item: str) -> None:
    assert [mutation["breaks"] for mutation in MUTATIONS if mutation["item"] == item]


def test_each_breakage_can_be_undone_and_is_known_by_its_name() -> None:
    names = [(mutation["item"], mutation["breaks"]) for mutation in MUTATIONS]
    assert len(names) == len(set(names))
    for mutation in MUTATIONS:
        assert set(mutation) <= {"item", "breaks", "apply", "undo", "on", "also"}
        assert mutation["apply"].strip()
        assert mutation["undo"].strip()
