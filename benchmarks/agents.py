"""Agents without an Engine: the bus as many real hosts speak it, hundreds in one process.

    python -m benchmarks.agents CROWD.json

What each says, and when, is what `zedops_agent` says: it syncs whenever it is connected or greeted,
reports every server then and changed ones later, beats every 10 s, looks for a dead line every 4 s,
and connects again after every break. It runs nothing: every server is up at once. Messages are read
as JSON, not as models, because here hundreds of hosts share the processor that each has for itself.

What happens is said on stdout, one JSON line each, with the moment on the system's monotonic clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nats.errors
from nats.aio.client import Client, RawCredentials
from nats.aio.msg import Msg

from zedops.bus.nats import messages, subjects
from zedops.bus.nats.certificates import ssl_context
from zedops.bus.nats.client import CONNECT_S
from zedops.bus.nats.connection import PING_S, PONG_S
from zedops.bus.nats.connection import RETRY_S as RECONNECT_S
from zedops.errors import ZedopsError

#: As `zedops_agent.manager_link` has them.
HEARTBEAT_S, RETRY_S, ASK_S = 10.0, 2.0, 15.0
_AWAY = (OSError, nats.errors.Error, TimeoutError, ZedopsError)


class Agent:
    """One host."""

    def __init__(self, host: str, credentials: str, url: str, tls: ssl.SSLContext) -> None:
        self._host, self._credentials, self._url, self._tls = host, credentials, url, tls
        self._client = Client()
        self._broken, self._wake = asyncio.Event(), asyncio.Event()
        self._greeted = False
        self._stamp = (0, 0)
        self._servers: dict[str, dict[str, Any]] = {}
        self._unsaid: set[str] = set()

    async def live(self) -> None:
        """Connect, and again after every break, for ever."""
        while True:
            self._client, self._broken = Client(), asyncio.Event()
            with contextlib.suppress(*_AWAY):
                await self._connect()
                self._greeted = False
                talk = asyncio.create_task(self._talk())
                try:
                    await self._watch()
                finally:
                    talk.cancel()
            self._say("lost")
            await self._drop()
            await asyncio.sleep(RECONNECT_S)

    async def _connect(self) -> None:
        async def broke() -> None:
            self._broken.set()

        async def noted(_: Exception) -> None:
            """What broke the line is of no interest here, only that it did."""

        await self._client.connect(
            self._url, name=self._host, inbox_prefix=subjects.inbox(self._host), tls=self._tls,
            tls_handshake_first=True, user_credentials=RawCredentials(self._credentials),
            allow_reconnect=False, connect_timeout=CONNECT_S, ping_interval=3600, pending_size=0,
            error_cb=noted, closed_cb=broke, disconnected_cb=broke,
        )
        for subject, handler in {
            subjects.HELLO: self._take_hello,
            subjects.down(self._host, subjects.DESIRED): self._take_desired,
            subjects.down(self._host, subjects.CALL): self._ignore,
            subjects.down(self._host, subjects.CREDIT, "*"): self._ignore,
        }.items():
            await self._client.subscribe(subject, cb=handler)
        await self._client.flush(PONG_S)
        await self._client.flush(PONG_S)  # the first may overtake what was subscribed before
        self._say("up")

    async def _watch(self) -> None:
        while self._client.is_connected:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._broken.wait(), PING_S)
                return
            await self._client.rtt(PONG_S)

    async def _drop(self) -> None:
        if self._client.is_connected:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._client.close(), 2)
        transport: Any = self._client._transport
        for writer in (transport._io_writer, transport._bare_io_writer) if transport else ():
            if writer is not None:
                writer.transport.abort()

    # --- what it says

    async def _talk(self) -> None:
        next_beat = 0.0
        while True:
            try:
                self._wake.clear()
                if not self._greeted:
                    self._greeted = True
                    await self._sync()
                elif self._unsaid:
                    await self._report(self._unsaid)
                if time.monotonic() >= next_beat:
                    next_beat = time.monotonic() + HEARTBEAT_S
                    await self._beat()
                left = 0.0 if self._unsaid or not self._greeted else next_beat - time.monotonic()
            except _AWAY:
                self._greeted, left = False, RETRY_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(left, 0))

    async def _sync(self) -> None:
        epoch, rev = self._stamp
        hello = {"host": self._host, "epoch": epoch, "rev": rev, "zedops": "benchmark"}
        changed = self._take(await self._ask(subjects.SYNC, hello))
        self._say("synced")
        if epoch:  # an edit that was met this way was not pushed here
            self._say_edits(changed, time.monotonic())
        await self._report(set(self._servers))
        self._say("current")

    async def _report(self, ids: set[str]) -> None:
        said = [_report(self._servers[each]) for each in ids if each in self._servers]
        await self._ask(subjects.REPORT, {"host": self._host, "servers": said})
        self._unsaid -= ids

    async def _beat(self) -> None:
        epoch, rev = self._stamp
        held = {"host": self._host, "epoch": epoch, "rev": rev}
        answer = await self._ask(subjects.HEARTBEAT, held)
        if (answer["epoch"], answer["rev"]) != (epoch, rev) or answer["want_report"]:
            self._greeted = False

    async def _ask(self, what: str, message: dict[str, object]) -> dict[str, Any]:
        reply = await self._client.request(
            subjects.up(self._host, what), messages.pack(message), ASK_S, headers=messages.HEADERS
        )
        return messages.unpack(reply.data, reply.headers, dict, "the manager")

    # --- what it is told

    async def _take_hello(self, _: Msg) -> None:
        self._greeted = False
        self._wake.set()

    async def _take_desired(self, message: Msg) -> None:
        arrived = time.monotonic()
        changed = self._take(messages.unpack(message.data, message.headers, dict, "the manager"))
        if changed:
            self._unsaid |= changed.keys()
            self._wake.set()
            self._say_edits(changed, arrived)

    async def _ignore(self, _: Msg) -> None:
        """No benchmark asks this."""

    def _take(self, document: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Take a document; returns the servers that are not as they were, if it is a newer one."""
        stamp = (document["epoch"], document["rev"])
        if document["host"] != self._host or stamp <= self._stamp:
            return {}
        before, self._servers, self._stamp = self._servers, document["servers"], stamp
        return {
            key: each for key, each in self._servers.items()
            if key not in before or before[key]["commit"] != each["commit"]
        }

    def _say_edits(self, changed: dict[str, dict[str, Any]], at: float) -> None:
        edits = {each["name"]: each["definition"]["env"].get("EDIT") for each in changed.values()}
        self._say("told", at, edits=edits)

    def _say(self, what: str, at: float | None = None, **more: object) -> None:
        now = time.monotonic() if at is None else at
        print(json.dumps({"what": what, "host": self._host, "at": now, **more}), flush=True)


def _report(server: dict[str, Any]) -> dict[str, object]:
    """State the facts about a server that runs as it should, as a host does."""
    facts = {"id": server["id"].lower() * 2, "running": True, "image": f"sha256:{'5' * 64}"}
    return {
        "id": server["id"], "at": datetime.now(UTC).isoformat(), "container": facts,
        "data_exists": True, "about": server["commit"], "goal": server["goal"], "applied": True,
    }


async def main(path: Path) -> None:
    """Be all hosts of a file until killed."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # it tells of each cut connection
    crowd = json.loads(path.read_bytes())
    tls = ssl_context(crowd["ca"])
    agents = [Agent(host, text, crowd["url"], tls) for host, text in crowd["hosts"].items()]
    await asyncio.gather(*(each.live() for each in agents))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
