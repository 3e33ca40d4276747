"""A hub is repacked beside everything else, and nothing that was in it is ever missing after."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.git.people import Person
from zedops.bus.local import LocalBus
from zedops.git.maintenance import LOOSE, PACKS, ObjectCounts, Packer, look
from zedops.git.objects import NO_OBJECT, Signature
from zedops.hub.hub import Hub
from zedops.hub.refs import MAIN
from zedops.manager.loop import Manager

ADA = Signature("Ada", "ada@example.org", 1_700_000_000)
A = "servers.d/a.yaml"


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    made = Hub.create(tmp_path / "fleet.git")
    made.repository.run("config", "core.fsync", "none")
    return made


def litter(hub: Hub, count: int) -> list[str]:
    """Write blobs that nothing refers to, each a file of its own; returns their ids."""
    blobs = "".join(f"blob\nmark :{at + 1}\ndata {len(str(at))}\n{at}\n" for at in range(count))
    marks = "".join(f"get-mark :{at + 1}\n" for at in range(count))
    out = hub.repository.run("-c", "fastimport.unpackLimit=100000", "fast-import", "--quiet",
                             "--done", stdin=f"{blobs}{marks}done\n".encode())
    return out.split()


def test_when_it_is_time() -> None:
    assert not ObjectCounts(LOOSE, PACKS).is_due
    assert ObjectCounts(LOOSE + 1, 0).is_due
    assert ObjectCounts(0, PACKS + 1).is_due


def test_what_no_branch_knows_is_still_there_and_open_processes_answer(hub: Hub) -> None:
    blobs = litter(hub, 600)
    root = hub.repository.write_commit([], {A: b"1"}, "begin\n", ADA, ADA)
    hub.repository.move_ref(MAIN, root, NO_OBJECT)
    alone = hub.repository.write_commit([root], {A: b"2"}, "not yet on a branch\n", ADA, ADA)
    before = look(hub.path)
    hub.repository.objects.keep_open()
    try:
        held = hub.repository.objects.commit(alone)
        assert Packer(hub.path).pack()
        hub.repository.objects.renew()
        assert look(hub.path).loose < before.loose
        assert hub.repository.objects.blobs(blobs)[blobs[7]] == b"7"
        assert hub.repository.objects.commit(alone) == held
        hub.repository.move_ref(MAIN, alone, root)
        assert Packer(hub.path).pack()
        hub.repository.run("fsck", "--strict", "--connectivity-only")
        assert hub.repository.objects.blobs(blobs)[blobs[-1]] == b"599"
    finally:
        hub.repository.objects.close()


def test_people_and_manager_commit_while_it_is_packed_again_and_again(
    hub: Hub, tmp_path: Path
) -> None:
    ada = Person(hub, tmp_path / "ada", "Ada")
    hub.repository.run("config", "receive.procReceiveRefs", "")  # git's own merge-free push
    ended = threading.Event()

    def pack() -> int:
        runs = 0
        while not ended.is_set():
            assert Packer(hub.path).pack()
            runs += 1
        return runs

    with ThreadPoolExecutor(1) as pool:
        packing = pool.submit(pack)
        try:
            for at in range(6):
                ada.write(A, f"image: x:{at}\n")
                ada.git("add", "--all")
                ada.git("commit", "-m", f"edit {at}")
                ada.git("push", "origin", "HEAD:main")
                head = hub.head() or ""
                state = f"image: y:{at}\n".encode()
                hub.refs.commit(head, {"servers.d/b.yaml": state}, f"state {at}\n")
                ada.git("pull", "--quiet", "--no-rebase", "origin", "main")
        finally:
            ended.set()
        assert packing.result()
    hub.repository.run("fsck", "--strict")
    assert int(hub.repository.run("rev-list", "--count", MAIN)) >= 12


def test_a_run_that_is_stopped_does_no_harm_and_the_next_one_ends(hub: Hub) -> None:
    blobs = litter(hub, 2000)
    packer = Packer(hub.path)
    work = threading.Thread(target=packer.pack)
    work.start()
    packer.cancel()
    work.join()
    assert not packer.pack()
    assert Packer(hub.path).pack()
    assert len(hub.repository.objects.blobs(blobs)) == 2000


def test_a_manager_has_its_hub_repacked_when_it_is_time(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zedops.git.maintenance.LOOSE", 200)
    Person(hub, tmp_path / "ada", "Ada")
    litter(hub, 700)
    assert look(hub.path).is_due
    manager = Manager(hub, LocalBus())
    manager.start()
    try:
        deadline = time.monotonic() + 60
        while look(hub.path).loose > 100:
            assert time.monotonic() < deadline
            manager.wait_for(manager.wake(), 1)
    finally:
        manager.stop()
    assert look(hub.path).packs == 1
