"""Wakes the manager when a program moves a branch of the hub past the hooks.

The hooks and the upstream mirror wake the manager themselves, so no push waits for this watch, and
it may rest between two looks. The manager's poll covers what the watch misses.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

#: watchfiles asks for events this often; below 50 ms an idle fleet shows it as CPU.
_STEP_MS = 100
#: watchfiles returns to Python this often where nothing happens.
_REST_MS = 60_000


def watch(branches: Path, wake: Callable[[], object], stopping: threading.Event) -> None:
    """Call `wake` after each move of a ref in a directory, until `stopping` is set."""
    import watchfiles  # 29 ms of start-up that no other command needs

    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it tells of every move
    try:
        for _ in watchfiles.watch(
            branches, watch_filter=None, recursive=False, stop_event=stopping,
            debounce=_STEP_MS, step=_STEP_MS, rust_timeout=_REST_MS, raise_interrupt=False,
        ):
            wake()
    except (OSError, RuntimeError) as error:
        log.warning("cannot watch %s (%s); the manager looks once a second", branches, error)
