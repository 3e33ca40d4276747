"""Reads git's loose objects, one file for each blob, without git: most pushes contain only those.

The objects of a push are in its quarantine, which a running git process does not see; a new process
takes 3 to 8 ms. Formats: gitrepository-layout(5), "objects"; a header `blob SIZE` and a zero byte,
then the content, through zlib.
"""

from __future__ import annotations

import zlib
from pathlib import Path

_HEADER = 64


def blob(objects: Path, name: str, most: int) -> bytes | None:
    """Read a blob; None if it is no loose object.

    Returns `most + 1` zeros for a blob of more than `most` bytes: a file of a few KB may hold GBs.
    """
    inflate = zlib.decompressobj()
    try:
        with (objects / name[:2] / name[2:]).open("rb") as file:
            raw = bytearray()
            while len(raw) <= most + _HEADER and (piece := file.read(1 << 16)):
                raw += inflate.decompress(piece, most + _HEADER + 1 - len(raw))
    except (OSError, zlib.error):
        return None
    header, _, content = bytes(raw).partition(b"\0")
    kind, _, size = header.partition(b" ")
    if kind != b"blob" or not size.isdigit():
        return None
    if int(size) > most:
        return bytes(most + 1)
    return content if len(content) == int(size) else None
