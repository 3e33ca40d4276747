"""A fleet that was kept is the fleet that would have been read, or counts as not there."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from zedops import remembered
from zedops.bus.local import LocalBus
from zedops.fleet import Fleet
from zedops.hub import MAIN, SEEN, Hub
from zedops.manager.loop import Manager
from zedops.objects import NO_OBJECT, Signature

ADA = Signature("Ada", "ada@example.org", 1_700_000_000)
TEXT = b"image: x:1\nports:\n  game: %d/udp\nenv:\n  A: one\n"


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    made = Hub.create(tmp_path / "fleet.git")
    files = {f"servers.d/s{at}.yaml": TEXT % (20_000 + at) for at in range(450)}
    files["zedops.yaml"] = b"name: kept\ndefaults:\n  restart_policy: always\n"
    files["servers.d/broken.yaml"] = b"image: [\n"
    files["presets.d/mine.yaml"] = b"about: mine\nimage: y:1\n"
    commit = made.repository.write_commit([], files, "begin\n", ADA, ADA)
    made.repository.move_ref(MAIN, commit, NO_OBJECT)
    return made


def read(hub: Hub) -> Fleet:
    return hub.read(hub.head() or "")[0]


def test_what_is_kept_is_what_was_read(hub: Hub) -> None:
    fleet = read(hub)
    remembered.save(hub.runtime, fleet)
    kept = remembered.load(hub.runtime)
    assert kept == fleet
    assert kept is not None
    assert [each.data for each in kept.servers()] == [each.data for each in fleet.servers()]
    assert (hub.runtime / remembered.NAME).stat().st_mode & 0o077 == 0


def test_half_a_file_and_what_another_zedops_kept_are_not_there(hub: Hub) -> None:
    place = hub.runtime / remembered.NAME
    assert remembered.load(hub.runtime) is None
    remembered.save(hub.runtime, read(hub))
    whole = place.read_bytes()
    for raw in (b"", whole[:9], whole[:-200], b"x" + whole, pickle.dumps(("other", None, 0))):
        place.write_bytes(raw)
        assert remembered.load(hub.runtime) is None


def test_a_kept_fleet_of_another_commit_is_read_on_from_there(hub: Hub) -> None:
    remembered.save(hub.runtime, read(hub))
    files = {"servers.d/s7.yaml": TEXT % 40_000, "servers.d/s8.yaml": None,
             "servers.d/broken.yaml": b"image: z:1\n"}
    new = hub.repository.write_commit([hub.head() or ""], files, "edit\n", ADA, ADA)
    hub.repository.move_ref(MAIN, new, hub.head() or "")
    kept = remembered.load(hub.runtime)
    assert hub.read(new, kept)[0] == read(hub)


@pytest.mark.parametrize("kept_of", ["this commit", "no commit that is here"])
def test_a_manager_starts_the_same_with_what_was_kept(hub: Hub, kept_of: str) -> None:
    manager = Manager(hub, LocalBus())
    manager.start()
    manager.stop()
    plain = manager.ledger.fleet
    hub.repository.run("update-ref", SEEN, MAIN)
    fleet = read(hub)
    if kept_of != "this commit":
        fleet = Fleet("a" * 40, fleet.settings, {}, (), fleet.presets)
    remembered.save(hub.runtime, fleet)
    again = Manager(Hub(hub.path), LocalBus())
    again.start()
    again.stop()
    assert dict(again.ledger.fleet.documents) == dict(plain.documents)
    assert again.ledger.fleet.settings == plain.settings
