"""Real directories, really watched: a volume that goes is told of, a world being written is not."""

from __future__ import annotations

import queue
import shutil
import threading
from pathlib import Path

from zedops_agent.watch import changed_homes


def test_a_volume_that_goes_is_told_and_what_happens_inside_of_one_is_not(tmp_path: Path) -> None:
    homes = {tmp_path / name for name in ("rosewood", "muldraugh")}
    for home in homes:
        (home / "world").mkdir(parents=True)
    end, told = threading.Event(), queue.Queue[set[Path]]()

    def watch() -> None:
        for each in changed_homes(homes, end):
            told.put(each)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    for attempt in range(100):  # the watch begins some time after the thread
        (tmp_path / "rosewood" / f"probe{attempt}").touch()
        try:
            assert told.get(timeout=0.1) == {tmp_path / "rosewood"}
            break
        except queue.Empty:
            continue
    (tmp_path / "rosewood" / "world" / "map.bin").write_bytes(b"x")
    shutil.rmtree(tmp_path / "muldraugh" / "world")
    seen: set[Path] = set()
    while tmp_path / "muldraugh" not in seen:
        seen |= told.get(timeout=20)
    end.set()
    watcher.join(timeout=10)
    assert not watcher.is_alive()
