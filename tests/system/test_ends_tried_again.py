"""An end of a server that something on the host holds up: said, and tried again on request."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.machine import Machine
from tests.system.servers import begin, home, state, wait_status

pytestmark = [pytest.mark.docker, pytest.mark.system]

def test_a_purge_that_a_link_holds_up_is_tried_again_at_once(fleet: Machine) -> None:
    begin(fleet, "maze")
    place, elsewhere = home(fleet, "maze"), fleet.folder / "elsewhere"
    _deepen(place / "w", levels=40)
    fleet.zedops("delete", "maze", "--yes", "--wait")
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    fleet.zedops("purge", "maze", "--data", "--yes")
    said = fleet.wait_for(lambda: state(fleet, "maze").get("message"))
    assert f"it is a link to {elsewhere}; remove both by hand, then `zedops retry`" in str(said)
    assert wait_status(fleet, "maze", "deleting")["status"] == "deleting"
    place.unlink()
    elsewhere.rename(place)
    assert fleet.zedops("retry", "maze", "--wait").stdout.endswith("maze is purged\n")
    assert not place.exists()


def _deepen(world: Path, levels: int) -> None:
    """Make links and directories by their descriptors, deeper than a path can name."""
    folder = os.open(world, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(levels):
        os.symlink("..", "up", dir_fd=folder)
        os.mkdir("d" * 200, dir_fd=folder)
        inside = os.open("d" * 200, os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
        os.close(folder)
        folder = inside
    os.symlink("/", "out", dir_fd=folder)
    os.mkfifo("pipe", dir_fd=folder)
    os.close(folder)
