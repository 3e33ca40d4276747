"""Sees one server on this host: its containers, data and secrets. Looks only, decides nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from zedops.errors import LookOutdated, RootGone
from zedops.model import Volume
from zedops.wire import DesiredServer, Goal
from zedops_agent import data, files, seats
from zedops_agent.adoption import differences
from zedops_agent.container import own_networks
from zedops_agent.engine import Engine
from zedops_agent.engine.events import Event
from zedops_agent.listing import Listing
from zedops_agent.markers import Owner
from zedops_agent.observed import Candidate, Container, DataVolume, Observed, Presence
from zedops_agent.pace import Pace
from zedops_agent.policy import Forbidden, PolicyFile
from zedops_agent.root import Root
from zedops_agent.secrets import Secrets, is_stale


class Lookout:
    """Where one server's things are on this host, and what they show."""

    def __init__(
        self, fleet: str, engine: Engine, root: Root, secrets: Secrets, pace: Pace,
        policy: PolicyFile, adopted: Callable[[], Collection[str]],
    ) -> None:
        self._policy, self._adopted = policy, adopted
        self._fleet, self._engine = fleet, engine
        self._data_root, self._root = root, root.path
        self._secrets, self._pace = secrets, pace
        self._named: dict[str, Path] = {}
        #: What the newest look at each server's data and secrets showed.
        self._shown: dict[str, tuple[str | None, tuple[DataVolume, ...], str | None]] = {}
        self._listing = Listing(partial(engine.listed, fleet), partial(engine.all_listed, fleet))

    def look(
        self, want: DesiredServer, adopted: str | None, begin: Callable[[str], None],
        since: float, before: Observed | None = None,
    ) -> Observed:
        """Observe one server, `begin` said; EngineUnreachable means that nothing was seen.

        Containers are listed as they were at `since` (monotonic) or later; after a look `before`
        not at all: those that it saw, and that were made or told of after it.
        """
        with self._pace.look():
            begin(want.id)
            if before is None:
                known = self._listing.of(want.id, since)
            else:
                known = [each.id for each in before.containers] + self._listing.known(want.id)
            return self._look(want, adopted, known)

    def made(self, server_id: str, container: str) -> None:
        """Take note of a container that was made here just now, and will be looked at."""
        self._listing.made(server_id, container)

    def hear(self, event: Event) -> bool:
        """Take note of what the Engine tells; say whether a look may show anything new."""
        if event.is_gone:
            self._engine.forget(event.container)
        return self._listing.hear(
            event.server_id, event.container, new=event.is_new, gone=event.is_gone
        )

    def _look(self, want: DesiredServer, adopted: str | None, known: list[str]) -> Observed:
        root_gone, secrets = self.look_at_root(), self.look_at_secrets(want)
        ids = [*known, *([adopted] if adopted else [])]
        containers = [
            self._as_adopted(each, want) if each.id == adopted
            else replace(each, stale=self._is_stale(each, want, secrets))
            for each in self._engine.inspect(ids)
        ]
        for gone in set(ids).difference(each.id for each in containers):
            self._listing.tell(want.id, gone, gone=True)
        if not containers and want.goal.ends:
            files.forget(self._fleet, want.id)  # it may have been removed by hand
        volumes = self.look_at_data(want)
        self._shown[want.id] = root_gone, volumes, secrets
        targets = {key: volume.path for key, volume in want.definition.volumes.items()}
        return Observed(
            tuple(replace(each, seats=seats.look(each, targets, volumes)) for each in containers),
            volumes,
            Presence.UNKNOWN if root_gone else data.look_home(self._root, want.id),
            self._candidate(want) if adopted is None and want.definition.adopt else None,
            root_gone,
            self._forbidden(want) if containers and not want.goal.ends else None,
            self._look_at_networks(want, containers),
        )

    def _forbidden(self, want: DesiredServer) -> str | None:
        """Say what the host's owner does not allow of a server as it is wanted."""
        places, find = self.places(want), self._engine.network
        try:
            self._policy.check(self._fleet, want.definition, places, find, self._adopted())
        except Forbidden as error:
            return str(error)
        return None

    def _is_stale(self, found: Container, want: DesiredServer, secrets: str | None) -> bool:
        changed = is_stale(found.secrets, secrets)
        return changed or (found.definition == want.hash and self._is_elsewhere(found, want))

    def look_at_root(self) -> str | None:
        """Say why the data root cannot be the one that was there before; None: it is."""
        try:
            self._data_root.require()
        except RootGone as error:
            return str(error)
        return None

    def require_data(self, want: DesiredServer, seen: Observed) -> None:
        """See once more, just before a start, that the data is where the look saw it.

        RootGone, or LookOutdated: look again.
        """
        self._data_root.require()
        held = {each.key for each in seen.volumes if each.marker is Presence.PRESENT}
        for each in self.look_at_data(want):
            if each.key in held and each.marker is not Presence.PRESENT:
                raise LookOutdated(f"volume {each.key!r} is not there any more")

    def _look_at_networks(
        self, want: DesiredServer, containers: list[Container]
    ) -> dict[str, str | None]:
        """Ask for the ids of networks that a container may have lost: not while it runs in them."""
        asked: set[str] = set()
        for each in containers:
            known = {name for name, _ in each.networks} if each.running else set()
            asked |= set(own_networks(want.definition)) - known
        return {name: self._engine.network_id(name) for name in sorted(asked)}

    def has_changed(self, want: DesiredServer) -> bool:
        """Say whether data or secrets are not what the newest look showed: 0.04 ms."""
        now = self.look_at_root(), self.look_at_data(want), self.look_at_secrets(want)
        return now != self._shown.get(want.id)

    def forget(self, server_id: str) -> None:
        """Let go of a server that is no longer this host's."""
        self._shown.pop(server_id, None)

    def look_at_secrets(self, want: DesiredServer) -> str | None:
        """Fingerprint a server's secrets on this host; None: cannot look."""
        return self._secrets.fingerprint(want)

    def _as_adopted(self, found: Container, want: DesiredServer) -> Container:
        """Read off an adopted container whether it is what the definition asks for."""
        shown = self._engine.shape(found.id)
        same = shown is not None and not differences(
            shown[1], want.definition, self.places(want), taken=True
        )
        return replace(found, definition=want.hash if same else "adopted", adopted=True)

    def _candidate(self, want: DesiredServer) -> Candidate:
        shown = self._engine.shape(str(want.definition.adopt))
        if shown is None:
            return Candidate(None)
        container, shape = shown
        found = differences(shape, want.definition, self.places(want))
        return Candidate(container.id, found, shape.owner, shape.unsaid, shape.name)

    def look_at_data(self, want: DesiredServer) -> tuple[DataVolume, ...]:
        """Observe a server's data alone; a purge is not about what is the person's own."""
        places = self.places(want)
        if want.goal is Goal.PURGED:
            volumes = want.definition.volumes
            places = {key: each for key, each in places.items() if volumes[key].source is None}
        return data.look(self._root, places, self.owner(want), want.definition)

    def home(self, server_id: str) -> Path:
        """Say where a server's volumes are."""
        return data.home_path(self._root, server_id)

    def places(self, want: DesiredServer) -> dict[str, Path | None]:
        """Say where each volume of a server is on this host."""
        return {
            key: self._place(volume) if volume.source
            else data.volume_path(self._root, want.id, key)
            for key, volume in want.definition.volumes.items()
        }

    def resolved(self, want: DesiredServer) -> dict[str, str]:
        """Say where each volume really is: a link in a `source:` could be swapped later."""
        volumes = want.definition.volumes
        return {
            key: os.path.realpath(path) if path and volumes[key].source else str(path)
            for key, path in self.places(want).items()
        }

    def _is_elsewhere(self, found: Container, want: DesiredServer) -> bool:
        """Say whether a link in a `source:` leads elsewhere than when the container was made."""
        if not any(volume.source for volume in want.definition.volumes.values()):
            return False
        mounted = dict(found.mounts)
        places, resolved = self.places(want), self.resolved(want)
        return any(
            mounted.get(volume.path, resolved.get(key)) not in (str(places[key]), resolved.get(key))
            for key, volume in want.definition.volumes.items()
            if volume.source is not None and volume.source.startswith("/")
        )

    def _place(self, volume: Volume) -> Path | None:
        source = volume.source or ""
        if source.startswith("/"):
            return Path(source)
        if source not in self._named:
            found = self._engine.volume(source)
            if found is None:
                return None
            self._named[source] = found
        return self._named[source] / (volume.subpath or "")

    def owner(self, want: DesiredServer) -> Owner:
        """Say whose a server's directories are, as their markers do."""
        return Owner(want.id, self._fleet, want.name)
