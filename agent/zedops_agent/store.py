"""What an agent keeps on disk: its desired document, its memory of each server.

With the manager and the network gone, this is all that an agent works from.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from zedops import disk, faults
from zedops.errors import NotKept, ZedopsError
from zedops.wire import DesiredDocument, ServerReport
from zedops_agent.memory import Memory


class Store:
    """The files of one fleet's agent under `<root>/agent/<fleet>`."""

    def __init__(self, root: Path, fleet: str) -> None:
        self._home = root / "agent" / fleet
        self._memories = self._home / "memory"
        #: Whose the containers are that carry no label of zedops: container id → server id.
        self.adopted: dict[str, str] = {}
        try:
            self._memories.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = (self._home / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            held = f"another agent for fleet {fleet!r} works in {self._home}; stop it first"
            raise ZedopsError(held) from error
        except OSError as error:
            remedy = "choose another place with --data-root"
            raise ZedopsError(f"cannot use {self._home}: {error.strerror}; {remedy}") from error

    def close(self) -> None:
        """Let another agent work here."""
        self._lock.close()

    def load_desired(self) -> DesiredDocument | None:
        """Read the last document; None before the first one."""
        path = self._home / "desired.json"
        try:
            return DesiredDocument.model_validate_json(disk.read(path))
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise ZedopsError(f"{path} is damaged; move it away and start again") from error

    def save_desired(self, document: DesiredDocument) -> None:
        """Keep the newest document."""
        with _keeping(self._home):
            disk.write(self._home / "desired.json", document.model_dump_json().encode())
            faults.point("store.desired")

    def load_unsent(self) -> list[ServerReport]:
        """Read what could not be reported before this agent was started."""
        try:
            lines = (self._home / "unsent.jsonl").read_text().splitlines()
            return [ServerReport.model_validate_json(each) for each in lines]
        except (FileNotFoundError, ValidationError):
            return []

    def save_unsent(self, reports: list[ServerReport]) -> None:
        """Keep what could not be reported; nothing, once it was."""
        path = self._home / "unsent.jsonl"
        with _keeping(self._home):
            if reports:
                lines = "".join(f"{each.model_dump_json()}\n" for each in reports)
                disk.write(path, lines.encode())
                faults.point("store.unsent")
            else:
                path.unlink(missing_ok=True)

    def load_memory(self, server_id: str) -> Memory:
        """Read what is known of a server; a fresh memory where nothing is."""
        try:
            found = Memory.model_validate_json(disk.read(self._memories / f"{server_id}.json"))
        except (FileNotFoundError, ValidationError):
            return Memory()
        if found.adopted is not None:
            self.adopted[found.adopted] = server_id
        return found

    def save_memory(self, server_id: str, memory: Memory) -> None:
        """Keep what is known of a server."""
        with _keeping(self._home):
            path = self._memories / f"{server_id}.json"
            disk.write(path, memory.model_dump_json().encode())
            if memory.adopted is not None:
                self.adopted[memory.adopted] = server_id
            faults.point("store.memory")


@contextlib.contextmanager
def _keeping(home: Path) -> Iterator[None]:
    """Say where nothing can be written, and that it matters."""
    try:
        yield
    except OSError as error:
        remedy = "see to that; servers go on, nothing new is begun, zedops tries again"
        raise NotKept(f"cannot write in {home}: {error.strerror}; {remedy}") from error
