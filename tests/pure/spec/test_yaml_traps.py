"""YAML 1.1 reads `on` as true, 22:22 as 1342 and 0755 as 493. Here text stays what was written."""

from __future__ import annotations

import pytest

from zedops.spec.document import parse
from zedops.spec.model import Definition

_SURPRISES = [
    "on", "off", "yes", "No", "y", "TRUE", "true", "null_", "22:22", "0755", "0o17", "0x1F",
    "1_000", "1.0", "1.10", "1e3", ".5", "+1", "007", "2026-11-23", "2026-11-23T10:00:00Z",
    "=", "<<",
    ".inf", ".nan", "12345678901234567890123", "-0", "1.",
]  # fmt: skip


def _definition(text: str) -> Definition:
    document = parse("servers.d/rosewood.yaml", text.encode())
    assert document.problems == ()
    assert document.definition is not None
    return document.definition


@pytest.mark.parametrize("written", _SURPRISES)
def test_the_value_of_a_variable_is_what_was_written(written: str) -> None:
    assert _definition(f"image: a\nenv:\n  A: {written}\n").env == {"A": written}


@pytest.mark.parametrize("written", _SURPRISES)
def test_the_value_of_a_label_is_what_was_written(written: str) -> None:
    assert _definition(f"image: a\nlabels: {{a: {written}}}\n").labels == {"a": written}


@pytest.mark.parametrize("written", _SURPRISES)
def test_a_word_of_the_command_is_what_was_written(written: str) -> None:
    assert _definition(f"image: a\ncommand: [run, {written}]\n").command == ("run", written)


@pytest.mark.parametrize("key", ["on", "y", "null", "1", "0755", "true"])
def test_a_key_is_what_was_written(key: str) -> None:
    assert _definition(f"image: a\nports: {{{key}: 80}}\n").ports.keys() == {key}


def test_a_port_pair_is_no_number_to_the_base_of_60() -> None:
    port = _definition("image: a\nports: {ssh: 22:22}\n").ports["ssh"]
    assert (port.host, port.container) == (22, 22)


def test_a_leading_zero_makes_no_octal_number() -> None:
    document = parse("servers.d/a.yaml", b"image: a\nlimits: {pids: 0755}\n")
    assert [str(each) for each in document.problems] == [
        'servers.d/a.yaml:2:10: limits.pids: "0755": must be a whole number'
    ]


def test_on_is_no_truth_value() -> None:
    document = parse("servers.d/a.yaml", b"image: a\ndesired: on\n")
    assert "'on' is not one of running, stopped" in str(document.problems[0])


def test_a_restart_token_may_be_a_time_without_quotes() -> None:
    definition = _definition("image: a\nrestart: 2026-11-23T10:00:00Z\n")
    assert definition.restart == "2026-11-23T10:00:00Z"


def test_block_and_folded_text_keep_their_lines() -> None:
    text = "image: a\nenv:\n  A: |\n    one\n    two\n  B: >-\n    one\n    two\n"
    assert _definition(text).env == {"A": "one\ntwo\n", "B": "one two"}


def test_anchors_and_merges_work_within_a_file() -> None:
    text = "image: a\nenv: &e {A: 1, B: 2}\nlabels: {<<: *e, B: 3}\n"
    assert _definition(text).labels == {"A": "1", "B": "3"}
