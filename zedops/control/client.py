"""The connection to the running manager: its door, a socket in the hub.

Every command that reads loads this module, so it imports little.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zedops.errors import CommandFailed, DoorClosed, HostUnavailable, UsageError, ZedopsError
from zedops.hub import hook
from zedops.system.locks import holder

_GONE = "the manager went away; servers go on; run this command again once a manager runs"
_WAITS = "the manager does not answer yet; waiting"
#: Time that a command waits for the manager if it can work without one.
_PATIENCE_S = 10.0
#: Silence after which a command asks for a sign of life; later it asks less often.
_LOOK_S, _LATER_S = 2.0, 10.0
_SIGN_S = 1.0


def near(where: Path) -> Path | None:
    """Find the hub of a directory's clone, if its manager has a door on this machine.

    A command that asks the manager need not read the fleet, which takes longer on a large one.
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
    try:
        return hub if (hub / hook.SOCKET).exists() else None
    except PermissionError:
        return None


def asked(
    request: dict[str, Any], patience_s: float | None = _PATIENCE_S
) -> dict[str, Any] | None:
    """Ask the manager of this directory's fleet; None if none answers on this machine."""
    hub = near(Path.cwd())
    return answered(hub, request, patience_s) if hub is not None else None


def asked_of_edits(
    request: dict[str, Any], where: Path, *, fetch: bool = True
) -> dict[str, Any] | None:
    """Ask the manager about the edits in a working copy; None if none answers on this machine."""
    hub = near(where)
    if hub is None:
        return None
    from zedops.clone import checkout
    from zedops.clone import edits as clone_edits

    repository = checkout.find_clone(where)
    if fetch:
        checkout.fetch(repository)
    try:
        edits = clone_edits.edits(repository)
    except UsageError:
        return None  # the hub has no main yet
    return answered(hub, {**request, **edits.as_json()})


def answered(
    hub: Path, request: dict[str, Any], patience_s: float | None = _PATIENCE_S
) -> dict[str, Any] | None:
    """Ask a hub's manager; None if it does not answer in time, or answers with an error."""
    try:
        answer = ask(hub, request, lambda _: None, patience_s)
    except ZedopsError:
        return None
    return answer if not answer.get("error") else None


def ask_hub(
    hub: Path | None, request: dict[str, Any], say: Callable[[str], object]
) -> dict[str, Any]:
    """Ask the manager of a hub; raise the error that it answers with."""
    if hub is None:
        fact = "only the manager can answer this"
        raise HostUnavailable(f"{fact}; run this command on the manager's machine, in a clone")
    answer = ask(hub, request, say)
    raise_error(answer)
    return answer


def raise_error(answer: dict[str, Any]) -> None:
    """Raise the error of an answer, if it has one."""
    if answer.get("error"):
        known = {each.__name__: each for each in (HostUnavailable, CommandFailed)}
        raise known.get(str(answer.get("kind")), ZedopsError)(str(answer["error"]))


def ask(
    hub: Path, request: dict[str, Any], say: Callable[[str], object],
    patience_s: float | None = None,
) -> dict[str, Any]:
    """Send a request and return the answer; progress goes to `say`. HostUnavailable on silence."""
    for reply in replies(hub, request, patience_s):
        if "say" in reply:
            say(reply["say"])
        if "answer" in reply:
            return dict(reply["answer"])
    raise HostUnavailable(_GONE)


def replies(
    hub: Path, request: dict[str, Any], patience_s: float | None = None
) -> Iterator[dict[str, Any]]:
    """Send a request and give its replies as they come; the connection ends with the iterator."""
    asked = json.dumps(request).encode() + b"\n"
    if len(asked) > hook.MAX_LINE:
        raise ZedopsError(f"{len(asked)} bytes are more than the manager takes at once")
    with opened(hub) as link:
        for line in _replies(hub, link, asked, patience_s):
            yield json.loads(line)


def streamed(hub: Path, request: dict[str, Any]) -> Iterator[str]:
    """Give the pieces of a stream; raise the error with which it ends."""
    for reply in replies(hub, {"do": "stream", "request": request}):
        if "say" in reply:
            yield reply["say"]
        if "answer" in reply:
            raise_error(reply["answer"])
            return
    raise HostUnavailable(_GONE)


def _replies(
    hub: Path, link: socket.socket, asked: bytes, patience_s: float | None
) -> Iterator[bytes]:
    held, patience = b"", _Patience(hub, patience_s)
    try:
        link.sendall(asked)
        while True:
            link.settimeout(patience.wait_s)
            try:
                piece = link.recv(1 << 16)
            except TimeoutError:
                patience.wear()
                continue
            if not piece:
                return
            *lines, held = (held + piece).split(b"\n")
            yield from lines
    except TimeoutError as error:  # the manager reads nothing
        raise hung(hub) from error
    except OSError as error:  # the manager died
        raise HostUnavailable(_GONE) from error


class _Patience:
    """Decides how long to wait for a manager: as long as it shows signs of life, or `most_s`."""

    def __init__(self, hub: Path, most_s: float | None) -> None:
        self._hub, self._most_s = hub, most_s
        self._begun, self._silent = time.monotonic(), 0

    @property
    def wait_s(self) -> float:
        """Return the time to wait before the next check for a sign of life."""
        early = self._silent or time.monotonic() - self._begun < _LATER_S
        return _LOOK_S if early else _LATER_S

    def wear(self) -> None:
        """Check for a sign of life. HostUnavailable after several checks without one."""
        self._silent = 0 if is_awake(self._hub) else self._silent + 1
        if self._most_s is not None:
            if self._silent or time.monotonic() - self._begun >= self._most_s:
                raise hung(self._hub)
        elif self._silent == 1:
            sys.stderr.write(f"{_WAITS}\n")
        elif self._silent >= hook.TRIES:
            raise hung(self._hub)


def is_awake(hub: Path) -> bool:
    """Say whether a hub's manager answers at all."""
    try:
        with opened(hub) as link:
            link.settimeout(_SIGN_S)
            link.sendall(b"\n")
            return bool(link.recv(1))
    except (OSError, HostUnavailable):
        return False


def hung(hub: Path) -> HostUnavailable:
    """Make the error for a manager that runs and does not answer."""
    who = holder(hub / "zedops" / "lock")
    fact = f"the manager on {hub}{who} does not answer; servers go on"
    return HostUnavailable(f"{fact}; end it and start it again if it stays so")


@contextlib.contextmanager
def opened(hub: Path) -> Iterator[socket.socket]:
    """Connect to a hub's manager, or raise HostUnavailable."""
    # a socket's path may have 108 bytes at most: go through the open directory (unix(7))
    folder = os.open(hub, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(_LOOK_S)
            try:
                link.connect(f"/proc/self/fd/{folder}/{hook.SOCKET}")
            except BlockingIOError as error:  # the queue of waiting connections is full
                raise hung(hub) from error
            except PermissionError as error:
                fact = f"this user may not ask the manager of {hub}"
                remedy = f"only {_owner(hub)} may: run this as that user"
                raise DoorClosed(f"{fact}; {remedy}") from error
            except OSError as error:
                remedy = "start it with `zedops up`"
                raise HostUnavailable(f"no manager is running on {hub}; {remedy}") from error
            yield link
    finally:
        os.close(folder)


def _owner(hub: Path) -> str:
    try:
        return hub.owner()
    except KeyError:  # a user id without a name
        return f"user {hub.stat().st_uid}"
