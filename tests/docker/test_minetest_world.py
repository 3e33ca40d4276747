"""A real game's world comes back: minetest has its seed, and the block that was set before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.chaos.images import GAMES, build_game
from tests.docker.host import Host
from tests.docker.test_backups import act
from zedops.spec.backup import read_last

pytestmark = [
    pytest.mark.docker, pytest.mark.usefixtures("restic"), pytest.mark.timeout(300),
    pytest.mark.long,
]

#: Sets the block that a file names, and writes down the one that the map has, at each start.
MOD = """
local at, here = {x = 0, y = 10, z = 0}, minetest.get_worldpath()
minetest.after(0, function()
  minetest.emerge_area(at, at, function(_, _, left)
    if left > 0 then return end
    local wanted = io.open(here .. "/wanted")
    if wanted then
      minetest.set_node(at, {name = wanted:read("*l")})
      wanted:close()
      os.remove(here .. "/wanted")
    end
    local found = io.open(here .. "/found", "w")
    found:write(minetest.get_node(at).name)
    found:close()
  end)
end)
"""
TEXT = "volumes: {world: /data}\nstop: {grace: 20s, signal: SIGINT}\nready: {log: listening on}\n"


@pytest.fixture
def game(docker_api: docker.APIClient) -> Iterator[str]:
    """Make the image of the game that this machine has; remove it afterwards."""
    image = build_game(docker_api, "minetest")
    if image is None:
        pytest.skip(f"{GAMES['minetest'].package} is not installed here")
    yield image
    docker_api.remove_image(image, force=True)


def seed(world: Path) -> str:
    """Read the seed of a world."""
    lines = (world / "map_meta.txt").read_text().splitlines()
    return next(each for each in lines if each.startswith("seed = "))


def block(host: Host, world: Path, text: str, token: str, wanted: str = "") -> str:
    """Start the game again, with a block to set; returns the block that its map has."""
    (world / "found").unlink(missing_ok=True)
    if wanted:
        (world / "wanted").write_text(wanted)
    host.want("rosewood", f"{text}restart: {token}\n")
    host.until((world / "found").exists)
    host.until((world / "found").read_text)
    return (world / "found").read_text()


def test_a_world_of_minetest_has_its_seed_and_its_block_after_a_restore(
    host: Host, game: str
) -> None:
    text = f"image: {game}\n{TEXT}"
    server = host.want("rosewood", text)
    world = host.world(server) / "world"
    host.until((world / "map_meta.txt").exists)
    mod = world / "worldmods" / "probe" / "init.lua"
    mod.parent.mkdir(parents=True)
    mod.write_text(MOD)
    assert block(host, world, text, "one", "default:mese") == "default:mese"
    before = seed(world)
    asked = f"{text}restart: one\n"
    made = read_last(act(host, "{backup: one}", asked).backup or "")
    # dynamite, and a map that is made again
    assert block(host, world, text, "two", "default:dirt") == "default:dirt"
    (world / "map_meta.txt").write_text("seed = 1\n[end_of_params]\n")
    report = act(host, "{backup: one, restore: latest}", f"{text}restart: two\n")
    assert report.note is None
    assert seed(world) == before
    assert block(host, world, text, "three") == "default:mese"
    report = act(host, "{backup: one, restore: latest, prove: one}", f"{text}restart: three\n")
    assert read_last(report.backup or "").proven == made.snapshot
