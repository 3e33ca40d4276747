"""Named volumes with a driver: what a definition may say, and what a host allows."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from zedops.spec.model import Definition, definition_hash
from zedops.spec.sources import Place, conflict, places
from zedops.spec.volume import Volume
from zedops_agent.policy import Policy
from zedops_agent.refusals import Asked, refusals

NFS = {"type": "nfs", "o": "addr=192.0.2.7,rw", "device": ":/export/world"}
SAID = "local/nfs device=:/export/world o=addr=192.0.2.7,rw"


def definition(**volume: Any) -> Definition:
    """Make a definition with one volume."""
    world = Volume(path="/data", **{"source": "share", **volume})
    return Definition(image="a", volumes={"world": world})


@pytest.mark.parametrize(("volume", "fault"), [
    ({"source": "/srv/world", "driver_opts": NFS}, "need the volume's name in `source:`"),
    ({"source": None, "driver": "rclone"}, "need the volume's name in `source:`"),
    ({"driver_opts": NFS, "subpath": "a"}, "write the directory into `device`"),
    ({"driver": "local"}, "alone says nothing"),
    ({"driver_opts": {"type": "nfs"}}, "needs device"),
    ({"driver_opts": {"device": ":/w"}}, "needs type"),
    ({"driver_opts": {"size": "1G"}}, "needs type and device"),
    ({"driver_opts": {**NFS, "share": "w"}}, "has no option share"),
    ({"driver_opts": {"type": "none", "o": "bind", "device": "world"}}, "no absolute path"),
    ({"driver_opts": {"type": "tmpfs", "device": "tmpfs"}}, "forgets its files at each stop"),
    ({"driver_opts": {**NFS, "o": "addr=nas,password=secret"}}, "holds a password"),
    ({"driver": "rclone", "driver_opts": {"sftp_pass": "secret"}}, "holds a password"),
    ({"driver": "-x"}, "should match"),
])  # fmt: skip
def test_what_no_driver_can_be_is_refused(volume: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        definition(**volume)


@pytest.mark.parametrize(("volume", "by_use", "bound"), [
    ({"driver_opts": NFS}, True, None),
    ({"driver": "rclone"}, True, None),
    ({"driver_opts": {"type": "none", "o": "ro,bind", "device": "/w"}}, False, "/w"),
    ({"driver_opts": {"type": "tmpfs", "o": "rbind", "device": "/w"}}, False, "/w"),
])  # fmt: skip
def test_a_flag_binds_whatever_the_type_says(
    volume: dict[str, Any], by_use: bool, bound: str | None
) -> None:
    driven = definition(**volume).volumes["world"].driven
    assert driven is not None
    assert (driven.is_mounted_by_use, driven.bound, driven.in_memory) == (by_use, bound, False)


@pytest.mark.parametrize(("volume", "lines", "refused"), [
    ({"driver_opts": NFS}, (), f'volumes: ["{SAID}"]'),
    ({"driver_opts": NFS}, ("local/nfs",), None),
    ({"driver_opts": NFS}, ("local/*",), None),
    ({"driver_opts": NFS}, (SAID,), None),
    ({"driver_opts": NFS}, ("local/nfs device=:/export/* o=addr=192.0.2.7,rw",), None),
    ({"driver_opts": NFS}, ("local/nfs4", "nfs", "local"), f'volumes: ["{SAID}"]'),
    ({"driver_opts": NFS | {"o": "addr=198.51.100.9"}}, (SAID,), "198.51.100.9"),
    ({"driver_opts": {"type": "ext4", "device": "/dev/sda1"}}, (), "local/ext4"),
    ({"driver_opts": {"type": "overlay", "device": "o", "o": "lowerdir=/etc"}}, (), "overlay"),
    ({"driver": "rclone"}, (), 'volumes: ["rclone"]'),
    ({"driver_opts": {"type": "tmpfs", "device": "tmpfs"}, "kind": "cache"}, (), None),
    ({"driver_opts": {"type": "ramfs", "device": "x"}, "kind": "cache"}, (), "local/ramfs"),
])  # fmt: skip
def test_a_host_admits_drivers_by_name_or_with_their_options(
    volume: dict[str, Any], lines: tuple[str, ...], refused: str | None
) -> None:
    found = list(refusals(Policy(volumes=lines), Asked("f", definition(**volume))))
    assert [refused in each.line for each in found if refused] == ([True] if refused else [])
    assert bool(found) == bool(refused)


def test_two_names_of_one_share_are_one_place() -> None:
    def place(server: str, **volume: Any) -> Place:
        return next(places(server, server, definition(**volume)))

    mine = place("a", driver_opts=NFS)
    same = place("b", source="other", driver_opts=NFS)
    assert "a world has one writer" in str(conflict(mine, same))
    inside = place("b", source="other", driver_opts=NFS | {"device": ":/export/world/red"})
    assert "lies in" in str(conflict(inside, mine))
    elsewhere = place("b", source="other", driver_opts=NFS | {"o": "addr=192.0.2.8"})
    assert conflict(mine, elsewhere) is None
    bind = {"type": "none", "o": "bind", "device": "/srv/w/"}
    bound = place("a", driver_opts=bind)
    assert "a world has one writer" in str(conflict(bound, place("b", source="/srv/w")))


def test_a_volume_without_a_driver_keeps_its_hash() -> None:
    plain = definition()
    assert definition_hash(plain) == definition_hash(definition(driver=None, driver_opts={}))
    assert definition_hash(plain) != definition_hash(definition(driver_opts=NFS))
    said = plain.model_dump(mode="json", exclude_defaults=True)
    assert said["volumes"] == {"world": {"path": "/data", "source": "share"}}
