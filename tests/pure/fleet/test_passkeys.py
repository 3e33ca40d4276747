"""Passkeys are lines of `allowed_signers`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from zedops.fleet import passkeys
from zedops.fleet.access import rights
from zedops.fleet.passkeys import Passkey
from zedops.spec.settings import Person, Right

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
KEY = Passkey("ann@example.org", b"\x04" + bytes(range(64)), "fleet.example")
BODY = KEY.line.partition("sk-")[2]
SSH = "ben@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEChUcOBoTFkGhkvmrYvlOS1IAPJnk"


def test_a_passkey_is_read_as_it_was_written() -> None:
    named = replace(KEY, name="Ann O'Brien")
    text = f"# people\n{SSH}\n{KEY.line}\n\n{named.line}\n{KEY.line} # Ann O'Brien"
    assert passkeys.read(text.encode(), NOW) == [KEY, named, named]


@pytest.mark.parametrize("options", [
    "", "namespaces=\"git\"", "namespaces=\"file,git\"", "valid-after=\"20200101\"",
    "valid-before=\"20270101Z\",namespaces=\"git\"",
])  # fmt: skip
def test_options_that_hold_let_a_person_in(options: str) -> None:
    assert passkeys.read(f"ann@example.org {options} sk-{BODY}".encode(), NOW) == [KEY]


@pytest.mark.parametrize("line", [
    f"ann@example.org valid-before=\"20260101\" sk-{BODY}",
    f"ann@example.org valid-after=\"20270101Z\" sk-{BODY}",
    f"ann@example.org namespaces=\"file\" sk-{BODY}",
    f"ann@example.org cert-authority sk-{BODY}",
    f"*@example.org sk-{BODY}",
    f"ann@example.org,ben@example.org sk-{BODY}",
    f"# {KEY.line}",
    f"sk-{BODY}",
    f"ann@example.org sk-{BODY[:-8]}",
    f"ann@example.org sk-{BODY}".replace("AAAA", "A*AA"),
    f"ann@example.org \"sk-{BODY}",
    "ann@example.org sk-ecdsa-sha2-nistp256@openssh.com",
    "ann@example.org sk-ecdsa-sha2-nistp256@openssh.com /////w==",
])  # fmt: skip
def test_a_line_that_does_not_hold_lets_no_person_in(line: str) -> None:
    assert passkeys.read(line.encode(), NOW) == []


def test_rights_are_those_of_the_name_else_of_all_others() -> None:
    people = {"ann@example.org": Person(may=(Right.SETTINGS,)), "*": Person()}
    assert rights(people, ["ann@example.org"]) == {Right.SETTINGS}
    assert rights(people, ["eve@example.org"]) == {Right.CHANGE}
    del people["*"]
    assert rights(people, ["eve@example.org"]) == frozenset()
    assert rights({}, ["eve@example.org"]) == frozenset(Right)
