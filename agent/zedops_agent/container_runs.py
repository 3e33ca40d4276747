"""Starts, stops and restarts the containers of servers, each as its newest definition asks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from functools import partial

from zedops.errors import EngineFailed, LookOutdated, PersistFailed
from zedops.protocol.sync import DesiredServer
from zedops.spec.model import Stop
from zedops.system import failpoints
from zedops_agent import astray
from zedops_agent.desired import Desired
from zedops_agent.engine.containers import PortsMissing
from zedops_agent.engine.engine import Engine
from zedops_agent.failures import LAST_LINES
from zedops_agent.host_ports import HostPorts
from zedops_agent.limiter import Limiter
from zedops_agent.memory import Restarting, matches
from zedops_agent.observed import Observed
from zedops_agent.ports import who_has
from zedops_agent.secret_handover import SecretHandover
from zedops_agent.secrets import Secrets
from zedops_agent.steps import GiveUp, Restart, Start
from zedops_agent.stops import Stopped, Stopping
from zedops_agent.store import Store

#: The number of a crashed server's last log lines in its message.
_LAST_LINES = 3
_LOST = (
    "the Engine has lost track of this container: its process may still run, so zedops starts"
    " nothing beside it; restart containerd and the Engine: systemctl restart containerd docker"
)
#: The Engine's words where another container or process has a port.
_PORT_TAKEN = ("port is already allocated", "address already in use")


class GaveUp(EngineFailed):
    """zedops stopped a server that keeps crashing."""


class ContainerRuns:
    """The runs of one fleet's containers on this host."""

    def __init__(
        self, engine: Engine, store: Store, desired: Desired, secrets: Secrets,
        handover: SecretHandover, ports: HostPorts, pace: Limiter,
    ) -> None:
        self._containers, self._inspector = engine.containers, engine.inspector
        self._streams = engine.streams
        self._store, self._desired, self._pace = store, desired, pace
        self._secrets, self._handover, self._ports = secrets, handover, ports

    @contextlib.contextmanager
    def away(self, want: DesiredServer) -> Iterator[None]:
        """Let a server run until the Engine can start it directly after the stop inside."""
        with self._pace.away():
            self._desired.require(want)
            yield

    def stop(self, container: str, want: DesiredServer) -> Stopped:
        """Stop a container by the newest definition; go on with a stop that has begun."""
        def keep(begun: Stopping) -> None:
            memory = self._store.load_memory(want.id).model_copy(update={"stopping": begun})
            with contextlib.suppress(PersistFailed):  # a full disk must not prevent a stop
                self._store.save_memory(want.id, memory)

        begun = self._store.load_memory(want.id).stopping
        return self._containers.stop(container, partial(self._asked, want), begun, keep)

    def _asked(self, want: DesiredServer) -> Stop:
        """Return the newest wish for a server's stop; LookOutdated once zedops ends."""
        self._pace.check()
        return (self._desired.newest(want.id) or want).definition.stop

    def end_astray(self, container: str, want: DesiredServer) -> str:
        """End a process that the Engine does not know, by the newest definition; say how."""
        def is_up() -> bool:
            return any(each.up for each in self._inspector.inspect([container]))

        return astray.end(container, is_up, partial(self._asked, want))

    def start(self, step: Start, want: DesiredServer, seen: Observed) -> None:
        """Start a container; the error about a taken port names its holder."""
        self._see_alone(step.container, seen)
        before = seen.container(step.container)
        if before is None or matches(before, want):  # not a container with other secrets
            self._handover.write_files(step.container, want)
            failpoints.point("start.handed")
        try:
            is_down = any(each.id != step.container for each in seen.containers)
            with self._pace.turn(is_down=is_down):
                self._begin(step.container, want, seen)
        except PortsMissing:
            self.stop(step.container, want)
            raise
        except EngineFailed as error:
            said = str(error)
            if not any(words in said for words in _PORT_TAKEN):
                raise
            holder = who_has(said, self._ports.taken(self._store.adopted), want.id)
            raise EngineFailed(f"{said}{f'; {holder}' if holder else ''}") from error

    def _begin(self, container: str, want: DesiredServer, seen: Observed) -> None:
        """Start a container; make it again if the Engine keeps a task of it that it cannot end."""
        try:
            self._containers.start(container)
        except EngineFailed as error:
            if not astray.is_lost_track(str(error)):
                raise
            found = seen.container(container)
            if not astray.can_look() or found is None or found.adopted or not matches(found, want):
                raise astray.LostTrack(_LOST) from error
            if not astray.processes(container):
                self._containers.remove(container)
                self._handover.remove_files(container, want, seen)
            raise LookOutdated(f"the Engine has lost track of it ({error})") from error

    def _see_alone(self, container: str, seen: Observed) -> None:
        """Check that no other container of a server is up: two of them would write one world.

        A person or the Engine may have started one since the look.
        """
        others = [each.id for each in seen.containers if each.id != container]
        for each in self._inspector.inspect(others):
            if each.up and each.name != container:
                raise LookOutdated(f"{each.name} was started again meanwhile")

    def restart(self, step: Restart, want: DesiredServer, seen: Observed) -> Stopped:
        """Restart exactly once: first write down the token and the present process."""
        before = seen.container(step.container)
        begun = Restarting(token=step.token, started_at=before.started_at if before else None)
        memory = self._store.load_memory(want.id)
        self._store.save_memory(want.id, memory.model_copy(update={"restarting": begun}))
        with self.away(want):
            how = self.stop(step.container, want)
            failpoints.point("restart.stopped")
            self._desired.require(want)
            self._handover.write_files(step.container, want)
            with self._pace.turn(is_down=True):
                self._begin(step.container, want, seen)
        return how

    def give_up(self, step: GiveUp, want: DesiredServer) -> None:
        """Stop a server that keeps crashing. Its log goes into git, without its secrets."""
        given = self._inspector.environment(step.container)
        secrets = [given.get(name, "") for name in want.definition.secrets]
        with contextlib.suppress(EngineFailed):  # secrets that are files are in no variable
            secrets += self._secrets.read_values(want).values()
        said = ""
        with contextlib.suppress(EngineFailed):  # not every logging driver can be read back
            said = self._streams.last_lines(step.container, _LAST_LINES)
        lines = hide(secrets, said)
        self.stop(step.container, want)
        failpoints.point("giveup.stopped")
        raise GaveUp(f"{step.cause}{LAST_LINES} {lines or 'none'}")


def hide(secrets: Iterable[str], text: str) -> str:
    """Blank out secrets line by line, as a log shows them; one may be part of another."""
    parts = {line.strip() for each in secrets for line in each.splitlines()} - {""}
    for each in sorted(parts, key=len, reverse=True):
        text = text.replace(each, "***")
    return text
