"""Which hosts switch together."""

from typing import Any

import pytest
from ansible.module_utils.tickbox.batches import NoBatches, batches
from hypothesis import given
from hypothesis import strategies as st

HOSTS = ["a", "b", "c", "d", "e", "f", "g", "h"]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (1, [1] * 8),
        ("1", [1] * 8),
        (3, [3, 3, 2]),
        ("25%", [2, 2, 2, 2]),
        ("1%", [1] * 8),
        ([1, "50%"], [1, 4, 3]),
        ([1, 2, 4], [1, 2, 4, 1]),
        ([1, 100], [1, 7]),
    ],
)
def test_hosts_are_divided(sizes: Any, expected: list[int]) -> None:
    assert [len(batch) for batch in batches(HOSTS, sizes)] == expected


def test_one_host_is_one_batch() -> None:
    assert batches(["a"], 1) == batches(["a"], "100%") == [["a"]]


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        (0, "neither a number"),
        (-1, "neither a number"),
        ("0%", "neither a number"),
        ("200%", "neither a number"),
        ("half", "neither a number"),
        (1.5, "neither a number"),
        (True, "neither a number"),
        (None, "neither a number"),
        ([], "empty list"),
        (8, "nobody serves meanwhile"),
        ("100%", "nobody serves meanwhile"),
    ],
)
def test_sizes_that_are_none(sizes: Any, says: str) -> None:
    with pytest.raises(NoBatches, match=says):
        batches(HOSTS, sizes)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(2, 30))
def test_each_host_is_in_one_batch(sizes: list[int], count: int) -> None:
    hosts = [str(number) for number in range(count)]
    try:
        found = batches(hosts, sizes)
    except NoBatches:
        assert sizes[0] >= count
    else:
        assert [host for batch in found for host in batch] == hosts
        assert all(found)
