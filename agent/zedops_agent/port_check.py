"""Checks before a start that a server gets its ports, or lets it wait for those that leave them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from zedops.errors import EngineFailed
from zedops.protocol.requests import PortUse
from zedops.protocol.sync import DesiredServer
from zedops_agent.desired import Desired
from zedops_agent.host_ports import HostPorts
from zedops_agent.memory import matches
from zedops_agent.observed import Observed
from zedops_agent.ports import conflict, gives_way, is_leaving, waits_for
from zedops_agent.steps import CheckPorts
from zedops_agent.store import Store

#: Another server may take its grace and this time to leave a port.
_LEAVES_S = 60.0


class Waits(EngineFailed):
    """Another server will leave a port that this one needs: look again soon, for `within_s`."""

    def __init__(self, said: str, within_s: float, *, gave_way: bool) -> None:
        super().__init__(said)
        self.within_s, self.gave_way = within_s, gave_way


class PortCheck:
    """Compares a server's ports with those of this host; `stop` stops one of its containers."""

    def __init__(
        self, ports: HostPorts, store: Store, desired: Desired,
        stop: Callable[[str, DesiredServer], object],
    ) -> None:
        self._ports, self._store = ports, store
        self._desired, self._stop = desired, stop

    def check(self, step: CheckPorts, want: DesiredServer, seen: Observed) -> None:
        """Check a server's ports. Raises EngineFailed that names the holder, or Waits."""
        ports = {(each.protocol, each.host) for each in want.definition.ports.values()}
        if self._ports.are_free(ports, want.id, self._store.adopted):
            return
        uses = self._ports.taken(self._store.adopted)
        newest = self._desired.newest
        staying = [each for each in uses if not is_leaving(each, newest)]
        found = conflict(want.definition, staying, want.id, stopped_too=step.stopped_too)
        if found is not None:
            raise EngineFailed(found)
        if leaving := waits_for(want, uses, newest):
            self._wait_for(leaving, uses, want, seen)

    def _wait_for(
        self, leaving: set[str], uses: Iterable[PortUse], want: DesiredServer, seen: Observed
    ) -> None:
        """Wait for other servers to leave ports; of a ring of them, one stops first."""
        newest = self._desired.newest
        ends = gives_way(want, uses, newest)
        ups = [each for each in seen.containers if each.up and not matches(each, want)]
        for each in ups if ends else ():
            self._stop(each.id, want)
        found = conflict(want.definition, uses, want.id, stopped_too=False) or "a port is taken"
        holders = [each for each in map(newest, leaving) if each is not None]
        grace_s = max((each.definition.stop.grace for each in holders), default=0.0)
        raise Waits(found, grace_s + _LEAVES_S, gave_way=ends)
