"""Knows which container claims which of a host's ports, also of containers that do not run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import docker.errors

from zedops_agent.engine import parse
from zedops_agent.engine.connection import EngineConnection, translated
from zedops_agent.observed import FLEET, SERVER_ID, Binding


@dataclass(frozen=True)
class Bound:
    """A container's claim to host ports; a stopped container keeps its claim."""

    container: str
    name: str
    running: bool
    server_id: str | None
    ports: tuple[Binding, ...]


@dataclass(frozen=True)
class Claimed:
    """Every container's claims, and an index by protocol and port for a thousand lookups."""

    all: tuple[Bound, ...] = ()
    by_port: Mapping[tuple[str, int], list[Bound]] = field(default_factory=dict)


class Claims:
    """Knows each container's ports, which never change. Safe to use from several threads."""

    def __init__(self, connection: EngineConnection) -> None:
        self.connection = connection
        self._bindings: dict[str, tuple[Binding, ...]] = {}
        #: The ports of containers during their creation, by name.
        self._making: dict[str, tuple[Binding, ...]] = {}
        self._listing = threading.Lock()
        #: The newest list: the time that it took, its beginning, and its result.
        self._listed: tuple[float, float, Claimed] = (0.0, 0.0, Claimed())

    @contextmanager
    def making(self, name: str, host_config: Mapping[str, Any]) -> Iterator[Callable[[str], None]]:
        """Record a new container's ports: a list may show it before the caller knows its id."""
        bindings = self._making[name] = parse.bindings({"HostConfig": host_config})
        try:
            yield lambda container: self._bindings.update({container: bindings})
        finally:
            self._making.pop(name, None)

    def forget(self, container: str) -> None:
        """Forget a container that is gone: in a fleet without ports, no list ever runs."""
        self._bindings.pop(container, None)

    @translated
    def listed(self, fleet: str, within_s: float = 0.0) -> Claimed:
        """List every container's claims.

        A list may be `within_s` old, but at most fifty times as old as the time that it took.
        Otherwise a thousand new servers would list each other a thousand times, and all would wait
        for each list.
        """
        with self._listing:
            took_s, at, found = self._listed
            if time.monotonic() - at > min(within_s, 50 * took_s):
                begun = time.monotonic()
                found = _by_port(self._list(fleet))
                self._listed = time.monotonic() - begun, begun, found
        return found

    def _list(self, fleet: str) -> list[Bound]:
        """List all claims. The Engine delays inspections during a start: ours need none."""
        before = list(self._bindings)
        listed = {each["Id"]: each for each in self.connection.api.containers(all=True)}
        for gone in [key for key in before if key not in listed]:
            self._bindings.pop(gone, None)
        found = []
        for key, each in listed.items():
            name = (each["Names"] or [""])[0].removeprefix("/")
            mine = each["Labels"].get(FLEET) == fleet
            made_with = self._making.get(name) if mine else None
            # the order matters: `making` records a new container's id before it drops the name
            bindings = self._bindings.get(key, made_with)
            if bindings is None:
                try:
                    bindings = parse.bindings(self.connection.api.inspect_container(key))
                except docker.errors.NotFound:
                    continue
                self._bindings[key] = bindings
            running = each["State"] not in ("exited", "created", "dead")
            owner = each["Labels"].get(SERVER_ID) if mine else None
            found.append(Bound(key, name, running, owner, bindings))
        return found


def _by_port(every: list[Bound]) -> Claimed:
    found: dict[tuple[str, int], list[Bound]] = {}
    for each in every:
        for _, host, _, protocol in each.ports:
            found.setdefault((protocol, host), []).append(each)
    return Claimed(tuple(every), found)
