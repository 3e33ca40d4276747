"""Users of containers as numbers: whatever an image or a definition says, never a traceback."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zedops.errors import EngineFailed
from zedops_agent.owners import numbers


@pytest.mark.parametrize(("user", "found"), [
    ("1000", (1000, 1000)), ("1000:50", (1000, 50)), ("0", (0, 0)), ("", None), ("steam", None),
    ("steam:1000", None), ("1000:games", (1000, 1000)), ("4294967294", (4294967294, 4294967294)),
    ("²", None), ("１２", None), ("1a", None), ("-1", None),
])  # fmt: skip
def test_what_is_a_number_is_read(user: str, found: tuple[int, int] | None) -> None:
    assert numbers(user) == found


@pytest.mark.parametrize("user", ["4294967295", "9" * 40, "9" * 5000, f"1000:{'9' * 30}"])
def test_a_user_that_cannot_be_is_refused_in_words(user: str) -> None:
    with pytest.raises(EngineFailed, match="the largest number is 4294967294"):
        numbers(user)


@given(st.text())
def test_any_text_is_a_user_or_none_or_refused(user: str) -> None:
    try:
        found = numbers(user)
    except EngineFailed:
        return
    assert found is None or 0 <= min(found) <= max(found) < 2**32
