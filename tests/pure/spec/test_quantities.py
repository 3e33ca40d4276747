"""Durations and sizes, as people write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zedops.spec.quantities import exact, format_duration, parse_duration, parse_size, readable


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1h30m", 5400), ("7d", 604_800), ("2w", 1_209_600),
     ("250ms", 0.25), ("1.5h", 5400), ("0s", 0)],
)  # fmt: skip
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["90", "", "s", "5 m", "-5s", "5y", "1h30", "1e3s", 90, None])
def test_a_duration_without_one_is_never_guessed_at(text: object) -> None:
    with pytest.raises(ValueError, match=r"is not a duration; write a number with a unit"):
        parse_duration(text)


def test_a_duration_of_more_than_a_hundred_years_is_a_typing_mistake() -> None:
    with pytest.raises(ValueError, match="longer than 100 years"):
        parse_duration("36501d")


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("512MiB", 512 << 20), ("6GiB", 6 << 30), ("6g", 6 << 30), ("6GB", 6 << 30), ("1.5k", 1536),
     ("100b", 100), ("1 TiB", 1 << 40), ("0b", 0)],
)  # fmt: skip
def test_a_size_has_a_unit_of_1024(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["512", "", "GiB", "-1g", "1x", 512, None, True, "1e3b"])
def test_a_size_without_one_is_never_guessed_at(text: object) -> None:
    with pytest.raises(ValueError, match=r"is not a size; write a number with a unit"):
        parse_size(text)


@given(st.text(max_size=12))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    for parse in (parse_duration, parse_size):
        with suppress(ValueError):
            assert parse(text) >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.24, "1.2 s"), (45, "45 s"), (720, "12 min"), (10_800, "3 h"), (432_000, "5 d"),
     (86_400, "24 h")],
)  # fmt: skip
def test_a_duration_is_written_in_the_unit_that_people_would_use(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=0, max_value=2**53))
def test_a_size_for_people_is_the_same_size(size: int) -> None:
    assert parse_size(readable(f"{size}b")) == size


def test_a_size_for_people_is_short_and_everything_else_stays() -> None:
    assert readable("6442450944b") == "6GiB"
    assert readable("1536b") == "1536b"
    assert readable("120s") == "120s"


@pytest.mark.parametrize(("number", "text"), [
    (1.3333333, "1.3333333"), (1_080_000.0, "1080000"), (0.0, "0"), (2.5, "2.5"),
    (1e22, "1" + 22 * "0"), (0.00001, "0.00001"), (100.0, "100"),
])  # fmt: skip
def test_a_number_is_written_with_every_digit(number: float, text: str) -> None:
    assert exact(number) == text


@given(st.floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_a_written_number_is_read_back(number: float) -> None:
    assert float(exact(number)) == number
