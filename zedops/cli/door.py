"""The way to the running manager: its door, a socket in the hub. Light: reads start with it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zedops import hook
from zedops.errors import CommandFailed, HostUnavailable, UsageError, ZedopsError

_GONE = "the manager went away; servers go on"
#: A manager that hangs is not waited for longer by those who can do without it.
_PATIENCE_S = 10.0


def near(where: Path) -> Path | None:
    """Find the hub of the clone that a directory is in, if a manager is at its door here.

    Whoever asks it need not read the fleet, which takes longer the larger it is.
    """
    said = subprocess.run(
        ["git", "rev-parse", "--show-toplevel"], cwd=where,
        capture_output=True, text=True, check=False,
    )
    if said.returncode:
        return None
    top = Path(said.stdout.rstrip("\n"))
    origin = subprocess.run(
        ["git", "config", "--get", "remote.origin.url"], cwd=where, capture_output=True, text=True,
        check=False,
    )
    hub = top / origin.stdout.strip().removeprefix("file://")
    return hub if (hub / hook.SOCKET).exists() else None


def asked(
    request: dict[str, Any], patience_s: float | None = _PATIENCE_S
) -> dict[str, Any] | None:
    """Ask the manager of the fleet that this directory is in; None where none answers here."""
    hub = near(Path.cwd())
    return answered(hub, request, patience_s) if hub is not None else None


def asked_of_edits(
    request: dict[str, Any], where: Path, *, fetch: bool = True
) -> dict[str, Any] | None:
    """Ask the manager what the edits in a working copy come to; None where none answers here."""
    hub = near(where)
    if hub is None:
        return None
    from zedops import checkout, working

    repository = checkout.find_clone(where)
    if fetch:
        checkout.fetch(repository)
    try:
        edits = working.edits(repository)
    except UsageError:
        return None  # the hub has no main yet
    return answered(hub, {**request, **edits.as_json()})


def answered(
    hub: Path, request: dict[str, Any], patience_s: float | None = _PATIENCE_S
) -> dict[str, Any] | None:
    """Ask a hub's manager; None where it does not answer in time, or knows no answer."""
    try:
        answer = ask(hub, request, lambda _: None, patience_s)
    except ZedopsError:
        return None
    return answer if not answer.get("error") else None


def ask_hub(
    hub: Path | None, request: dict[str, Any], say: Callable[[str], object]
) -> dict[str, Any]:
    """Ask the manager of a hub something; raises what it says went wrong."""
    if hub is None:
        fact = "only the manager can answer this"
        raise HostUnavailable(f"{fact}; run it on the manager's machine, in a clone")
    answer = ask(hub, request, say)
    if answer.get("error"):
        known = {each.__name__: each for each in (HostUnavailable, CommandFailed)}
        raise known.get(str(answer.get("kind")), ZedopsError)(str(answer["error"]))
    return answer


def ask(
    hub: Path, request: dict[str, Any], say: Callable[[str], object],
    patience_s: float | None = None,
) -> dict[str, Any]:
    """Ask something; what is said on the way goes to `say`. HostUnavailable without a manager."""
    asked = json.dumps(request).encode() + b"\n"
    if len(asked) > hook.MAX_LINE:
        raise ZedopsError(f"{len(asked)} bytes are more than the manager takes at once")
    with opened(hub) as link:
        link.settimeout(patience_s)
        for line in _replies(link, asked):
            reply = json.loads(line)
            if "say" in reply:
                say(reply["say"])
            if "answer" in reply:
                return dict(reply["answer"])
    raise HostUnavailable(_GONE)


def _replies(link: socket.socket, asked: bytes) -> Iterator[bytes]:
    try:
        link.sendall(asked)
        with link.makefile("rb") as stream:
            yield from stream
    except OSError as error:  # it died, or takes too long
        raise HostUnavailable(_GONE) from error


@contextlib.contextmanager
def opened(hub: Path) -> Iterator[socket.socket]:
    """Connect to a hub's manager, or raise HostUnavailable."""
    # a socket's path may have 108 bytes at most: go through the open directory (unix(7))
    folder = os.open(hub, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            try:
                link.connect(f"/proc/self/fd/{folder}/{hook.SOCKET}")
            except OSError as error:
                remedy = "start it with `zedops up`"
                raise HostUnavailable(f"no manager is running on {hub}; {remedy}") from error
            yield link
    finally:
        os.close(folder)
