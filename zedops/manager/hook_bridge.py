"""Serves hooks that lend their descriptors: the manager talks to git in the hook's place.

Starting Python for each hook took a third of a push. So a hook runs `git credential-cache`, a
client of Unix sockets that every git has. It forwards its input and prints the reply. Meanwhile it
holds git's descriptors, and the manager opens them through `/proc/PID/fd` (proc(5)).

The manager takes pipes only. It refuses other files, and processes that it cannot see (in another
container, or of another user); the hook then asks in words.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler
from typing import Any, BinaryIO, cast

from zedops.control import protocol
from zedops.errors import ZedopsError
from zedops.hub import hook

#: Process, user and group of the client (unix(7), `SO_PEERCRED`).
_CREDENTIALS = struct.Struct("3i")

log = logging.getLogger(__name__)

Answer = Callable[[dict[str, Any], Callable[[str], None]], dict[str, Any]]


def serve(handler: StreamRequestHandler, answer: Answer) -> bool:
    """Talk to git in a hook's place and send its exit code; False where the manager cannot."""
    with _call_of(handler.connection, cast("BinaryIO", handler.rfile)) as call:
        if call is None:
            return False
        handler.wfile.write(b"served ")  # the hook cannot read git's words after this
        handler.wfile.flush()
        code = _answer(call, answer, handler.connection)
    handler.wfile.write(b"exit=%d\n" % code)
    handler.wfile.flush()
    return True


def _answer(call: hook.Call, answer: Answer, link: socket.socket) -> int:
    try:
        request = protocol.check(call.read_push())
        if _hung_up(link):  # this process was frozen, and the push was refused meanwhile
            raise BrokenPipeError
    except (hook.Malformed, ZedopsError) as error:
        call.say(f"cannot be checked: {error}")
        return 1
    try:
        return call.respond(request, answer(request, call.say))
    except (BrokenPipeError, ConnectionResetError):
        raise
    except ZedopsError as error:
        call.say(str(error))
    except Exception as error:
        log.exception("a push failed")
        call.say(f"zedops failed: {error!r}; see the manager's log")
    return call.respond(request, {"exit": 1})


@contextmanager
def _call_of(link: socket.socket, said: BinaryIO) -> Iterator[hook.Call | None]:
    """Read the hook's name after its greeting and open its descriptors; None where that fails."""
    name = _name_in(said)
    peer = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, _ = _CREDENTIALS.unpack(peer)
    process, call = Path("/proc", str(pid)), None
    with ExitStack() as opened:
        try:
            if name is not None and user in (os.geteuid(), 0):
                git, told, person = (
                    opened.enter_context(_pipe(process / "fd" / str(number), mode))
                    for number, mode in zip(hook.DESCRIPTORS, ("rb", "wb", "wb"), strict=True)
                )
                call = hook.Call(name, _environment(process), git, told, person)
        except OSError:
            call = None
        # a hook waits for its answer: unless it hung up, the PID still is its own
        yield None if _hung_up(link) else call


def _hung_up(link: socket.socket) -> bool:
    poll = select.poll()
    poll.register(link, 0)
    return bool(poll.poll(0))


def _name_in(said: BinaryIO) -> str | None:
    """Read the rest of the client's message: the client's own words, then the hook's."""
    lines = said.read(4096).decode("ascii", "replace").splitlines()
    names = [name for name in hook.NAMES if f"hook={name}" in lines]
    return names[0] if names else None


def _pipe(path: Path, mode: str) -> BinaryIO:
    """Open a pipe once more. OSError where it is no pipe or access is denied."""
    held = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISFIFO(os.fstat(held).st_mode):
            raise OSError(f"{path} is no pipe")
        way = os.O_RDONLY if mode == "rb" else os.O_WRONLY
        number = os.open(f"/proc/self/fd/{held}", way | os.O_CLOEXEC)
    finally:
        os.close(held)
    return cast("BinaryIO", os.fdopen(number, mode))


def _environment(process: Path) -> dict[str, str]:
    pairs = os.fsdecode((process / "environ").read_bytes()).split("\0")
    return {key: value for key, found, value in (each.partition("=") for each in pairs) if found}
