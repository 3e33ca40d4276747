"""Encodes messages: JSON, compressed where it is long, the protocol's version in headers.

An error of the other side is an answer, too: `Zed-Error` names its class in `errors`, and the body
is its text. Unreadable messages are refused with a reason, never guessed at. Pure.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from zedops import errors
from zedops.errors import VersionMismatch, ZedopsError
from zedops.protocol.revisions import REVISION, written
from zedops.protocol.sync import VERSION

T = TypeVar("T")

VERSION_HEADER, REVISION_HEADER, ERROR_HEADER = "Zed-Version", "Zed-Revision", "Zed-Error"
HEADERS = {VERSION_HEADER: str(VERSION), REVISION_HEADER: str(REVISION)}
#: The name of the manager in messages for people.
MANAGER = "the manager"
#: A server takes 1 MB unless told otherwise; documents of large hosts are mostly repetition.
_COMPRESS_FROM = 16 * 1024
#: No message is longer than this, also after decompression.
MAX_BYTES = 64 * 1024 * 1024
#: Limits of hosts' messages. JSON of empty lists needs 25 times its size in memory.
SHORT_BYTES, REPORT_BYTES, REPLY_BYTES = 16 * 1024, 4 << 20, 8 << 20


def pack(
    message: BaseModel | Mapping[str, object], revision: int = REVISION, *, compress: bool = True
) -> bytes:
    """Write a message for a peer of a revision; without `compress` for content that is packed."""
    if isinstance(message, BaseModel):
        raw = written(message, revision).encode()
    else:
        raw = json.dumps(message).encode()
    return zlib.compress(raw, 3) if compress and len(raw) >= _COMPRESS_FROM else raw


def revision_of(headers: Mapping[str, str] | None) -> int:
    """Read the sender's revision; 0 for a release that does not name one."""
    said = (headers or {}).get(REVISION_HEADER, "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0


def unpack(
    raw: bytes, headers: Mapping[str, str] | None, read: Callable[[Any], T], who: str,
    limit: int = MAX_BYTES,
) -> T:
    """Read a message of `who`, of at most `limit` bytes; `read` takes JSON's values.

    Raises VersionMismatch, the other side's error, or ZedopsError.
    """
    headers = headers or {}
    spoken = headers.get(VERSION_HEADER, "none")
    if spoken != str(VERSION):
        number = spoken[:9]  # isdigit() takes "²", which is no number, and any length
        older = number.isascii() and number.isdigit() and int(number) < VERSION
        me = "the host" if who == MANAGER else MANAGER  # both sides read this text
        fact = f"{who} speaks version {spoken[:20]} of the protocol, {me} speaks {VERSION}"
        raise VersionMismatch(f"{fact}; upgrade zedops of {who if older else me}")
    plain = _inflated(raw, who, limit)
    if (kind := headers.get(ERROR_HEADER)) is not None:
        raise _error(kind, plain.decode("utf-8", "replace"))
    try:
        return read(json.loads(plain))
    except (ValidationError, ValueError, RecursionError) as error:
        first = str(error).splitlines()
        words = " ".join(first[:2])[:200]
        raise ZedopsError(f"{who} sent an unreadable message: {words}") from error


def refusal(error: Exception) -> tuple[bytes, dict[str, str]]:
    """Write an error as an answer: body and headers."""
    known = isinstance(error, ZedopsError)
    kind = type(error).__name__ if known else "ZedopsError"
    text = str(error) if known else f"it failed there: {error!r}; its log says more"
    return text.encode()[:16_000], {**HEADERS, ERROR_HEADER: kind}


def _error(kind: str, text: str) -> ZedopsError:
    found = getattr(errors, kind, None)
    if isinstance(found, type) and issubclass(found, ZedopsError) and found.__init__ is \
            ZedopsError.__init__:
        return found(text)
    return ZedopsError(text)


def _inflated(raw: bytes, who: str, limit: int) -> bytes:
    if raw[:1] != b"\x78":  # JSON begins with a bracket, zlib's format (RFC 1950) with this
        if len(raw) > limit:
            raise ZedopsError(f"{who} said more than {limit} bytes")
        return raw
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(raw, limit)
    except zlib.error as error:
        raise ZedopsError(f"{who} sent an unreadable message: {error}") from error
    if inflater.unconsumed_tail or not inflater.eof:
        raise ZedopsError(f"{who} said more than {limit} bytes, or broke off")
    return plain
