"""Reads the repositories of this machine for commands, without its agent."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from zedops.cli.secret_files import find_fleet, ids_of
from zedops.errors import UsageError, ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.spec.backup import OWN
from zedops.system.paths import default_data_root
from zedops_agent.backup.choose import pick
from zedops_agent.backup.repositories import Repositories
from zedops_agent.backup.restic import Restic
from zedops_agent.policy_file import PolicyFile

#: How an archive is packed, by the end of its name.
_PACKERS: dict[str, list[str]] = {
    ".tar": [], ".tar.gz": ["gzip", "-c"], ".tar.zst": ["zstd", "-q", "-c"]}


def check(
    repository: str, subset: str | None, fleet: str | None, data_root: Path | None, policy: Path
) -> str:
    """Check a repository; returns its address. ResticFailed names the damage."""
    root = (data_root or default_data_root()).absolute()
    name, known = find_fleet(fleet, root)
    opened = _open(root, name, known, repository, policy)
    opened.check(subset)
    return opened.address


def export(
    server: str, what: str, file: Path, fleet: str | None, data_root: Path | None, policy: Path
) -> tuple[int, str]:
    """Write a snapshot into an archive; returns its size and the snapshot's id."""
    packer = _packer(file.name)
    root = (data_root or default_data_root()).absolute()
    name, known = find_fleet(fleet, root)
    opened = _open(root, name, known, _repository(known, server), policy)
    server_id = ids_of(root, name, known).get(server, server)
    found = [each for each in opened.snapshots("zedops", f"fleet={name}")
             if each.tag("server") == server_id or each.tag("name") == server]
    chosen = pick(found, what, server)
    partial = file.with_name(f".{file.name}.partial")
    try:
        with _writer(file.name, packer, partial) as packed:
            opened.archive(chosen.id, packed)
        partial.replace(file)
    except OSError as error:
        raise ZedopsError(f"cannot write {file}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return file.stat().st_size, chosen.short


def _repository(known: Fleet | None, server: str) -> str:
    for each in (*known.servers(), *known.tombstones()) if known else ():
        definition = known.resolve(each)[0] if known else None
        if each.name == server and definition is not None and definition.backup is not None:
            return definition.backup.repository
    return OWN


def _open(root: Path, name: str, known: Fleet | None, repository: str, policy: Path) -> Restic:
    settings = known.settings.backups.get(repository) if known else None
    if repository != OWN and settings is None:
        fact = f"no repository {repository!r} in `backups:`"
        raise UsageError(f"{fact}; go into a clone of the fleet")
    return Repositories(root, name, PolicyFile(policy)).open(repository, settings, makes=False)


def _packer(name: str) -> list[str]:
    """Find the program that packs an archive of this name. UsageError for another ending."""
    packer = next((words for ending, words in _PACKERS.items() if name.endswith(ending)), None)
    if packer is None:
        raise UsageError(f"{name}: write a name that ends in {', '.join(_PACKERS)}")
    if packer and shutil.which(packer[0]) is None:
        remedy = f"install it (on Debian: apt-get install {packer[0]}), or write a .tar"
        raise ZedopsError(f"this machine has no {packer[0]}; {remedy}")
    return packer


@contextmanager
def _writer(name: str, packer: list[str], partial: Path) -> Iterator[IO[bytes]]:
    """Open an archive for a program's output."""
    with partial.open("wb") as out:
        if not packer:
            yield out
            return
        with subprocess.Popen(packer, stdin=subprocess.PIPE, stdout=out) as process:
            yield cast("IO[bytes]", process.stdin)
    if process.returncode:
        raise ZedopsError(f"{packer[0]} failed while it wrote {name}; see to the disk")
