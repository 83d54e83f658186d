"""What a restore point says of itself, by which it is known after it was renamed."""

import json

import pytest
from ansible.module_utils.tickbox.restore_points import read_record, record_text

HELD = {"tables": {"public.orders": 12}, "head": ["0003"]}


def test_what_was_recorded_is_read() -> None:
    found = read_record(record_text("shop_before_run_1", "shop", HELD))
    assert found is not None
    assert (found["name"], found["database"]) == ("shop_before_run_1", "shop")
    assert {name: found[name] for name in HELD} == HELD


@pytest.mark.parametrize(
    "comment", [None, "", "the shop's database", "{", "[]", "null", "{}", json.dumps(HELD), json.dumps({"name": "x", "tables": 3})]
)
def test_another_comment_says_nothing(comment: str | None) -> None:
    assert read_record(comment) is None
