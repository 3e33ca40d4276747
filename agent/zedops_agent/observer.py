"""Observes one server on this host: its containers, data and secrets. It decides nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial

from zedops.errors import LookOutdated, RootGone, RootUnseen
from zedops.protocol.sync import DesiredServer
from zedops_agent import astray, seats, secret_files
from zedops_agent.adoption import differences
from zedops_agent.container_cache import Listing
from zedops_agent.container_spec import own_networks
from zedops_agent.data_places import DataPlaces
from zedops_agent.engine.engine import Engine
from zedops_agent.engine.events import EngineEvent
from zedops_agent.limiter import Limiter
from zedops_agent.memory import Memory, matches
from zedops_agent.observed import Candidate, Container, DataVolume, Observed, Presence
from zedops_agent.policy_file import Forbidden, PolicyFile
from zedops_agent.ready_watch import ReadyWatch
from zedops_agent.root import Root
from zedops_agent.secrets import Secrets, is_stale
from zedops_agent.volumes import look_home


class Observer:
    """Observes one server at a time; several threads may each observe another one."""

    def __init__(
        self, fleet: str, engine: Engine, root: Root, places: DataPlaces, secrets: Secrets,
        pace: Limiter, policy: PolicyFile, adopted: Callable[[], Collection[str]],
        ready: ReadyWatch,
    ) -> None:
        self._ready = ready
        self._policy, self._adopted = policy, adopted
        self._fleet, self._claims = fleet, engine.claims
        self._inspector, self._networks = engine.inspector, engine.networks
        self._data_root, self.places = root, places
        self._secrets, self._pace = secrets, pace
        #: The result of the newest look at each server's data and secrets.
        self._shown: dict[str, tuple[str | None, tuple[DataVolume, ...], str | None]] = {}
        self._listing = Listing(
            partial(engine.lists.of_server, fleet), partial(engine.lists.by_server, fleet)
        )

    def look(
        self, want: DesiredServer, memory: Memory, begin: Callable[[str], None],
        since: float, before: Observed | None = None,
    ) -> Observed:
        """Observe one server, `begin` said; EngineUnreachable means that the look saw nothing.

        The list of containers shows the state at `since` (monotonic) or later. With a look
        `before`, it asks the Engine for no list: it takes that look's containers and later news.
        """
        with self._pace.look():
            begin(want.id)
            if before is None:
                known = self._listing.of(want.id, since)
            else:
                known = [each.id for each in before.containers] + self._listing.known(want.id)
            seen = self._look(want, memory.adopted, known)
        return replace(seen, containers=self._with_lines(want, seen.containers, memory.ready))

    def containers(
        self, want: DesiredServer, adopted: Mapping[str, str], ready: str
    ) -> tuple[Container, ...]:
        """Look at the containers of another server; `adopted` maps those to their servers."""
        own = [each for each, server in adopted.items() if server == want.id]
        found = self._inspector.inspect([*self._listing.of(want.id, time.monotonic()), *own])
        return self._with_lines(want, found, ready)

    def _with_lines(
        self, want: DesiredServer, found: Iterable[Container], known: str
    ) -> tuple[Container, ...]:
        """Add whether the container of the definition has shown the line of its `ready:`."""
        return tuple(
            replace(each, log_line=self._ready.line_of(want, each, known))
            if matches(each, want) else each for each in found
        )

    def made(self, server_id: str, container: str) -> None:
        """Record a container that this agent has just made and will look at."""
        self._listing.made(server_id, container)

    def hear(self, event: EngineEvent) -> bool:
        """Record an event of the Engine; return whether a look may show anything new."""
        if event.is_gone:
            self._claims.forget(event.container)
        return self._listing.hear(
            event.server_id, event.container, new=event.is_new, gone=event.is_gone
        )

    def _look(self, want: DesiredServer, adopted: str | None, known: list[str]) -> Observed:
        trouble, secrets = self._root_trouble(), self._secrets.fingerprint(want)
        root_gone = None if trouble is None else str(trouble)
        volumes = self.places.look(want)
        hangs = any(each.silent for each in volumes)  # then no path of its may be touched
        ids = [*known, *([adopted] if adopted else [])]
        containers = [
            each if hangs
            else self._as_adopted(each, want) if each.id == adopted
            else replace(each, stale=self._is_stale(each, want, secrets))
            for each in self._inspector.inspect(ids)
        ]
        for gone in set(ids).difference(each.id for each in containers):
            self._listing.tell(want.id, gone, gone=True)
        if not containers and want.goal.ends:
            secret_files.forget(self._fleet, want.id)  # a person may have removed the container
        self._shown[want.id] = root_gone, volumes, secrets
        targets = {key: volume.path for key, volume in want.definition.volumes.items()}
        seated = (
            replace(each, seats=seats.look(each, targets, volumes), astray=_is_astray(each))
            for each in containers
        )
        return Observed(
            tuple(containers if hangs else seated),
            volumes,
            Presence.UNKNOWN if root_gone else look_home(self._data_root.path, want.id),
            None if hangs or adopted is not None else self._candidate(want),
            root_gone,
            None if hangs or want.goal.ends or not containers else self.forbidden(want),
            self._look_at_networks(want, containers),
            root_unseen=isinstance(trouble, RootUnseen),
        )

    def forbidden(self, want: DesiredServer) -> str | None:
        """Name the part of the definition that the host's policy forbids; None: it allows all."""
        places, find = self.places.of(want), self._networks.find
        try:
            self._policy.check(self._fleet, want.definition, places, find, self._adopted())
        except Forbidden as error:
            return str(error)
        return None

    def _is_stale(self, found: Container, want: DesiredServer, secrets: str | None) -> bool:
        changed = is_stale(found.secrets, secrets)
        return changed or (found.definition == want.hash and self._is_elsewhere(found, want))

    def look_at_root(self) -> str | None:
        """Say why the data root cannot be the former one; None: it is the same."""
        trouble = self._root_trouble()
        return None if trouble is None else str(trouble)

    def _root_trouble(self) -> RootGone | None:
        try:
            self._data_root.require()
        except RootGone as error:
            return error
        return None

    def require_data(self, want: DesiredServer, seen: Observed) -> None:
        """Check once more, just before a start, that the data is still in its place.

        Raises RootGone, or LookOutdated: look again.
        """
        self._data_root.require()
        held = {each.key for each in seen.volumes if each.marker is Presence.PRESENT}
        for each in self.places.look(want):
            gone = each.marker is not Presence.PRESENT and not each.unmounted
            if each.key in held and gone:
                raise LookOutdated(f"volume {each.key!r} is not there any more")

    def _look_at_networks(
        self, want: DesiredServer, containers: list[Container]
    ) -> dict[str, str | None]:
        """Ask for the ids of networks that a container may have lost; skip those it runs in."""
        asked: set[str] = set()
        for each in containers:
            known = {name for name, _ in each.networks} if each.running else set()
            asked |= set(own_networks(want.definition)) - known
        return {name: self._networks.id_of(name) for name in sorted(asked)}

    def has_changed(self, want: DesiredServer) -> bool:
        """Say whether data or secrets changed since the newest look; takes 0.04 ms."""
        now = self.look_at_root(), self.places.look(want), self._secrets.fingerprint(want)
        return now != self._shown.get(want.id)

    def forget(self, server_id: str) -> None:
        """Forget a server that left this host."""
        self._shown.pop(server_id, None)
        self._ready.forget(server_id)

    def _as_adopted(self, found: Container, want: DesiredServer) -> Container:
        """Compare an adopted container with the definition."""
        shown = self._inspector.shape(found.id)
        same = shown is not None and not differences(
            shown[1], want.definition, self.places.of(want), taken=True
        )
        return replace(found, definition=want.hash if same else "adopted", adopted=True)

    def _candidate(self, want: DesiredServer) -> Candidate | None:
        if not want.definition.adopt:
            return None
        shown = self._inspector.shape(str(want.definition.adopt))
        if shown is None:
            return Candidate(None)
        container, shape = shown
        found = differences(shape, want.definition, self.places.of(want))
        return Candidate(container.id, found, shape.owner, shape.unsaid, shape.name)

    def _is_elsewhere(self, found: Container, want: DesiredServer) -> bool:
        """Say whether a link in a `source:` has changed since zedops made the container."""
        if not any(volume.source for volume in want.definition.volumes.values()):
            return False
        mounted = dict(found.mounts)
        places, resolved = self.places.of(want), self.places.resolved(want)
        return any(
            mounted.get(volume.path, resolved.get(key)) not in (str(places[key]), resolved.get(key))
            for key, volume in want.definition.volumes.items()
            if volume.source is not None and volume.source.startswith("/")
        )


def _is_astray(container: Container) -> bool:
    return not container.up and bool(astray.processes(container.id))
