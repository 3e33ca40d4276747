"""Expressions for lines of logs: as Python reads them, and never slow."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zedops.spec.log_pattern import MAX_LINE, LogPattern, compiled

_ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\.", "1", r"\s", " ", "(?:a|b1)"])
_TIMES = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}", "{0,}", "{,2}", "*?", "+?"])


def _join(parts: list[tuple[str, str]]) -> str:
    return "".join(atom + times for atom, times in parts)


_SEQUENCES = st.lists(st.tuples(_ATOMS, _TIMES), min_size=1, max_size=5).map(_join)
_CHOICES = st.lists(_SEQUENCES, min_size=1, max_size=3).map("|".join)
_GROUPS = st.tuples(_CHOICES, _TIMES, _SEQUENCES).map(lambda each: f"({each[0]}){each[1]}{each[2]}")
_ENDS = st.tuples(st.sampled_from(["", "^"]), _GROUPS | _SEQUENCES, st.sampled_from(["", "$"]))


@given(_ENDS.map("".join), st.lists(st.text("ab1. x", max_size=8), max_size=8))
def test_it_finds_the_lines_that_python_finds(pattern: str, lines: list[str]) -> None:
    mine, theirs = LogPattern(pattern), re.compile(pattern)
    for line in lines:
        assert mine.is_in(line) == (theirs.search(line) is not None), (pattern, line)


@given(st.text(string.printable, max_size=12))
def test_a_text_is_understood_as_python_does_or_refused(text: str) -> None:
    try:
        pattern = LogPattern(text)
    except ValueError:
        return
    for line in ("", "a", *(each.replace("\n", " ") for each in (text, "x" + text))):
        assert pattern.is_in(line) == (re.search(text, line) is not None)


@pytest.mark.parametrize(("pattern", "line"), [
    (r"Done \(\d+\.\d+s\)! For help", "[12:00] [Server thread/INFO]: Done (3.141s)! For help, x"),
    ("(?i)server started", "*** SERVER STARTED ***"),
    ("^ready$", "ready"), (r"cost: 5\$", "cost: 5$"), (r"\[ready\]", "[ready]"), ("é+", "éé"),
])  # fmt: skip
def test_lines_of_servers_are_found(pattern: str, line: str) -> None:
    assert compiled(pattern).is_in(line)


@pytest.mark.parametrize("pattern", [
    "", "x" * 301, "(", ")", "a)", "[a", "a**", "*a", "(?=a)", "(?P<n>a)", r"\1", r"\b", "a$b",
    "^a|b", "a{3,2}", "[[a]", "(a{99}){99}", "\\", "(" * 40 + ")" * 40, "[z-a]", "a++",
])  # fmt: skip
def test_what_is_not_understood_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        LogPattern(pattern)


@pytest.mark.parametrize("pattern", [
    "(a+)+b", "(a|aa)+b", "(.*)(.*)(.*)(.*)(.*)b", "a?" * 40 + "a" * 40, "(a*)*b", "((a?){20}){3}b",
])  # fmt: skip
def test_no_expression_takes_long(pattern: str) -> None:
    assert not LogPattern(pattern).is_in("a" * 30 if pattern.endswith("a" * 40) else "a" * 5000)


def test_only_the_beginning_of_a_line_counts() -> None:
    assert compiled("b").is_in("a" * (MAX_LINE - 1) + "b")
    assert not compiled("b").is_in("a" * MAX_LINE + "b")
