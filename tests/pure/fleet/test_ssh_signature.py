"""A passkey's signature in a commit; that stock git takes it is tested with a real browser."""

from __future__ import annotations

import base64

import pytest

from zedops.fleet.passkeys import Passkey
from zedops.fleet.ssh_signature import Assertion, signed, to_sign

KEY = Passkey("ann@example.org", b"\x04" + bytes(64), "fleet.example")
RAW = b"tree 1\nauthor Ann <ann@example.org> 1 +0000\n\na message\n\nwith more\n"
DER = bytes.fromhex("3006020101020102")


def made(data: bytes = bytes(37), der: bytes = DER) -> Assertion:
    return Assertion(data, b"{}", der, "https://fleet.example")


def test_the_signature_stands_in_the_head_and_the_rest_stays_as_it_was() -> None:
    whole = signed(RAW, KEY, made())
    head, _, message = whole.partition(b"\n\n")
    assert message == RAW.partition(b"\n\n")[2]
    before, _, armour = head.partition(b"\ngpgsig ")
    assert before == RAW.partition(b"\n\n")[0]
    lines = armour.split(b"\n ")
    assert lines[0] == b"-----BEGIN SSH SIGNATURE-----"
    inner = base64.b64decode(b"".join(lines[1:-1]))
    assert inner.startswith(b"SSHSIG\0\0\0\1")
    assert KEY.blob in inner
    assert b"https://fleet.example" in inner


def test_another_commit_is_another_thing_to_sign() -> None:
    assert to_sign(RAW) != to_sign(RAW + b" ")
    assert to_sign(RAW).startswith(b"SSHSIG\0\0\0\3git\0\0\0\0\0\0\0\6sha512")


@pytest.mark.parametrize("der", [
    b"", b"0", bytes(8), DER[:-1], DER + b"\0", bytes.fromhex("3006020901020102"),
    bytes.fromhex("3006030101020102"), bytes.fromhex("3006020101030102"),
])  # fmt: skip
def test_a_malformed_signature_is_refused(der: bytes) -> None:
    with pytest.raises(ValueError, match="no ECDSA signature"):
        signed(RAW, KEY, made(der=der))


def test_too_little_of_an_authenticator_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        signed(RAW, KEY, made(data=bytes(36)))
