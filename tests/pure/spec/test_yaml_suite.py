"""The YAML test suite, all of it: each case means what it says there, or is refused with a place.

zedops speaks a strict part of YAML: one document, text keys, no tags. What is not part of it is
refused, and so is what libyaml does not know; what both get wrong stands here, and is not more.
"""

from __future__ import annotations

import json
import re
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pure.fleets import running
from tests.pure.spec.test_hostile_files import MOST_BYTES, MOST_S, PATH, everything
from zedops.fleet.fleet import read_settings
from zedops.spec import document, state_block
from zedops.spec.loader import load

CASES = json.loads(Path(__file__).with_name("yaml_suite.json").read_text())["cases"]

#: Case → what libyaml reads instead, as every tool that is built on it does.
OTHERWISE: dict[str, Any] = {
    "652Z": {"foo": "bar", "bar": 42},  # `?foo` in braces: the key '?foo'
    "HM87/01": [{"x": None}],  # `[?x]`: the text '?x'
    "L24T/01": {"foo": "x\n "},  # the last line is blanks without an end
    "S4JQ": ["12", 12, 12],  # `! 12`: text
    "Y2GN": {"key": ":chor value"},  # `&an:chor value`: an anchor with a colon
    # no YAML, but nobody could take it for anything else
    "9C9N": {"flow": ["a", "b", "c"]},
    "9JBA": ["a", "b", "c"],
    "CVW2": ["a", "b", "c"],
    "DK95/01": {"foo": "bar baz"},
    "G5U8": [["-", "-"]],
    "MUS6/00": {},
    "QB6E": {"quoted": "a b c"},
    "S98Z": {"empty block scalar": ""},
    "SU5Z": {"key": "value"},
    "X4QW": {"block": "scalar\n"},
    "Y79Y/03": [["foo", "foo"]],
    "YJV2": ["-"],
}

#: Case → what is said of it.
REFUSED = {
    "2XXW": "the tag 'tag:yaml.org,2002:set' is not supported",
    "C4HZ": "is not supported",
    "J7PZ": "is not supported",
    "JHB9": "8:1: a second YAML document; one server per file",
    "M5DY": "a key that is not text",
    "U9NS": "5:1: the end marker '...'; remove the line",
    "UGM3": "is not supported",
}

#: Of the specification's chapter 2, what the suite leaves out, as its meaning depends on a schema.
SCALARS: dict[str, dict[str, Any]] = {
    # others than decimal are text here, so that nothing is another number than it looks
    "canonical: 12345\ndecimal: +12345\noctal: 0o14\nhexadecimal: 0xC\n":
        {"canonical": 12345, "decimal": 12345, "octal": "0o14", "hexadecimal": "0xC"},
    "canonical: 1.23015e+3\nfixed: 1230.15\nnegative infinity: -.inf\n":
        {"canonical": 1230.15, "fixed": 1230.15, "negative infinity": "-.inf"},
    "null:\nbooleans: [ true, false ]\nstring: '012345'\n":
        {"null": None, "booleans": [True, False], "string": "012345"},
    "canonical: 2001-12-15T02:59:43.1Z\ndate: 2002-12-14\n":
        {"canonical": "2001-12-15T02:59:43.1Z", "date": "2002-12-14"},
}  # fmt: skip


def is_as_said(case: dict[str, Any]) -> bool:
    """Say whether a case is read as the suite says, or refused with a place."""
    read = load("a.yaml", case["yaml"])
    if read.problems:
        return all(each.line and each.column for each in read.problems)
    if case["id"] in OTHERWISE:
        return bool(read.data == OTHERWISE[case["id"]])
    if "means" not in case:
        return "fail" not in case
    # an empty file is no different from one with empty lines: no key is set
    return [read.data] == case["means"] or (read.data == {} and case["means"] in ([], [None]))


def test_every_case_means_what_the_suite_says_or_is_refused_with_a_place() -> None:
    assert len(CASES) == 402
    assert [case["id"] for case in CASES if not is_as_said(case)] == []
    taken = {case["id"] for case in CASES if not load("a.yaml", case["yaml"]).problems}
    assert len(taken) == 220
    assert OTHERWISE.keys() < taken


@pytest.mark.parametrize("name", REFUSED)
def test_a_case_that_is_no_part_of_this_yaml_is_refused(name: str) -> None:
    text = next(case["yaml"] for case in CASES if case["id"] == name)
    assert REFUSED[name] in "\n".join(map(str, load("a.yaml", text).problems))


@pytest.mark.parametrize("text", SCALARS)
def test_a_scalar_is_what_it_looks_like(text: str) -> None:
    assert load("a.yaml", text).data == SCALARS[text]


def below(key: str, text: str) -> str:
    """Write a document as the value of a key."""
    lines = text.removeprefix("---\n").split("\n")
    indent = " " * (key.rfind("\n") + 4)
    return f"{key}:\n" + "\n".join(f"{indent}{line}" if line else "" for line in lines)


def test_a_case_below_a_key_means_the_same_or_is_refused() -> None:
    told = 0
    for case in CASES:
        alone = load("a.yaml", case["yaml"])
        is_marked = re.search(r"^(---|\.\.\.|%)", case["yaml"].removeprefix("---\n"), re.MULTILINE)
        within = load("a.yaml", below("key", case["yaml"]))
        if not (alone.problems or within.problems or is_marked):
            assert within.data["key"] == alone.data or alone.data == {}, case
            told += 1
    assert told > 150


def files() -> Iterator[tuple[str, str]]:
    """Give every case as a file, and as the value of keys that a server has."""
    for case in CASES:
        yield case["id"], case["yaml"]
        for key in ("ports", "command", "env:\n  KEY", "volumes:\n  world"):
            yield f"{case['id']} below {key}", below(key, case["yaml"])


def test_no_file_takes_more_than_a_second_or_64_megabytes_nor_is_too_strange_to_be_told() -> None:
    tracemalloc.start()
    try:
        for name, text in files():
            tracemalloc.reset_peak()
            begun = time.thread_time()
            said = everything(text)
            said += map(str, read_settings(text.encode(), "f")[1])
            assert time.thread_time() - begun < MOST_S, name
            assert tracemalloc.get_traced_memory()[1] < MOST_BYTES, name
            assert all(each.isprintable() for each in said), name
    finally:
        tracemalloc.stop()


def test_the_bytes_of_every_file_are_left_alone_where_its_state_is_written() -> None:
    state = running(1)
    for name, text in files():
        for raw in (text.encode(), f"image: a\n{text}".encode()):
            before = document.parse(PATH, raw)
            written = state_block.render(before.head, state)
            after = document.parse(PATH, written)
            assert written.startswith(raw), name
            assert after.state == state, name
            assert (after.definition, after.problems) == (before.definition, before.problems), name
            assert state_block.render(after.head, state) == written, name
