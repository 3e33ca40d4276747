"""A directory that zedops died in while it marked it is as good as one that it made just now."""

from __future__ import annotations

from pathlib import Path

from tests.pure.fleets import doc, server_id
from zedops.spec.model import Definition
from zedops_agent import removal, volumes
from zedops_agent.markers import MARKER, Owner
from zedops_agent.observed import Presence

OWNER = Owner(server_id(1), "fleet", "rosewood")


def definition() -> Definition:
    """Ask for one world."""
    made = doc("servers.d/rosewood.yaml", "image: a\nvolumes: {world: /data}\n").definition
    assert made is not None
    return made


def half_made(root: Path) -> volumes.Places:
    """Leave what a kill leaves between the marker's file and its name."""
    path = volumes.volume_path(root, OWNER.id, "world")
    path.mkdir(parents=True)
    for each in (path, path.parent):
        (each / f"{MARKER}.new").write_text("{")
    return {"world": path}


def test_half_a_marker_is_no_world_and_is_made_anew(tmp_path: Path) -> None:
    places = half_made(tmp_path)
    (seen,) = volumes.look(tmp_path, places, OWNER, definition())
    assert (seen.marker, seen.content) == (Presence.ABSENT, Presence.ABSENT)
    volumes.make(tmp_path, places, OWNER, definition(), "")
    (seen,) = volumes.look(tmp_path, places, OWNER, definition())
    assert (seen.marker, seen.content) == (Presence.PRESENT, Presence.ABSENT)


def test_half_a_marker_keeps_nobody_from_a_purge(tmp_path: Path) -> None:
    places = half_made(tmp_path)
    volumes.make(tmp_path, places, OWNER, definition(), "")
    half = volumes.home_path(tmp_path, OWNER.id) / f"{MARKER}.new"
    half.write_text("{")
    removal.remove_home(tmp_path, OWNER)
    assert not volumes.home_path(tmp_path, OWNER.id).exists()


def test_what_is_beside_half_a_marker_is_a_world(tmp_path: Path) -> None:
    places = half_made(tmp_path)
    path = places["world"]
    assert path is not None
    (path / "save.db").write_text("years")
    (seen,) = volumes.look(tmp_path, places, OWNER, definition())
    assert (seen.marker, seen.content) == (Presence.ABSENT, Presence.PRESENT)
