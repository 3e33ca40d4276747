"""A fleet as it was read, kept on disk: the next start reads only what differs from it.

10,000 definitions are 5 s of YAML and checks, and half a second out of here. It is a copy of what
git has at one commit and nothing else: whatever does not fit (another zedops, another Python, half
a file, a commit that is gone) counts as not there, and all is read anew. It lies in the hub's
runtime directory, which is its owner's alone: whoever may write there could change the hooks, too.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pydantic

from zedops import __version__
from zedops.document import Document
from zedops.fleet import Fleet

log = logging.getLogger(__name__)

NAME = "fleet.read"
#: A pickle holds on to all that is in it until it ends: so many documents at a time are in one.
_CHUNK = 200


def _stamp() -> tuple[object, ...]:
    """Say what reads definitions here: these files of zedops, with this Python and pydantic."""
    code = sorted(
        (each.name, each.stat().st_size, each.stat().st_mtime_ns)
        for pattern in ("*.py", "presets/*.yaml") for each in Path(__file__).parent.glob(pattern)
    )
    return __version__, sys.version, pydantic.VERSION, tuple(code)


def save(folder: Path, fleet: Fleet) -> None:
    """Keep a fleet as it was read from its commit; a disk that is full only costs time later."""
    partial = folder / f"{NAME}.new"
    empty = Fleet(fleet.commit, fleet.settings, {}, fleet.problems, fleet.presets)
    try:
        partial.unlink(missing_ok=True)
        with open(partial, "xb", opener=_private) as file:
            pickle.dump((_stamp(), empty, len(fleet.documents)), file, pickle.HIGHEST_PROTOCOL)
            for chunk in _chunks(fleet):
                pickle.dump(chunk, file, pickle.HIGHEST_PROTOCOL)
        partial.replace(folder / NAME)
    except OSError as error:
        log.info("the fleet could not be kept for the next start: %s", error)
        partial.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def load(folder: Path) -> Fleet | None:
    """Read a fleet that was kept; None where there is none that this zedops would have read so."""
    documents: dict[str, Document] = {}
    try:
        with (folder / NAME).open("rb") as file:
            stamp, empty, count = pickle.load(file)  # noqa: S301 - our own, see above
            if stamp != _stamp():
                return None
            while len(documents) < count:
                documents |= pickle.load(file)  # noqa: S301
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 - pickle raises whatever it likes
        log.info("what was kept of the fleet cannot be read (%s); reading all of it", error)
        return None
    fleet: Fleet = empty
    return fleet.with_documents(documents)


def _chunks(fleet: Fleet) -> Iterator[dict[str, Document]]:
    items = list(fleet.documents.items())
    return (dict(items[at : at + _CHUNK]) for at in range(0, len(items), _CHUNK))
