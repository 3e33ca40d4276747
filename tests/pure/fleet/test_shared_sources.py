"""Two servers and one directory: which of them a push may bring together on a host."""

from __future__ import annotations

import pytest

from tests.pure.fleets import doc, fleet_of
from zedops.fleet.checks import check
from zedops.spec.settings import Settings

OTHER = "servers.d/b.yaml"


def server(name: str, volume: str, host: str = "here") -> str:
    """Write a server with one volume."""
    return f"image: a\nhost: {host}\nvolumes:\n  world: {{path: /data, source: {volume}}}\n"


def said(mine: str, other: str, host: str = "here") -> list[str]:
    """Say what is wrong with a server beside another one."""
    fleet = fleet_of(
        doc("servers.d/a.yaml", server("a", mine)), doc(OTHER, server("b", other, host)),
        settings=Settings(name="fleet", hosts=("here", "there")),
    )
    return [str(each) for each in check(fleet, ["servers.d/a.yaml"])]


@pytest.mark.parametrize(("mine", "other", "fact"), [
    ("/srv/w", "/srv/w", "/srv/w is also volume 'world' of server 'b', and a world has one writer"),
    ("/srv//w/", "/srv/x/../w", "/srv/w is also volume 'world' of server 'b'"),
    ("//srv/w", "/srv/w", "/srv/w is also volume 'world' of server 'b'"),
    ("worlds", "worlds", "worlds is also volume 'world' of server 'b'"),
    ("worlds, subpath: a/b", "worlds, subpath: a", "worlds/a/b lies in worlds/a, which is"),
    ("worlds", "worlds, subpath: a", "worlds holds worlds/a, which is volume 'world' of"),
    ("worlds, subpath: a", "worlds, subpath: a", "worlds/a is also volume 'world' of server"),
    ("/srv/w, kind: cache", "/srv/w", "/srv/w is also volume 'world' of server 'b'"),
    ("/srv/w/deep/er", "/srv/w", "/srv/w/deep/er lies in /srv/w, which is volume 'world' of"),
    ("/srv", "/srv/w", "/srv holds /srv/w, which is volume 'world' of server 'b'"),
    ("/srv/w, read_only: true", "/srv", "/srv/w lies in /srv"),
    ("/srv/w, kind: cache", "/srv, kind: cache", "/srv/w lies in /srv"),
])  # fmt: skip
def test_a_world_has_one_writer_and_no_place_in_what_others_write(
    mine: str, other: str, fact: str
) -> None:
    (found,) = said(mine, other)
    assert found.startswith(f"servers.d/a.yaml:4:3: volumes.world: {fact}")
    assert "give each its own directory" in found


@pytest.mark.parametrize(("mine", "other"), [
    ("/srv/w", "/srv/w2"),
    ("/srv/w", "w"),
    ("worlds", "worlds2"),
    ("worlds, subpath: a", "worlds, subpath: b"),
    ("worlds, subpath: a", "worlds, subpath: ab"),
    ("/srv/dl, kind: cache", "/srv/dl, kind: cache"),
    ("/srv/w, kind: cache, read_only: true", "/srv/w"),
    ("/srv/w", "/srv/w, kind: cache, read_only: true"),
    ("/srv/w", "/srv, kind: cache, read_only: true"),
    ("/, kind: cache, read_only: true", "/srv/w"),
])  # fmt: skip
def test_a_world_may_be_read_by_others_and_a_cache_be_shared(mine: str, other: str) -> None:
    assert said(mine, other) == []


def test_on_another_host_the_same_path_is_another_directory() -> None:
    assert said("/srv/w", "/srv/w", host="there") == []


def test_one_servers_volumes_may_lie_in_each_other() -> None:
    text = "image: a\nvolumes:\n  a: {path: /a, source: /srv}\n  b: {path: /b, source: /srv/b}\n"
    fleet = fleet_of(doc("servers.d/a.yaml", text))
    assert check(fleet, fleet.documents) == []
