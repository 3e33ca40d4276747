"""The agent's files on disk: its desired document, and its memory of each server.

Without a manager and a network, the agent works from these files alone. It sets a damaged file
aside under a name that says so, and goes on: the manager has the document, and the running
containers show the rest. An unreadable file says nothing: the agent begins no work on its server
until it can read the file.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from zedops.errors import AgentAtWork, PersistFailed, ZedopsError
from zedops.protocol.remarks import UNSEEN
from zedops.protocol.sync import DesiredDocument, ServerReport
from zedops.system import failpoints, files
from zedops.system.locks import Lock, holder
from zedops_agent.memory import Memory

T = TypeVar("T")
log = logging.getLogger(__name__)


#: This file exists while the agent must keep its servers stopped.
_DRAIN = "drain"


def ask_to_drain(root: Path, fleet: str) -> None:
    """Ask a fleet's working agent to stop its servers until the agent's next start."""
    (root / "agent" / fleet / _DRAIN).touch()


def peek(root: Path, fleet: str) -> tuple[DesiredDocument, dict[str, str]]:
    """Read an agent's servers and its adopted containers, also while it works."""
    home = root / "agent" / fleet
    try:
        document = DesiredDocument.model_validate_json(files.read(home / "desired.json"))
        adopted: dict[str, str] = {}
        for key, each in document.servers.items():
            if each.definition.adopt:
                memory = Memory.model_validate_json(files.read(home / "memory" / f"{key}.json"))
                adopted |= {memory.adopted: key} if memory.adopted else {}
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else _first_line(error)
        fact = f"cannot read the document of fleet {fleet!r} on this host: {why}"
        raise ZedopsError(f"{fact}; stop its servers with `docker stop`") from error
    return document, adopted


class Store:
    """The files of one fleet's agent under `<root>/agent/<fleet>`."""

    def __init__(self, root: Path, fleet: str) -> None:
        self._fleet = fleet
        self._home = root / "agent" / fleet
        self._memories = self._home / "memory"
        #: The servers of containers without a label of zedops: container id → server id.
        self.adopted: dict[str, str] = {}
        try:
            for each in (self._home.parent, self._home):
                each.mkdir(parents=True, exist_ok=True)
                each.chmod(0o700)  # a user who may open the lock could hold it
            self._lock = Lock(self._home / "lock")
            _have_directory(self._memories)
        except BlockingIOError as error:
            who = holder(self._home / "lock")
            held = f"another agent for fleet {fleet!r}{who} works in {self._home}; stop it first"
            raise AgentAtWork(held) from error
        except OSError as error:
            remedy = "choose another place with --data-root"
            raise ZedopsError(f"cannot use {self._home}: {error.strerror}; {remedy}") from error

    def close(self) -> None:
        """Release the lock, so that another agent can work here."""
        self._lock.release()

    def holds(self) -> bool:
        """Say whether this agent still holds the lock of this place."""
        return self._lock.holds()

    @property
    def taken(self) -> str:
        """Describe in one line that another agent took over."""
        who = holder(self._home / "lock")
        return f"another agent for fleet {self._fleet!r}{who} took {self._home} over; this one ends"

    def is_asked_to_drain(self) -> bool:
        """Say whether the agent must keep this host's servers stopped until its next start."""
        try:
            return (self._home / _DRAIN).exists()
        except OSError:  # could not look: a person asks again
            return False

    def end_drain(self) -> None:
        """Let the servers start again."""
        (self._home / _DRAIN).unlink(missing_ok=True)

    def load_desired(self) -> DesiredDocument | None:
        """Read the last document; None before the first one, or if it is damaged."""
        path = self._home / "desired.json"
        try:
            found = _understood(path, DesiredDocument.model_validate_json)
        except OSError as error:
            log.error("%s cannot be read: %s; asking the manager", path, error.strerror)
            return None
        if found is not None and found.fleet != self._fleet:
            _set_aside(path, f"it is of fleet {found.fleet!r}")
            return None
        return found

    def save_desired(self, document: DesiredDocument) -> None:
        """Keep the newest document."""
        with _keeping(self._home):
            files.write(self._home / "desired.json", document.model_dump_json().encode())
            failpoints.point("store.desired")

    def load_unsent(self) -> list[ServerReport]:
        """Read the reports that an earlier agent here could not send."""
        path = self._home / "unsent.jsonl"
        reports, damage = [], ""
        try:
            lines = files.read(path).splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            lines, damage = [], error.strerror or str(error)
        for line in lines:
            try:
                reports.append(ServerReport.model_validate_json(line))
            except ValidationError as error:
                damage = _first_line(error)
        if damage:
            _set_aside(path, damage)
        return reports

    def save_unsent(self, reports: list[ServerReport]) -> None:
        """Keep the unsent reports; with none, remove the file."""
        path = self._home / "unsent.jsonl"
        with _keeping(self._home):
            if reports:
                lines = "".join(f"{each.model_dump_json()}\n" for each in reports)
                files.write(path, lines.encode())
                failpoints.point("store.unsent")
            else:
                path.unlink(missing_ok=True)

    def knows(self, server_id: str) -> bool:
        """Say whether this agent has ever worked on a server."""
        return (self._memories / f"{server_id}.json").exists()

    def load_memory(self, server_id: str) -> Memory:
        """Read the memory of a server; a fresh one if there is none, or if it is damaged.

        Raises NotKept for an unreadable file: it may say that a world was there.
        """
        path = self._memories / f"{server_id}.json"
        try:
            found = _understood(path, Memory.model_validate_json)
        except OSError as error:
            remedy = "see to its disk and mode; zedops begins nothing for this server, tries again"
            raise PersistFailed(f"{UNSEEN} {path}: {error.strerror}; {remedy}") from error
        if found is None:
            mine = (key for key, each in self.adopted.items() if each == server_id)
            return Memory(adopted=next(mine, None))  # its data root may be away
        if found.adopted is not None:
            self.adopted[found.adopted] = server_id
        return found

    def save_memory(self, server_id: str, memory: Memory) -> None:
        """Write the memory of a server."""
        with _keeping(self._home):
            path = self._memories / f"{server_id}.json"
            files.write(path, memory.model_dump_json().encode())
            if memory.adopted is not None:
                self.adopted[memory.adopted] = server_id
            failpoints.point("store.memory")


@contextlib.contextmanager
def _keeping(home: Path) -> Iterator[None]:
    """Raise NotKept with the place and the remedy for a failed write."""
    try:
        yield
    except OSError as error:
        remedy = "see to its disk; servers go on, zedops begins nothing new, and tries again"
        raise PersistFailed(f"cannot write in {home}: {error.strerror}; {remedy}") from error


def _understood(path: Path, read: Callable[[bytes], T]) -> T | None:
    """Read a file; None if it is missing, or damaged: then set it aside.

    Raises OSError for an unreadable file, which says nothing.
    """
    try:
        return read(files.read(path))
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        _set_aside(path, "it is no file")
    except ValidationError as error:
        _set_aside(path, _first_line(error))
    return None


def _set_aside(path: Path, why: str) -> None:
    try:
        where = files.set_aside(path)
    except OSError as error:
        log.error("%s is damaged (%s) and cannot be moved: %s", path, why, error.strerror)
    else:
        log.error("%s is damaged (%s); set aside as %s, going on without it", path, why, where.name)


def _first_line(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return str(first["msg"])[:200]


def _have_directory(path: Path) -> None:
    """Make a directory for this user only; set a file in its place aside."""
    try:
        path.mkdir(exist_ok=True, mode=0o700)
    except FileExistsError:
        _set_aside(path, "it is no directory")
        path.mkdir(mode=0o700)
