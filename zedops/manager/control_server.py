"""The manager's door: a Unix socket in the hub, for the hooks and for people on this machine.

One JSON request a line; replies are JSON lines: `{"say": text}` as it happens, `{"answer": …}` at
the end. The door answers hooks in words, so that a hook need not load `json`. The directory's
permissions decide who reaches the socket.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import logging
import os
import socketserver
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from zedops.bus.interfaces import Bus, Enrolment
from zedops.control import protocol
from zedops.errors import ZedopsError
from zedops.git.objects import NO_OBJECT
from zedops.hub import hook
from zedops.hub.receive import PushReceiver, answer
from zedops.hub.refs import FOR_MAIN, MAIN
from zedops.manager import control_queries, hook_bridge, web_rules
from zedops.manager.control_queries import LOOKS
from zedops.manager.fleet_watch import FleetWatch
from zedops.manager.loop import Manager
from zedops.manager.push_progress import follow
from zedops.protocol.requests import read_question, read_stream_question
from zedops.queries import conversion, hosts
from zedops.system import failpoints, files
from zedops.system.locks import LOOK_S

log = logging.getLogger(__name__)

T = TypeVar("T")

NO_WAIT = "no-wait"


class ControlServer:
    """Answers requests on the hub's socket until closed."""

    def __init__(self, manager: Manager, bus: Bus, enrolment: Enrolment | None = None) -> None:
        self._manager = manager
        #: Makes a login link of the web page for a person, by name, address and the fleet's URL.
        self.web_link: Callable[[str, str, str | None], str] = _no_page
        #: Makes a share link: whose address, a server's id or None, for how long, the fleet's URL.
        self.web_share: Callable[[str, str | None, float, str | None], str] = _no_page
        self._bus = bus
        self._enrolment = enrolment
        self._gate = PushReceiver(manager.hub, manager.warm)
        self._path = manager.hub.path / hook.SOCKET
        self._closing = threading.Event()
        self._open()
        self._watch = threading.Thread(target=self._stay_open, name="door-watch", daemon=True)
        self._watch.start()

    def _open(self) -> None:
        """Listen on the socket's path."""
        door = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                door.serve(self)

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        if self._path.is_dir():
            files.set_aside(self._path)
        self._path.unlink(missing_ok=True)
        # a socket's path may have 108 bytes at most: go through the open directory (unix(7))
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            self._server = Server(f"/proc/self/fd/{folder}/{self._path.name}", Handler)
        finally:
            os.close(folder)
        self._inode = self._path.stat().st_ino
        threading.Thread(target=self._server.serve_forever, name="door", daemon=True).start()

    def _stay_open(self) -> None:
        """Open again after the socket was removed; leave another manager's socket in place."""
        while not self._closing.wait(LOOK_S):
            try:
                if os.path.lexists(self._path) or self._manager.deposed.is_set():
                    continue
                before = self._server
                self._open()
                log.warning("%s was removed; listening there again", self._path)
                before.shutdown()
                before.server_close()
            except OSError as error:
                log.warning("cannot listen at %s: %s; trying again", self._path, error)

    def close(self) -> None:
        """Close the socket, and remove it unless another manager has replaced it."""
        self._closing.set()
        self._watch.join()
        self._server.shutdown()
        self._server.server_close()
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:  # else another manager's, which took over
                self._path.unlink()

    def serve(self, handler: socketserver.StreamRequestHandler) -> None:
        """Answer one request."""
        write = _in_json

        def reply(message: dict[str, Any]) -> None:
            handler.wfile.write(write(message))
            handler.wfile.flush()

        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            try:
                line = handler.rfile.readline(hook.MAX_LINE)
                if not line:
                    return  # a client that only tests whether a manager answers
                if line != hook.GREETING:
                    request = protocol.read(line)
                    write = in_words if request["do"] in hook.NAMES else _in_json
                    reply({"answer": self._answer(request, lambda text: reply({"say": text}))})
                elif not hook_bridge.serve(handler, self._answer):
                    return
                failpoints.point("door.answered")
            except (BrokenPipeError, ConnectionResetError):
                raise
            except ZedopsError as error:
                kind = type(error).__name__
                reply({"answer": {"exit": 1, "error": str(error), "kind": kind}})
            except Exception as error:
                log.exception("a request failed")
                reply({"say": f"zedops failed: {error!r}; see the manager's log"})
                reply({"answer": {"exit": 1, "error": repr(error)}})

    def _answer(self, request: dict[str, Any], say: Callable[[Any], None]) -> dict[str, Any]:
        match request["do"]:
            case "pre-receive":
                verdict = answer(self._gate, request, say)
                if verdict.get("exit"):
                    self._manager.metrics.push(accepted=False)
                return verdict
            case "proc-receive":
                verdict = answer(self._gate, request, say)
                self._manager.wake()
                # an accepted push reaches post-receive, merged here or by git alone
                if verdict.get("exit") or verdict.get("refused"):
                    self._manager.metrics.push(accepted=False)
                return verdict
            case "post-receive":
                self._manager.metrics.push(accepted=True)
                self._follow(request, say)
                return {"exit": 0}
            case look if look in LOOKS:
                return {"exit": 0, **control_queries.answer(self._manager, self._bus, request)}
            case "stream":
                return self._stream(request, say)
            case "call":
                reply = self._bus.call(request["host"], _read(read_question, request["request"]))
                return {"exit": 0, "reply": reply.model_dump(mode="json")}
            case "watch":
                FleetWatch(self._manager).run(say, self._closing.is_set)
                return {"exit": 0}
            case "web-link":
                url = self._manager.as_committed().settings.web.url
                return {"exit": 0, "link": self.web_link(request["name"], request["email"], url)}
            case "web-share":
                fleet = self._manager.as_committed()
                server = web_rules.shared(fleet, request["server"])
                return {"exit": 0, "link": self.web_share(
                    request["email"], server, request["for_s"], fleet.settings.web.url)}
            case "host-add" | "host-remove" | "host-list" | "host-rows":
                return self._hosts(request)
            case other:
                raise ZedopsError(f"unknown request {other!r}")

    def _follow(self, request: dict[str, Any], say: Callable[[str], None]) -> None:
        paths: set[str] = set()
        for old, new, ref in request["updates"]:
            if ref == FOR_MAIN:
                paths |= self._gate.touched.pop(new, set())
            elif ref == MAIN:
                repository = self._manager.hub.repository
                if old == NO_OBJECT:
                    paths |= repository.tree(new).keys()
                else:
                    paths |= {change.path for change in repository.changes(old, new)}
        if NO_WAIT in request["options"]:
            self._manager.wake()
        else:
            follow(self._manager, paths, say)

    def _hosts(self, request: dict[str, Any]) -> dict[str, Any]:
        enrolment = self._enrolment
        if request["do"] in ("host-list", "host-rows"):
            joined = enrolment.members() if enrolment else {}
            since = {host: str(at) for host, at in joined.items()}
            if request["do"] == "host-list":
                quiet = {host: self._manager.quiet_s(host) for host in request["hosts"]}
                return {"exit": 0, "joined": since, "quiet_s": quiet}
            fleet = self._manager.as_committed()
            quiet = {host: self._manager.quiet_s(host) for host in fleet.settings.hosts}
            return {"exit": 0, "rows": hosts.hosts(fleet, since, quiet, self._bus.call)}
        if request["do"] == "host-remove":
            was_in = enrolment is not None and enrolment.revoke(request["host"])
            self._manager.revoke(request["host"])
            return {"exit": 0, "was_in": was_in}
        if enrolment is None:
            remedy = "start it with `zedops manager --advertise tls://NAME:4222`"
            raise ZedopsError(f"this manager serves no other hosts; {remedy}")
        return {"exit": 0, "token": enrolment.invite(request["host"], request["ttl_s"])}

    def _stream(self, request: dict[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
        wanted = _read(read_stream_question, request["request"])
        with self._manager.changed:
            host = self._manager.ledger.assigned.host(wanted.server_id)
        if host is None:
            raise ZedopsError("no host has this server; `zedops list` shows where servers are")
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with contextlib.closing(self._bus.stream(host, wanted)) as chunks:
            for chunk in chunks:
                say(decoder.decode(chunk))
        return {"exit": 0}


def _no_page(*_: object) -> str:
    fact = "this manager serves no web page"
    raise ZedopsError(f"{fact}; start it without `--no-web`, or with another `--web ADDRESS:PORT`")


def _read(read: Callable[[object], T], said: object) -> T:
    """Read a request to a host. ZedopsError where it is malformed."""
    try:
        return read(said)
    except ValueError as error:
        words = " ".join(str(error).split())[:200]
        raise ZedopsError(f"the request to the host is malformed: {words}") from error


def _in_json(message: dict[str, Any]) -> bytes:
    return json.dumps(message, default=conversion.plain).encode() + b"\n"


def in_words(message: dict[str, Any]) -> bytes:
    """Write a reply as `hook.ask` reads it."""
    if "say" in message:
        lines = [f"say {line}" for line in message["say"].split("\n")]
    else:
        answer = message["answer"]
        refused = answer.get("refused", {}).items()
        lines = [f"refused {ref} {' '.join(why.split())}" for ref, why in refused]
        lines.append(f"exit {answer.get('exit', 0)}")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
