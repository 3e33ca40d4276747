"""Checks this host's means for backups, for `zedops doctor`. Only looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zedops.protocol.findings import Finding
from zedops.spec.model import Definition
from zedops_agent.backup.repositories import Repositories
from zedops_agent.backup.restic_process import ResticFailed, program, version


def check(repositories: Repositories, definitions: Iterable[Definition]) -> Iterator[Finding]:
    """Check restic, and the password of the host's own repository."""
    scheduled = any(each.backup is not None and each.backup.scheduled for each in definitions)
    try:
        yield Finding.good("backups", f"restic {'.'.join(map(str, version()))}, {program()}")
    except ResticFailed as error:
        fact, _, remedy = str(error).partition("; ")
        kind = Finding.wrong if scheduled else Finding.warning
        yield kind("backups", fact, remedy)
    made = (repositories.own_path / "config").exists()
    if made and not repositories.password_path.exists():
        fact = f"{repositories.password_path} is gone: no snapshot can be read"
        yield Finding.wrong("backups", fact, "put the password back that you saved")
    elif made:
        fact = f"{repositories.own_path}; save its password elsewhere, too:"
        yield Finding.good("backups", f"{fact} {repositories.password_path}")
