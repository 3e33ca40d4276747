"""Passkeys: keys that a browser holds for one host name, as lines of `allowed_signers`. Pure.

A passkey of curve P-256 is an ssh key of type `sk-ecdsa-sha2-nistp256@openssh.com`: its public
point, and the host name in place of the application (OpenSSH, PROTOCOL.u2f). So one line lets a
person log in and sign commits, and its removal ends both.
"""

from __future__ import annotations

import base64
import re
import shlex
from dataclasses import dataclass
from datetime import datetime

KIND = "sk-ecdsa-sha2-nistp256@openssh.com"
_CURVE = "nistp256"
#: An uncompressed point (SEC 1, 2.3.3).
_POINT = 65
#: The validity of a line: YYYYMMDD, then optionally HHMM or HHMMSS, and Z.
_VALID = re.compile(r'valid-(after|before)="?([0-9]{8})([0-9]{4}|[0-9]{6})?(Z?)\b', re.IGNORECASE)


@dataclass(frozen=True)
class Passkey:
    """A person's passkey."""

    email: str
    point: bytes
    place: str  #: the host name that it belongs to
    name: str = ""  #: the person's, as the line's comment has it

    @property
    def blob(self) -> bytes:
        """Write the key as ssh keeps it."""
        parts = (KIND.encode(), _CURVE.encode(), self.point, self.place.encode())
        return b"".join(packed(each) for each in parts)

    @property
    def line(self) -> str:
        """Write the line of `allowed_signers`."""
        key = base64.b64encode(self.blob).decode()
        return f'{self.email} namespaces="git" {KIND} {key} {self.name}'.rstrip()


def packed(content: bytes) -> bytes:
    """Write a string of ssh: its length, and its bytes (RFC 4251, 5)."""
    return len(content).to_bytes(4, "big") + content


def read(text: bytes, now: datetime) -> list[Passkey]:
    """Read the passkeys that are valid now; lines with patterns or other keys name none."""
    lines = text.decode("utf-8", "replace").split("\n")
    found = (_read_line(line.strip(), now) for line in lines if KIND in line)
    return [each for each in found if each is not None]


def _read_line(line: str, now: datetime) -> Passkey | None:
    head, _, rest = line.partition(f" {KIND} ")
    try:
        words = shlex.split(head, comments=True)
    except ValueError:
        return None
    if not words or not rest.strip():
        return None
    email, options = words[0], " ".join(words[1:])
    if re.search(r"[*?!,\s]", email) or "cert-authority" in options.lower():
        return None
    if "namespaces=" in options and not re.search(r"namespaces=(?:[^ ]*,)?git(?:,|$| )", options):
        return None
    if not all(_holds(each, now) for each in _VALID.finditer(options)):
        return None
    key, *name = rest.split(None, 1)
    return _read_key(email, key, name[0].lstrip("# ") if name else "")


def _read_key(email: str, said: str, name: str) -> Passkey | None:
    try:
        left = base64.b64decode(said, validate=True)
    except ValueError:
        return None
    parts = []
    while left:
        size = int.from_bytes(left[:4], "big")
        parts.append(left[4 : 4 + size])
        if len(parts[-1]) != size:
            return None
        left = left[4 + size :]
    if len(parts) != 4 or parts[:2] != [KIND.encode(), _CURVE.encode()] or len(parts[2]) != _POINT:
        return None
    return Passkey(email, parts[2], parts[3].decode("utf-8", "replace"), name.strip())


def _holds(bound: re.Match[str], now: datetime) -> bool:
    which, day, clock, zone = bound.groups()
    here = now if zone else now.astimezone()
    at = here.strftime("%Y%m%d%H%M%S")
    limit = (day + (clock or "")).ljust(len(at), "0")
    return at >= limit if which.lower() == "after" else at < limit
