"""Journeys as they are written down: what is understood, and what is refused by its place."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.journeys import Step, Values, looks, wants, whole_definition
from hypothesis import given, settings
from hypothesis import strategies as st

INVENTORY = Path(__file__).parents[2] / "inventory"
ITEMS = (
    "examples_load", "code_execution", "editor", "local_storage", "controls", "error_handling", "page_load", "output_sanitization",
)  # fmt: skip
STEP_LISTS = ("start", "opened", "steps", "edit", "kept", "fresh", "before", "use", "effect", "recovers", "ready", "undo")


def steps(*given: Any, named: Any = None) -> list[Step]:
    found: list[Step] = whole_definition({"steps": named or {}, "tour": {"steps": list(given)}}, "tour").steps("steps")
    return found


def test_short_and_named_steps() -> None:
    named = {"begin": [{"open": "/"}, {"do": "wait"}], "wait": [{"sees": "#here"}]}
    found = steps({"do": "begin"}, {"click": "#run"}, {"reload": None}, named=named)
    assert [(step.kind, dict(step.arguments)) for step in found] == [
        ("open", {"path": "/"}),
        ("sees", {"at": "#here"}),
        ("click", {"at": "#run"}),
        ("reload", {}),
    ]
    assert found[1].where == "app_journeys.tour.steps[0][1][0]"


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("click", "steps[0] is no step"),
        ({"click": "#a", "sees": "#b"}, "steps[0] is no step"),
        ({"wait": 3}, "'wait' is no kind of step"),
        ({1: "x"}, "'1' is no kind of step"),
        ({"click": None}, "click lacks at"),
        ({"click": 3}, "click.at is no text"),
        ({"sees": {"at": "#a", "says": "x"}}, "sees takes no 'says'"),
        ({"sees": {"at": "#a", "count": True}}, "sees.count is no whole number"),
        ({"sees": {"at": "#a", "state": "there"}}, "there is no state 'there'"),
        ({"sees": {"at": "#a", "matches": "("}}, "is no regular expression"),
        ({"do": "nothing"}, "app_journeys.steps has no 'nothing'"),
        ({"do": "round"}, "'round' leads in a circle"),
        ({"do": ["round"]}, "app_journeys.steps has no"),
    ],
)
def test_a_step_that_is_none_is_named(step: Any, says: str) -> None:
    with pytest.raises(CouldNotLook) as caught:
        steps(step, named={"round": [{"do": "round"}]})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("journeys", "says"),
    [
        (None, "app_journeys is no mapping"),
        ({}, "app_journeys.tour is missing"),
        ({"tour": []}, "app_journeys.tour is no mapping"),
        ({"tour": {}}, "app_journeys.tour.steps is no list of steps"),
        ({"tour": {"steps": []}}, "app_journeys.tour.steps is no list of steps"),
        ({"tour": {}, "steps": 3}, "app_journeys.steps is no mapping"),
    ],
)
def test_a_definition_that_is_none_is_named(journeys: Any, says: str) -> None:
    with pytest.raises(CouldNotLook) as caught:
        whole_definition(journeys, "tour").steps("steps")
    assert says in str(caught.value)


def test_placeholders() -> None:
    values = Values({"password": "it's"})
    a, b = int(values.known["a"]), int(values.known["b"])
    assert values.fill_in("<<a>> * <<b>> = <<product>>") == f"{a} * {b} = {a * b}"
    assert values.fill_in({"text": ["say <<password|json>>", "/?<<password|url>>", 3]}) == {"text": ['say "it\'s"', "/?it%27s", 3]}
    assert values.mask("typed it's") == "typed <password>"
    assert Values({}).known["product"] != values.known["product"]


@pytest.mark.parametrize("text", ["<<passwort>>", "<<a|html>>"])
def test_an_unknown_placeholder_is_named(text: str) -> None:
    with pytest.raises(CouldNotLook) as caught:
        Values({}).fill_in(text)
    assert text in str(caught.value)


def test_what_lacks_a_figure_does_not_see_it() -> None:
    assert wants(steps({"sees": {"at": "#a", "contains": "= <<product>>"}}), ["product"])
    assert not wants(steps({"sees": {"at": "#a", "lacks": "<<product>>"}}), ["product"])
    assert not wants(steps({"type": {"into": "#a", "text": "<<product>>"}}), ["product"])


def test_looking_steps_lead() -> None:
    given = steps({"sees": "#a"}, {"copied": "x"}, {"click": "#a"}, {"sees": "#b"})
    assert [step.kind for step in looks(given)] == ["sees", "copied"]


def lists_of_steps(part: Any) -> list[tuple[dict[str, Any], str]]:
    """Each mapping within a part of the journeys with the name of a list of steps in it."""
    if isinstance(part, list):
        return [found for entry in part for found in lists_of_steps(entry)]
    if not isinstance(part, dict):
        return []
    own = [(part, name) for name in STEP_LISTS if isinstance(part.get(name), list)]
    return own + [found for name, entry in part.items() if name not in STEP_LISTS for found in lists_of_steps(entry)]


@pytest.mark.parametrize("environment", ["demo", "example"])
@pytest.mark.parametrize("item", ITEMS)
def test_the_inventories_journeys_are_understood(environment: str, item: str) -> None:
    definition = yaml.safe_load((INVENTORY / environment / "group_vars/all/app.yml").read_text())
    journeys = definition["app_journeys"]
    found = lists_of_steps(journeys[item])
    values = Values(dict.fromkeys(definition["app_journey_secrets"], "x"), canary="x", marker="x", link="x", text="x")
    read = [
        values.fill_in(step.arguments)
        for part, name in found
        for step in whole_definition({"steps": journeys["steps"], "one": part}, "one").steps(name, required=False)
    ]
    assert read


WORDS = ["open", "sees", "do", "type", "at", "into", "text", "steps", "tour", "count"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["open", "sees", "do", "#a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200)
@given(anything)
def test_whatever_stands_there_is_read_or_refused(journeys: Any) -> None:
    try:
        found = whole_definition(journeys, "tour").steps("steps")
    except CouldNotLook as reason:
        assert str(reason).startswith("app_journeys")
    else:
        assert all(step.kind and json.dumps(step.where) for step in found)
