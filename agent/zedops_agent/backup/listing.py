"""Answers questions about snapshots. Only looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from zedops.errors import EngineFailed
from zedops.protocol.backups import BackupsReply, BackupsRequest, SnapshotFacts
from zedops.spec.backup import OWN
from zedops_agent.backup.repositories import Repositories
from zedops_agent.backup.restic import Restic
from zedops_agent.backup.restic_process import Absent, ResticFailed

#: Bytes and files by snapshot, of a server.
Sizes = Callable[[str], Mapping[str, tuple[int, int]]]


def answer(
    repositories: Repositories, request: BackupsRequest, sizes: Sizes
) -> BackupsReply:
    """List the snapshots of a repository. EngineFailed where it cannot be read."""
    is_own = request.name == OWN
    password = str(repositories.password_path) if is_own else None
    try:
        opened = repositories.open(request.name, request.repository, makes=False)
        found = tuple(_facts(opened, request.server_id, cache(sizes)))
        return BackupsReply(address=opened.address, password_path=password, snapshots=found)
    except Absent as error:
        if is_own and not repositories.was_made(OWN):
            return BackupsReply(address=str(repositories.own_path))
        raise EngineFailed(str(error)) from error
    except ResticFailed as error:
        raise EngineFailed(str(error)) from error


def _facts(opened: Restic, server_id: str | None, sizes: Sizes) -> Iterator[SnapshotFacts]:
    wanted = ("zedops", f"server={server_id}") if server_id else ("zedops",)
    for each in opened.snapshots(*wanted):
        server = each.tag("server") or ""
        noted: tuple[int | None, int | None] = sizes(server).get(each.short, (None, None))
        yield SnapshotFacts(
            id=each.short, at=each.at, server_id=server,
            server_name=each.tag("name") or "", reason=each.tag("reason") or "",
            size_bytes=noted[0] if each.size_bytes is None else each.size_bytes,
            files=noted[1] if each.files is None else each.files,
        )
