"""A text that is taken for plain by its letters is one document and not too deep."""

from __future__ import annotations

import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from zedops.spec.loader import MAX_DEPTH, _first_excess, _is_plain, load

PIECES = ["- ", "? ", ": ", "a: ", "a:\n", "\n", "  ", " ", "[", "]", "{", "}", "x", "|\n", "&b ",
          "!t ", "*b", "'", '"', "# ", "\r", "\t", "\x85", "\u2028", ",", "..", "--", "%Y", "-\n"]


@settings(max_examples=1500)
@given(st.lists(st.sampled_from(PIECES), max_size=80).map("".join))
@example("a:\n- " * 3 + "b")
@example("- " * 14 + "x")
@example("[" * 29)
def test_a_plain_text_has_nothing_in_excess(text: str) -> None:
    assume(_is_plain(text))
    try:
        assert _first_excess("a.yaml", text) is None
    except (yaml.YAMLError, UnicodeEncodeError):
        assert load("a.yaml", text).problems


def test_what_may_be_too_deep_is_not_plain() -> None:
    def nested(depth: int) -> str:
        return "".join(f"{'  ' * at}a:\n{'  ' * at}- b:\n" for at in range(depth))

    assert _is_plain(nested(2))
    assert not _is_plain("- " * MAX_DEPTH + "x")
    assert not _is_plain("[" * MAX_DEPTH)
    assert not _is_plain(nested(MAX_DEPTH))
    assert not _is_plain("a: 1\n---\nb: 2\n")
    assert not _is_plain("a: 1\n...\n")
