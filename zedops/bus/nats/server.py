"""Runs the nats-server of one fleet as a child of the manager, restarts it, and reloads changes.

Rules: the server never outlives its parent. It is ready when `start` returns, and follows the
authority when `reload` returns. One thread starts it, reads its output and starts it again. That
thread lives from `start` to `stop`, because the child dies with it (`executable.start`).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from zedops.bus.nats import configuration, executable
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.private_files import open_lock
from zedops.bus.nats.tokens import host_of
from zedops.errors import ServerFailed, ZedopsError

log = logging.getLogger(__name__)

START_DEADLINE_S = 20.0
RELOAD_DEADLINE_S = 10.0
STOP_GRACE_S = 5.0
#: An earlier server of the directory, whose parent was just killed, needs this long to die.
PREDECESSOR_S = 3.0
#: Pause before a restart; doubled each time up to the second, reset after a minute of life.
PAUSE_S, LONGEST_PAUSE_S, STEADY_S = 0.1, 10.0, 60.0
#: Period of the certificate's check; it is replaced a month before its end.
RENEWAL_S = 24 * 3600.0

_LINE = re.compile(r"\[\d+\] (?:\S+ \S+ )?\[(\w{3})\] (.*)")
#: Most errors of nats-server are clients without the right for a request. Its warnings at a start
#: are about intended settings.
_LEVELS = {"FTL": logging.ERROR, "ERR": logging.WARNING, "WRN": logging.INFO}
_RELOADED = "Reloaded server configuration"
_WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104  # compared with, not bound to


class _Phase(Enum):
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    STOPPED = "stopped"


class NatsServer:
    """One nats-server over the authority's directory. For one start and one stop."""

    def __init__(
        self,
        authority: Authority,
        advertise: Sequence[str],
        listen: str = "0.0.0.0",  # noqa: S104  # hosts come from anywhere, with TLS and a key
        port: int = 4222,
        on_restart: Callable[[], None] | None = None,
    ) -> None:
        """Prepare the server; `advertise` are its URLs for hosts, `tls://name:port`.

        The server's thread calls `on_restart` after each restart: it must return soon, and must not
        call `reload` or `stop`.
        """
        local = "127.0.0.1" if listen in _WILDCARDS else listen
        self.url = f"tls://[{local}]:{port}" if ":" in local else f"tls://{local}:{port}"
        self._authority = authority
        self._listen, self._port = listen, port
        self._names = sorted({*map(host_of, advertise), local})
        self._on_restart = on_restart
        self._program = executable.find()
        self._changed = threading.Condition()
        self._reloading = threading.Lock()
        self._stopping = threading.Event()
        # all of these under `_changed`
        self._phase = _Phase.STARTING
        self._child: subprocess.Popen[str] | None = None
        self._verdicts: list[str] = []  # on reloads, since the last one was asked for
        self._loaded = b""
        self._last_words = ""
        self._hold: int | None = None  # the directory's lock
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._supervise, "nats-server"), (self._renew, "nats-renewal"))
        ]

    @property
    def pid(self) -> int | None:
        """The PID of the running process; None without one."""
        child = self._child
        return None if child is None or child.poll() is not None else child.pid

    def start(self) -> None:
        """Start the server and wait until it listens, or raise ServerFailed."""
        self._hold = _take(self._authority.folder / "server.lock")
        for each in self._threads:
            each.start()
        with self._changed:
            self._changed.wait_for(lambda: self._phase is not _Phase.STARTING, START_DEADLINE_S)
            phase, words = self._phase, self._last_words
        if phase is not _Phase.READY:
            self.stop_server()
            raise ServerFailed(self._explain(words or f"silent for {START_DEADLINE_S:.0f} s"))

    def reload(self) -> None:
        """Bring the server up to date with the authority; cheap if nothing has changed.

        Returns after the server has cut off revoked clients. ServerFailed if it does not reload.
        """
        with self._reloading:
            digest = self._write()
            with self._changed:
                self._changed.wait_for(lambda: self._phase is not _Phase.STARTING, START_DEADLINE_S)
                child = self._child
                if child is not None and digest != self._loaded:
                    self._signal(child)
                    if self._child is child:
                        self._loaded = digest

    def stop_server(self) -> None:
        """End the server: SIGTERM, then SIGKILL. Nothing happens if it does not run."""
        self._stopping.set()
        with self._changed:
            child = self._child
            if child is not None and child.poll() is None:
                child.terminate()
        if child is not None:
            try:
                child.wait(STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                child.kill()
        for each in self._threads:
            if each.ident is not None:
                each.join()
        with self._changed:
            self._phase = _Phase.STOPPED
            self._changed.notify_all()
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None

    def _signal(self, child: subprocess.Popen[str]) -> None:
        """Have the child read its files again. A later child reads them anyway."""
        verdict = "it is still starting"
        if self._phase is _Phase.READY:
            self._verdicts.clear()
            child.send_signal(signal.SIGHUP)
            self._changed.wait_for(
                lambda: self._verdicts or self._child is not child, RELOAD_DEADLINE_S
            )
            verdict = self._verdicts[-1] if self._verdicts else "no answer"
        if not verdict.startswith(_RELOADED) and self._child is child:
            remedy = "restart zedops, which restarts it"
            raise ServerFailed(f"nats-server did not take the change: {verdict}; {remedy}")

    # --- the server's thread

    def _supervise(self) -> None:
        began_s, pause_s, ran_once = time.monotonic(), PAUSE_S, False
        while not self._stopping.is_set():
            lived_s = self._live(ran_once)
            if self._stopping.is_set():
                break
            with self._changed:
                ran_once = ran_once or self._phase is _Phase.READY
                waits = _port_taken(self._last_words) and time.monotonic() - began_s < PREDECESSOR_S
                again = ran_once or waits
                self._phase = _Phase.STARTING if again else _Phase.FAILED
                self._changed.notify_all()
            if not again:
                return
            pause_s = PAUSE_S if lived_s > STEADY_S else pause_s
            if ran_once:
                words = self._explain(self._last_words)
                log.error("%s; starting it again in %.1f s", words, pause_s)
            self._stopping.wait(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _live(self, ran_once: bool) -> float:
        """Start the server once and wait for its end; returns its life in seconds."""
        began_s = time.monotonic()
        try:
            digest = self._write()
            config = str(self._authority.folder / "server.conf")
            with self._changed:
                self._last_words = ""
                if self._stopping.is_set():
                    return 0.0
                keep = () if self._hold is None else (self._hold,)
                child = executable.start(self._program, ["-c", config], keep)
                self._child, self._loaded = child, digest
        except (OSError, ZedopsError) as error:
            self._last_words = str(error)
            return 0.0
        with child:
            for line in child.stderr or ():
                if self._hear(line.rstrip("\n")) and ran_once:
                    self._tell_restarted()
        with self._changed:
            self._child = None
            if not self._last_words:
                self._last_words = _ending(child.returncode)
            self._changed.notify_all()
        return time.monotonic() - began_s

    def _hear(self, line: str) -> bool:
        """Take one line of the server's output; returns whether it says "ready"."""
        found = _LINE.fullmatch(line)
        level, text = (found[1], found[2]) if found else ("FTL", line)
        ready = text == "Server is ready"
        log.log(logging.INFO if ready else _LEVELS.get(level, logging.DEBUG), "%s", text)
        with self._changed:
            if ready:
                self._phase = _Phase.READY
            # keep the first fatal line: it names the cause, also of a panic's many lines
            if level == "FTL" and not self._last_words:
                self._last_words = text
            if text.startswith((_RELOADED, "Failed to reload")):
                self._verdicts.append(text)
            self._changed.notify_all()
        return ready

    def _tell_restarted(self) -> None:
        try:
            if self._on_restart is not None:
                self._on_restart()
        except Exception:  # the server dies with this thread
            log.exception("the work after the restart of nats-server failed")

    # --- its files

    def _write(self) -> bytes:
        """Bring the server's files up to date; returns a digest of all files of a reload."""
        files = self._authority.server_files(self._names, datetime.now(UTC))
        folder = self._authority.folder
        config = configuration.render(
            folder, files.accounts, files.certificate, self._listen, self._port
        )
        self._authority.write_config("server.conf", config)
        parts = (config, files.accounts.read_bytes(), files.certificate.read_bytes())
        return hashlib.sha256(b"\0".join(parts)).digest()

    def _explain(self, words: str) -> str:
        if _port_taken(words):
            place = f"port {self._port} of {self._listen}"
            return f"{place} is taken by another program; stop it, or choose another port"
        return f"nats-server does not run: {words}"

    def _renew(self) -> None:
        while not self._stopping.wait(RENEWAL_S):
            try:
                self.reload()
            except Exception:
                log.exception("the server's certificate could not be checked; trying tomorrow")


def _ending(code: int) -> str:
    return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _port_taken(words: str) -> bool:
    return "address already in use" in words


def _take(path: Path) -> int:
    """Lock the directory for one server. The child inherits the lock, and keeps it to its end."""
    descriptor = open_lock(path)
    deadline = time.monotonic() + PREDECESSOR_S
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        if time.monotonic() > deadline:
            os.close(descriptor)
            remedy = "stop the other zedops first"
            raise ServerFailed(f"another nats-server works in {path.parent}; {remedy}")
        time.sleep(0.02)
