"""Servers that wait for each other are found, with the way from one back to itself."""

from __future__ import annotations

import pytest

from zedops.spec.dependencies import cycle_of


@pytest.mark.parametrize(("needs", "way"), [
    ({}, []), ({"a": ["a"]}, ["a", "a"]), ({"a": ["b"], "b": ["a"]}, ["a", "b", "a"]),
    ({"a": ["b", "c"], "b": [], "c": ["d"], "d": ["a"]}, ["a", "c", "d", "a"]),
    ({"a": ["b"], "b": ["c"], "c": ["b"]}, []), ({"a": ["b"], "b": ["gone"]}, []),
])  # fmt: skip
def test_a_way_back_is_found(needs: dict[str, list[str]], way: list[str]) -> None:
    assert cycle_of("a", needs) == way
