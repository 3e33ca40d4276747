"""Sees at once that a data directory went: no Engine event tells. Only wakes, decides nothing.

Watched is the directory above each server's volumes, which changes only when a volume comes or
goes, never while a world is written. What happens inside a volume is found by the regular look.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import watchfiles


def changed_homes(homes: set[Path], end: threading.Event) -> Iterator[set[Path]]:
    """Tell which of some directories changed, until `end` is set. OSError where none can be."""
    if not homes:
        end.wait()
        return
    for changes in watchfiles.watch(
        *homes, recursive=False, debounce=100, step=20, stop_event=end, rust_timeout=1000,
        yield_on_timeout=False,
    ):
        paths = {Path(path) for _, path in changes}
        yield {each for path in paths for each in (path, path.parent)} & homes
