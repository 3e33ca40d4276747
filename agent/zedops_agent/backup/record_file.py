"""Keeps a server's record on disk, in its home: it goes where the world goes.

The agent has a copy among its own files.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import ValidationError

from zedops.errors import PersistFailed
from zedops.spec.fields import SERVER_ID
from zedops.system import failpoints, files
from zedops_agent.backup.record import Record

log = logging.getLogger(__name__)

#: `beside.is_note`: zedops' own file, no volume.
NAME = ".zedops.backup.json"


def load(home: Path, copy: Path) -> Record:
    """Read a server's record; without one in its home, the agent's copy; else an empty one.

    The copy knows which restores were answered, also after the loss of the home. A damaged file is
    set aside. Raises PersistFailed for one that cannot be read: it may say that a restore is under
    way.
    """
    if (found := _read(home / NAME)) is not None:
        return found
    known = _read(copy) or Record()
    return known.model_copy(update={"begun": None, "restoring": None, "asides": (), "giving": None,
                                    "taking": None})


def sizes(root: Path, fleet: str, server_id: str) -> dict[str, tuple[int, int]]:
    """Read bytes and files by snapshot, as far as the agent noted them; only looks."""
    if not SERVER_ID.fullmatch(server_id):  # a repository can name any
        return {}
    try:
        text = files.read_regular(copy_path(root, fleet, server_id))
        return Record.model_validate_json(text).sizes
    except (OSError, ValueError):
        return {}


def copy_path(root: Path, fleet: str, server_id: str) -> Path:
    """Say where the agent's copy of a record is."""
    return root / "agent" / fleet / "backups" / f"{server_id}.json"


def _read(path: Path) -> Record | None:
    try:
        return Record.model_validate_json(files.read_regular(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValidationError, ValueError):
        aside = files.set_aside(path).name
        log.error("%s is damaged; set aside as %s, going on without it", path, aside)
        return None
    except OSError as error:
        remedy = "see to its disk and mode; zedops begins nothing for this server"
        raise PersistFailed(f"cannot read {path}: {error.strerror}; {remedy}") from error


def save(home: Path, copy: Path, record: Record) -> None:
    """Write a server's record, and the agent's copy of it. Raises PersistFailed."""
    said = record.model_dump_json(exclude_defaults=True).encode()
    path = home / NAME
    try:
        files.write(path, said)
        path = copy
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        files.write(copy, said)
        failpoints.point("backup.noted")
    except OSError as error:
        remedy = "see to its disk; zedops tries again"
        raise PersistFailed(f"cannot write {path}: {error.strerror}; {remedy}") from error
