"""How lines for a person are laid out."""

import pytest
from ansible.module_utils.tickbox.terminal import Page, clean, clock, entry, heading, host_names, tail, together, wrapped

LOG = Page()
NARROW = Page(width=40)


@pytest.mark.parametrize(
    ("hosts", "names"),
    [
        (["app1"], "app1"),
        (["app2", "app1"], "app1, app2"),
        ([f"app{number}" for number in range(16, 0, -1)] + ["db"], "app1..app16, db"),
        (["app1", "app2", "app3", "app5"], "app1..app3, app5"),
        ([f"web{number:02}.example" for number in (1, 2)], "web01.example, web02.example"),
        ([f"web{number:02}" for number in range(1, 12)], "web01..web11"),
        ([f"web{number}.example.com" for number in (1, 2, 3)], "web1.example.com..web3.example.com"),
        (["10.0.0.1", "10.0.0.2", "10.0.0.3"], "10.0.0.1..10.0.0.3"),
    ],
)
def test_hosts_that_follow_each_other_are_folded(hosts: list[str], names: str) -> None:
    assert host_names(hosts) == names


def test_hosts_that_agree_are_together_whatever_they_agree_on() -> None:
    pairs = [("b", {"x": [1]}), ("a", {"x": [1]}), ("c", {"x": [2]}), ("a", {"x": [1]})]
    assert together(pairs) == [(["a", "b"], {"x": [1]}), (["c"], {"x": [2]})]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (65.9, "1:05"), (3723, "1:02:03")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_log_is_not_broken_and_a_terminal_is() -> None:
    text = "A deployment changes all hosts together: run it without --limit.\nSecond line"
    assert wrapped(text, LOG) == ["      " + line for line in text.splitlines()]
    assert max(map(len, wrapped(text, NARROW))) <= 40
    assert " ".join(line.strip() for line in wrapped(text, NARROW)) == text.replace("\n", " ")


def test_seconds_stand_at_the_right_of_a_terminal_and_only_where_they_are_some() -> None:
    assert entry("[x] one", 1.24, LOG) == ["  [x] one  (1.2 s)"]
    assert entry("[x] one", 0.01, LOG) == ["  [x] one"]
    (line,) = entry("[x] one", 1.24, NARROW)
    assert line.endswith(" 1.2 s") and len(line) == 40
    assert all(len(line) <= 40 for line in entry("[x] deploy.verification.running  Verify application is running", 75, NARROW))


def test_a_heading_fits_and_needs_no_more_than_ascii() -> None:
    assert len(heading("1. Preflight", 5, Page(width=60))) == 60
    assert heading("1. Preflight", 5, Page(unicode=False)).isascii()


def test_what_a_program_wrote_cannot_move_the_cursor() -> None:
    assert clean("\x1b[31mred\x1b[0m\x1b]0;title\x07 \x1b[2Kdone\rmore\r\nend\x00") == "red done\nmore\nend"


def test_of_a_long_output_the_end_is_shown() -> None:
    assert list(tail("\n".join("abcde"), 2)) == ["(3 lines before; -v shows them)", "d", "e"]
