"""What long work tells on its way: of a host's own servers only, and never much."""

from __future__ import annotations

from pathlib import Path

from tests.pure.fleets import server_id
from zedops.bus.local import LocalBus
from zedops.hub.hub import Hub
from zedops.manager.loop import Manager
from zedops.protocol.sync import Progress
from zedops.spec.state_block import MESSAGE_BYTES


def test_a_host_speaks_of_its_own_servers_only(tmp_path: Path) -> None:
    manager = Manager(Hub.create(tmp_path / "fleet.git"), LocalBus())
    mine, theirs = server_id(1), server_id(2)
    manager.ledger.assigned.assign(mine, "attic")
    manager.ledger.assigned.assign(theirs, "cellar")
    for number in range(200):
        manager.calls.progress(Progress(host="attic", id=f"x{number}", text="?"))
    manager.calls.progress(Progress(host="attic", id=theirs, text="pulling 1 %"))
    manager.calls.progress(Progress(host="attic", id=mine, text="A" * (2 << 20)))
    assert manager.calls.progress_of.keys() == {mine}
    assert len(manager.calls.progress_of[mine].encode()) <= MESSAGE_BYTES
