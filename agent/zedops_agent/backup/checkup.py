"""Checks this host's means for backups, for `zedops doctor`. Only looks, and asks no repository."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from zedops.errors import ZedopsError
from zedops.protocol.findings import Finding
from zedops.protocol.sync import DesiredServer
from zedops.spec.backup import OWN, Repository
from zedops_agent.backup import due
from zedops_agent.backup.repositories import Repositories
from zedops_agent.backup.restic_process import ResticFailed, program, version


def check(repositories: Repositories, servers: Iterable[DesiredServer]) -> Iterator[Finding]:
    """Check restic, and the repositories of the servers that must run here."""
    backed_up = [each for each in servers if not each.goal.ends]
    scheduled = any(due.settings(each).scheduled for each in backed_up)
    try:
        yield Finding.good("backups", f"restic {'.'.join(map(str, version()))}, {program()}")
    except ResticFailed as error:
        fact, _, remedy = str(error).partition("; ")
        kind = Finding.wrong if scheduled else Finding.warning
        yield kind("backups", fact, remedy)
    used: dict[str, Repository | None] = {OWN: None}
    used |= {due.settings(each).repository: each.repository for each in backed_up}
    for name, repository in used.items():
        if name != OWN or repositories.was_made(OWN) or repositories.own_path.exists():
            yield _repository(repositories, name, repository)


def _repository(
    repositories: Repositories, name: str, repository: Repository | None
) -> Finding:
    place = repositories.own_path if name == OWN else Path(repository.address if repository else "")
    try:
        repositories.require_password(name, repository)
    except (ZedopsError, OSError) as error:
        text = f"cannot read {error.filename}: {error.strerror}; see to its disk and mode" \
            if isinstance(error, OSError) else str(error)
        fact, _, remedy = text.partition("; ")
        return Finding.wrong("backups", fact, remedy or "see docs/backups.md")
    if place.is_absolute() and repositories.was_made(name):
        try:
            (place / "config").stat()
        except OSError as error:
            fact = f"repository {place} was there before, and cannot be seen: {error.strerror}"
            remedy = "is its disk mounted? zedops makes no new one in its place"
            return Finding.wrong("backups", fact, remedy)
    if name != OWN:
        return Finding.good("backups", f"repository {name!r}: its password is on this host")
    fact = f"{place}; save its password elsewhere, too:"
    return Finding.good("backups", f"{fact} {repositories.password_path}")
