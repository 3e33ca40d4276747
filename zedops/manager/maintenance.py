"""Repacks the hub when that is due, in a thread of its own, so that no push waits for it."""

from __future__ import annotations

import logging
import threading

from zedops.errors import GitFailed
from zedops.git.maintenance import Packer, look
from zedops.git.repository import Repository

log = logging.getLogger(__name__)

#: The thread checks this often at most; after a failure of git it waits for the second period.
_LOOK_S, _RETRY_S = 5.0, 600.0


class Housekeeping:
    """Repacks one hub, from `start` to `stop`; call `wake` after each commit."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._packer = Packer(repository.path)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.wake()
        self._thread.start()

    def wake(self) -> None:
        """Have the thread check whether a repack is due."""
        self._wake.set()

    def stop_repacking(self) -> None:
        """End the thread, and a repack that runs."""
        self._stopping.set()
        self._wake.set()
        self._packer.cancel()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while self._wake.wait() and not self._stopping.is_set():
            self._wake.clear()
            self._stopping.wait(_LOOK_S if self._look() else _RETRY_S)

    def _look(self) -> bool:
        before = look(self._repository.path)
        if not before.is_due:
            return True
        try:
            if self._packer.pack():
                self._repository.objects.renew()
                log.info("the hub was repacked: %s, %s", before, look(self._repository.path))
        except (GitFailed, OSError) as error:  # the hub goes on, only larger
            log.warning("the hub could not be repacked: %s; trying again later", error)
            return False
        return True
