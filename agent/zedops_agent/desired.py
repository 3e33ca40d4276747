"""Holds the newest document of the manager: which servers this host is to have, and how.

A document is on disk before any work begins by it. An older one never replaces a newer one.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime

from zedops.errors import LookOutdated
from zedops.protocol.sync import DesiredDocument, DesiredServer, supersedes
from zedops_agent.store import Store

log = logging.getLogger(__name__)


class Desired:
    """What is asked of this host by now. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._taking = threading.Lock()
        self.document: DesiredDocument | None = store.load_desired()
        #: True: stop the host's servers, against every definition.
        self.draining = False

    @property
    def stamp(self) -> tuple[int, int]:
        """Return the epoch and the revision of the document; zeros without one."""
        return self.document.stamp if self.document else (0, 0)

    @property
    def servers(self) -> dict[str, DesiredServer]:
        """Return the servers of the document by id."""
        return self.document.servers if self.document else {}

    def newest(self, server_id: str) -> DesiredServer | None:
        """Find the newest wish for a server."""
        return self.servers.get(server_id)

    def take(self, document: DesiredDocument) -> set[str] | None:
        """Take a document and return the servers that differ; None if it is not a newer one.

        Raises PersistFailed; then the former document counts.
        """
        with self._taking:
            held = self.document
            if held is not None and not supersedes(document.stamp, held.stamp, datetime.now(UTC)):
                if document.stamp != held.stamp:
                    # a manager may have published a newer document before its answer arrived
                    overtaken = document.stamp[0] == held.stamp[0]
                    level = logging.INFO if overtaken else logging.WARNING
                    log.log(level, "an older document %s was not taken", document.stamp)
                return None
            self._store.save_desired(document)
            self.document = document
        before, now = held.servers if held else {}, document.servers
        return {each for each in before.keys() | now.keys() if before.get(each) != now.get(each)}

    def write_again(self) -> None:
        """Write the document to a disk that was away."""
        if self.document is not None:
            self._store.save_desired(self.document)

    def is_superseded(self, want: DesiredServer) -> bool:
        """Say whether the newest document asks for another container than a plan for `want`."""
        now = self.newest(want.id)
        return now is not want and (now is None or _asked_for(now) != _asked_for(want))

    def require(self, want: DesiredServer) -> None:
        """Check that a server is still wanted as in a plan for `want`. Raises LookOutdated."""
        if self.draining or self.is_superseded(want):
            raise LookOutdated("something else is asked for by now")


def _asked_for(want: DesiredServer) -> tuple[object, ...]:
    definition = want.definition
    return want.goal, want.name, want.hash, definition.restart, definition.rebuild
