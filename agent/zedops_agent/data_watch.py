"""Marks servers for a look when their data, a secret or the host's policy changes.

No event of the Engine tells of these. It changes nothing in a server's directories.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from zedops.errors import EngineFailed
from zedops.protocol.sync import Goal
from zedops.system.watch import Directories
from zedops_agent.desired import Desired
from zedops_agent.engine.lists import ContainerLists
from zedops_agent.observer import Observer
from zedops_agent.policy_file import PolicyFile
from zedops_agent.root import Root
from zedops_agent.secrets import Secrets
from zedops_agent.work_queue import Schedule

log = logging.getLogger(__name__)

_DEBOUNCE_S = 0.03


class DataWatch:
    """Watches what servers of this host have on disk. `root_is_back` is called after a return."""

    def __init__(
        self, root: Root, desired: Desired, secrets: Secrets, lookout: Observer,
        policy: PolicyFile, schedule: Schedule, root_is_back: Callable[[], None],
    ) -> None:
        self._root, self._desired, self._secrets = root, desired, secrets
        self._lookout, self._schedule = lookout, schedule
        self._policy, self._policy_was = policy, policy.stamp()
        self._root_is_back = root_is_back
        self._root_gone: str | None = None
        self._homes: Directories | None = None
        self._unwatched = ""

    def open(self) -> bool:
        """Begin to watch directories; False if this system cannot, so that only looks find out."""
        try:
            self._homes = Directories(self._secrets.folder)
        except OSError as error:
            self._say_unwatched(error)
        return self._homes is not None

    def close(self) -> None:
        """End the watch of directories; `run` returns."""
        if self._homes is not None:
            self._homes.close()

    def run(self) -> None:
        """Mark servers when a data directory comes or goes; the regular look finds the rest."""
        while self._homes is not None and (changed := self._homes.wait()) is not None:
            if self._secrets.folder in changed:
                changed.discard(self._secrets.folder)
                self.look_at_data()
            for home in changed:
                self._schedule.mark_later(home.name, _DEBOUNCE_S)

    def add(self, server_id: str) -> None:
        """Watch the directory above a server's volumes; no server writes its world there."""
        try:
            if self._homes is not None:
                self._homes.add(self._lookout.places.home(server_id))
        except (FileNotFoundError, NotADirectoryError):
            pass  # the directory does not exist yet, or is gone
        except OSError as error:
            self._say_unwatched(error)

    def _say_unwatched(self, error: OSError) -> None:
        if self._unwatched != str(error):
            self._unwatched = str(error)
            log.info("cannot watch the data directories (%s); looking now and then", error)

    def look_at_root(self) -> None:
        """Check whether the data root went away or came back; go on with one that is back."""
        gone, before = self._lookout.look_at_root(), self._root_gone
        if gone == before:
            return
        self._root_gone = gone
        if gone is not None:
            log.warning("%s", gone)
            return
        log.warning("the data root is back")
        self._secrets.prepare()
        self._root.close_to_others()
        self._desired.write_again()
        self._root_is_back()

    def look_at_data(self) -> None:
        """Mark servers with a lost directory or a changed secret; all after a change of policy."""
        changed = set()
        for key, want in self._desired.servers.items():
            with contextlib.suppress(EngineFailed):  # only the Engine knows a named volume's place
                if self._lookout.has_changed(want):
                    changed.add(key)
        was, self._policy_was = self._policy_was, self._policy.stamp()
        same = was == self._policy_was
        self._schedule.mark_idle(changed if same else set(self._desired.servers))


def evidence_of_use(desired: Desired, lists: ContainerLists, root: Path) -> str | None:
    """Name the evidence that an unmarked data root is not new; None without any."""
    for want in desired.servers.values():
        own = [each for each in want.definition.volumes.values() if each.source is None]
        stays = want.definition.moved_from is None and want.goal is not Goal.PURGED
        if own and want.data_expected and stays:
            return f"server {want.name!r} has data there"
    users = lists.mounting(root / "servers")
    return f"container {users[0]!r} has mounted a directory of it" if users else None
