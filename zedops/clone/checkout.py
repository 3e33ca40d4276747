"""Reads a person's working copy and the refs of its remote, but not the fleet.

The light half of `clone`: commands that need only commits start three times faster.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from zedops.errors import GitFailed, UsageError
from zedops.git import stderr
from zedops.git.repository import Repository
from zedops.spec.layout import SERVERS, SETTINGS_PATH

REMOTE = "refs/remotes/origin/"
REMOTE_MAIN = f"{REMOTE}main"
_MAX_BYTES = 1 << 20
_NO_CLONE = "go into a clone of a fleet, or make one with `zedops clone`"


def find(start: Path) -> Repository:
    """Find the working copy that a directory is in, of a hub or of any other remote."""
    if not start.is_dir():
        raise UsageError(f"{start} is no directory; {_NO_CLONE}")
    try:
        return Repository(Path(Repository(start).run("rev-parse", "--show-toplevel")))
    except GitFailed as error:
        if stderr.is_of_another(str(error)):
            raise
        raise UsageError(f"{start} is no clone of a fleet; {_NO_CLONE}") from error


def find_clone(start: Path) -> Repository:
    """Find the clone that a directory is in. UsageError says how to get one."""
    repository = find(start)
    if not setting(repository, "remote.origin.url"):
        raise UsageError(f"{repository.path} is no clone of a fleet; {_NO_CLONE}")
    return repository


def setting(repository: Repository, key: str) -> str:
    """Read one of git's settings; empty where it is not set."""
    try:
        return repository.run("config", "--get", "--end-of-options", key)
    except GitFailed:
        return ""


def fetch(repository: Repository) -> None:
    """Fetch from the remote. UsageError if it was a hub on this machine that is gone."""
    try:
        repository.run("fetch", "--quiet", "origin")
    except GitFailed as error:
        if said := lost(repository):
            raise UsageError(said) from error
        if "Permission denied" in str(error) and not os.access(repository.path / ".git", os.W_OK):
            url = setting(repository, "remote.origin.url")
            remedy = f"make one of your own: `zedops clone {url}`"
            fact = f"the clone {repository.path} belongs to another user, and cannot be updated"
            raise UsageError(f"{fact}; {remedy}") from error
        raise


def lost(repository: Repository) -> str | None:
    """Describe a remote that is a missing directory of this machine; None for any other."""
    url = setting(repository, "remote.origin.url").removeprefix("file://")
    is_path = "://" not in url and ":" not in url.partition("/")[0]
    place = repository.path / url
    if not url or not is_path or place.exists():
        return None
    remake = f"`zedops init NEW --from {repository.path}` makes a new one from this clone"
    moved = "`git remote set-url origin PLACE` if it was moved"
    return f"the hub {place} is gone; {remake}; {moved}"


def at(repository: Repository, when: str) -> str:
    """Resolve a commit, or find main's commit at a time (ISO 8601, local without an offset)."""
    commit = repository.resolve(when)
    if commit is not None:
        return commit
    try:
        moment = datetime.fromisoformat(when).astimezone().isoformat()
    except ValueError as error:
        remedy = "write e.g. 3f2a1c9 or 2026-11-23T10:00"
        raise UsageError(f"{when!r} is neither a commit nor a time; {remedy}") from error
    found = repository.run(
        "rev-list", "-1", "--first-parent", f"--before={moment}", REMOTE_MAIN
    )
    if not found:
        remedy = "`zedops history` begins with its first commit"
        raise UsageError(f"the fleet had not begun at {moment}; {remedy}")
    return found


def places(name: str) -> str:
    """Write the pathspec (gitglossary(7)) that matches a server's file in every folder."""
    return f":(glob){SERVERS}/**/{name}.yaml"


def branches(repository: Repository) -> list[str]:
    """Name the refs that hold the fleet's history. Reads only the settings of the fleet.

    UsageError where there is no main yet.
    """
    if repository.resolve(REMOTE_MAIN) is None:
        remedy = "push a first commit with zedops.yaml, or fetch"
        raise UsageError(f"{repository.path} knows no {REMOTE_MAIN}; {remedy}")
    named = state_branch(repository)
    state = f"{REMOTE}{named}" if named else REMOTE_MAIN
    return [REMOTE_MAIN, *([state] if repository.resolve(state) else [])]


def state_branch(repository: Repository) -> str | None:
    """Read `state_branch` from the settings; None if they are invalid, which `checks` reports."""
    blob = repository.objects.blob_ids([f"{REMOTE_MAIN}:{SETTINGS_PATH}"])[0]
    content = repository.objects.blobs([blob], _MAX_BYTES)[blob] if blob else b""
    if b"state_branch" not in content:
        return None  # loading the YAML reader takes longer than all the rest
    from zedops.spec import loader

    read = loader.read(SETTINGS_PATH, content).data
    named = read.get("state_branch") if isinstance(read, dict) else None
    return named if isinstance(named, str) else None


def tip(repository: Repository, ref: str) -> str:
    """Find the newest commit of a ref; UsageError without one."""
    commit = repository.resolve(ref)
    if commit is None:
        raise UsageError("the hub has no main yet; push a first commit")
    return commit
