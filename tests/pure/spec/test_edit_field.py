"""An edit by command changes one value and no other byte of the definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zedops.spec.document import parse
from zedops.spec.edit import set_field
from zedops.spec.loader import load

PATH = "servers.d/rosewood.yaml"


def _set(head: str, key: str, value: str) -> str:
    return set_field(parse(PATH, head.encode()), key, value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("desired: running # please\nimage: a\n", "desired: stopped # please\nimage: a\n"),
        ("desired:   'running'\nimage: a\n", "desired:   stopped\nimage: a\n"),
        ("# ünïcode 🎮\ndesired: running\nimage: a", "# ünïcode 🎮\ndesired: stopped\nimage: a"),
        ("image: a\r\ndesired: running\r\n", "image: a\r\ndesired: stopped\r\n"),
        ("image: a\n", "image: a\ndesired: stopped\n"),
        ("image: a\r\n", "image: a\r\ndesired: stopped\r\n"),
        ("image: a", "image: a\ndesired: stopped\n"),
        ("desired:\nimage: a\n", "desired: stopped\nimage: a\n"),
        ("desired: # which?\nimage: a\n", "desired: stopped # which?\nimage: a\n"),
        ("desired: >-\n  running\nimage: a\n", "desired: stopped\nimage: a\n"),
        ("\ufeffdesired: running\nimage: a\n", "\ufeffdesired: stopped\nimage: a\n"),
        ("image: a\nenv:\n  A: |\n    t\n", "image: a\nenv:\n  A: |\n    t\ndesired: stopped\n"),
        ('"desired": running\nimage: a\n', '"desired": stopped\nimage: a\n'),
    ],
)  # fmt: skip
def test_only_the_value_changes(before: str, after: str) -> None:
    assert _set(before, "desired", "stopped") == after


@pytest.mark.parametrize("lines", ["    <<: *p\n    host: 7\n", "    host: 7\n    <<: *p\n"])
def test_what_is_written_beside_a_merge_has_a_place_of_its_own(lines: str) -> None:
    text = f"ports:\n  a: &p {{container: 1, host: 2}}\n  b:\n{lines}"
    source = load("a.yaml", text)
    mark = source.marks["ports", "b", "host"]
    assert text[mark.start : mark.end] == "7"
    assert text.splitlines()[mark.line - 1][mark.column - 1 :] == "host: 7"
    assert source.data["ports"]["b"] == {"container": 1, "host": 7}


_HEADS = st.permutations([
    "image: a\n", "# café 🎮\n", "env:\n  A: 'x: y'\n  B: |\n    t\n\n", "desired: running   # d\n",
    "\n", "labels: {a: b,\n  c: d}\n",
]).flatmap(lambda parts: st.integers(0, 6).map(lambda n: "".join(parts[:n])))  # fmt: skip


@given(_HEADS)
def test_what_is_set_is_read_back_and_everything_else_as_before(head: str) -> None:
    before = parse(PATH, head.encode()).source.data
    after = parse(PATH, _set(head, "desired", "stopped").encode()).source.data
    assert after == {**before, "desired": "stopped"}
