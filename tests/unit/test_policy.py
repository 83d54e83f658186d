"""Which policy the way back takes."""

from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.tickbox.policy import NOT_LOOKED, ORDER, NoPolicy, decide
from hypothesis import given
from hypothesis import strategies as st

Run = Callable[..., dict[str, Any]]
NOT = "it cannot be"


@pytest.mark.parametrize(
    ("asked", "against", "text"),
    [
        ("auto", {"keep": ""}, "keep"),
        ("auto", {"keep": "", "downgrade": "", "restore": ""}, "keep"),
        ("auto", {"keep": NOT, "downgrade": ""}, f"downgrade; not keep: {NOT}"),
        ("auto", {"keep": NOT, "downgrade": "none", "restore": ""}, f"restore; not keep: {NOT}; not downgrade: none"),
        ("auto", {"restore": ""}, f"restore; not keep: {NOT_LOOKED}; not downgrade: {NOT_LOOKED}"),
        ("keep", {"keep": ""}, "keep"),
        ("downgrade", {"keep": "", "downgrade": ""}, "downgrade"),
        ("restore", {"restore": ""}, "restore"),
    ],
)
def test_the_first_that_nothing_speaks_against(asked: str, against: dict[str, str], text: str) -> None:
    assert decide(asked, against, {}).text == text


@pytest.mark.parametrize(
    ("asked", "against", "says"),
    [
        ("keep", {"keep": NOT, "restore": ""}, f"rollback_database=keep is not possible: {NOT}"),
        ("downgrade", {"keep": ""}, f"rollback_database=downgrade is not possible: {NOT_LOOKED}"),
        ("auto", {"keep": "a", "downgrade": "b", "restore": "c"}, "no policy is possible. keep: a; downgrade: b; restore: c"),
        ("automatic", {"keep": ""}, "'automatic' is none of auto, keep, downgrade, restore"),
    ],
)
def test_what_is_not_possible_is_refused(asked: str, against: dict[str, str], says: str) -> None:
    with pytest.raises(NoPolicy) as refused:
        decide(asked, against, {})
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.sampled_from(["auto", *ORDER]), st.dictionaries(st.sampled_from(ORDER), st.sampled_from(["", NOT])))
def test_nothing_is_chosen_that_something_speaks_against(asked: str, against: dict[str, str]) -> None:
    possible = [policy for policy in ORDER if against.get(policy) == ""]
    try:
        decision = decide(asked, against, {})
    except NoPolicy:
        assert asked not in possible if asked != "auto" else not possible
    else:
        assert decision.policy == (possible[0] if asked == "auto" else asked)
        assert decision.policy in possible
        # Each that was passed over is told, and nothing besides.
        passed = ORDER[: ORDER.index(decision.policy)] if asked == "auto" else ()
        assert list(decision.against) == list(passed)
        assert all(decision.against.values())


def test_the_module_decides(run_module: Run) -> None:
    done = run_module("rollback_policy", against={"keep": NOT, "downgrade": ""}, seen={"downgrade": "tried on\na copy"})
    assert (done["policy"], done["text"], done["changed"]) == ("downgrade", f"downgrade: tried on a copy; not keep: {NOT}", False)
    assert run_module("rollback_policy", asked="restore", against={})["failed"]
