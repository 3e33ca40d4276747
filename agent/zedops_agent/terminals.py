"""The open terminals of a host: few at once, each in the log with its person and server."""

from __future__ import annotations

import logging
import threading
from base64 import b64decode

from zedops.errors import EngineFailed, HostUnavailable
from zedops.protocol.terminals import TerminalRequest, TypedReply, TypeRequest
from zedops_agent.engine.streams import Streams
from zedops_agent.engine.terminal import Terminal
from zedops_agent.policy_file import PolicyFile

log = logging.getLogger(__name__)

MOST = 16
_END_S = 5


class Terminals:
    """Opens terminals and takes their input."""

    def __init__(self, streams: Streams, policy: PolicyFile) -> None:
        self._streams, self._policy = streams, policy
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Terminal, int]] = {}

    def open(self, request: TerminalRequest, container: str, server: str) -> Terminal:
        """Open a terminal in a server's container. EngineFailed if the policy forbids it."""
        self._policy.check_exec()
        name, who = request.terminal, " ".join(request.who.split()) or "?"
        with self._lock:
            if name in self._open:
                raise EngineFailed("this terminal is open already")
            if len(self._open) >= MOST:
                raise HostUnavailable(f"{MOST} terminals are open on this host; close one")

        def ended() -> None:
            with self._lock:
                self._open.pop(name, None)
            log.info("terminal %s of %s in %s ended", name[:8], who, server)

        made = Terminal(self._streams.connection, container, name, request.command,
                        request.columns, request.rows, ended)
        with self._lock:
            self._open[name] = (made, 0)
        log.info("terminal %s of %s in %s: %s", name[:8], who, server,
                 " ".join(request.command) or "a shell")
        return made

    def take(self, request: TypeRequest) -> TypedReply:
        """Type into a terminal. HostUnavailable for one that has ended."""
        with self._lock:
            terminal, last = self._open.get(request.terminal, (None, 0))
            if terminal is not None and request.number > last:
                self._open[request.terminal] = (terminal, request.number)
        if terminal is None:
            raise HostUnavailable("this terminal has ended")
        if request.number <= last:
            return TypedReply()  # taken before
        if request.columns and request.rows:
            terminal.resize(request.columns, request.rows)
        if request.data:
            terminal.type(b64decode(request.data))
        if request.ends:
            terminal.abort()
        return TypedReply()

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            left = [each for each, _ in self._open.values()]
        ends = [threading.Thread(target=each.abort, daemon=True) for each in left]
        for each in ends:
            each.start()
        for each in ends:
            each.join(timeout=_END_S)  # an Engine that hangs holds no agent
