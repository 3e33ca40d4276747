"""Has the hub repacked when it is time, in a thread of its own: nobody waits for it."""

from __future__ import annotations

import logging
import threading

from zedops.errors import GitFailed
from zedops.packing import Packer, look
from zedops.repository import Repository

log = logging.getLogger(__name__)

#: Looks this often at most, whatever happens, and tries again so much later where git failed.
_LOOK_S, _RETRY_S = 5.0, 600.0


class Housekeeping:
    """One hub's. `start` begins to look; `wake` after each commit; `stop` ends it."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._packer = Packer(repository.path)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.wake()
        self._thread.start()

    def wake(self) -> None:
        """Have somebody look whether it is time."""
        self._wake.set()

    def stop(self) -> None:
        """End, and what git is doing for it."""
        self._stopping.set()
        self._wake.set()
        self._packer.stop()
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
                self._repository.renew()
                log.info("the hub was repacked: %s, %s", before, look(self._repository.path))
        except (GitFailed, OSError) as error:  # the hub works on, only larger
            log.warning("the hub could not be repacked: %s; trying again later", error)
            return False
        return True
