"""Checks before a start that the servers of `depends_on` are ready. Only a start waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zedops.protocol.sync import DesiredServer, Goal
from zedops_agent.desired import Desired
from zedops_agent.memory import Memory
from zedops_agent.observed import Container, Observed
from zedops_agent.port_check import Waits
from zedops_agent.readiness import lacks

#: Servers may pull images and make worlds first. A longer wait is a failure, with another try.
_LONGEST_S = 900.0


class WaitsForServer(Waits):
    """Another server is to be ready first."""


class StartOrder:
    """Knows which servers start first; `look` shows the containers of one, as of now."""

    def __init__(
        self, desired: Desired, look: Callable[[DesiredServer], Sequence[Container]],
        recall: Callable[[str], Memory],
    ) -> None:
        self._desired, self._look, self._recall = desired, look, recall

    def require(self, want: DesiredServer, seen: Observed) -> None:
        """Check a start. Raises Waits while a server that comes first is not ready.

        A server that was up a moment ago, for example before an update, waits for none. Neither
        does one wait for a server that is to be stopped, is deleted, or is on another host.
        """
        needs = want.definition.depends_on
        if not needs or any(each.up for each in seen.containers):
            return
        others = {each.name: each for each in self._desired.servers.values()}
        for name, need in needs.items():
            other = others.get(name)
            if other is None or other.goal is not Goal.RUNNING or other.id == want.id:
                continue
            ready, memory = other.definition.ready, self._recall(other.id)
            fact = lacks(need.condition, ready, self._look(other), memory)
            if fact is not None:
                text = f"it waits for {name!r} {fact}"
                raise WaitsForServer(text, _LONGEST_S, gave_way=False)
