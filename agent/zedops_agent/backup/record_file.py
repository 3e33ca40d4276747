"""Keeps a server's record on disk, in its home: it goes where the world goes, and ends with it."""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import ValidationError

from zedops import failpoints
from zedops.errors import PersistFailed
from zedops.system import files
from zedops_agent.backup.record import Record

log = logging.getLogger(__name__)

#: `beside.is_note`: zedops' own file, no volume.
NAME = ".zedops.backup.json"


def load(home: Path) -> Record:
    """Read a server's record; an empty one if there is none.

    A damaged one is set aside. Raises PersistFailed for one that cannot be read: it may say that a
    restore is under way.
    """
    path = home / NAME
    try:
        return Record.model_validate_json(files.read_regular(path))
    except (FileNotFoundError, NotADirectoryError):
        return Record()
    except (ValidationError, ValueError):
        aside = files.set_aside(path).name
        log.error("%s is damaged; set aside as %s, going on without it", path, aside)
        return Record()
    except OSError as error:
        remedy = "see to its disk and mode; zedops begins nothing for this server"
        raise PersistFailed(f"cannot read {path}: {error.strerror}; {remedy}") from error


def save(home: Path, record: Record) -> None:
    """Write a server's record. Raises PersistFailed."""
    path = home / NAME
    try:
        files.write(path, record.model_dump_json(exclude_defaults=True).encode())
        failpoints.point("backup.noted")
    except OSError as error:
        remedy = "see to its disk; zedops tries again"
        raise PersistFailed(f"cannot write {path}: {error.strerror}; {remedy}") from error
