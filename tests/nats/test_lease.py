"""One leads, the others wait: the lease among managers, over a real JetStream."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.nats.links import address
from tests.nats.sides import DEADLINE_S, wait_for
from zedops.bus.nats import lease as leases
from zedops.bus.nats import subjects
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.connection import NatsConnection
from zedops.bus.nats.lease import NatsLease
from zedops.bus.nats.server import NatsServer

pytestmark = pytest.mark.nats

#: Far less than a lease is believed in, and far more than there is between two looks.
HELD_UP_S = 0.5
ATTEMPTS = 10


@pytest.fixture
def manager_connections(server: NatsServer, authority: Authority) -> Iterator[list[NatsConnection]]:
    where = address(server, authority, authority.manager_credentials(), subjects.MANAGER_INBOX)
    made = [NatsConnection(where) for _ in range(3)]
    assert all(each.wait_up(15) for each in made)
    yield made
    for each in made:
        each.close()


def unchallenged(parts: list[NatsLease]) -> NatsLease | None:
    """See one lead past the end of its lease and nobody beside it; None if that cannot be said.

    A process that was held up loses its lease to another one, rightly.
    """
    wait_for(lambda: any(each.held for each in parts))
    leader = next((each for each in parts if each.held), None)
    begun = seen = time.monotonic()
    while leader is not None and seen - begun < leases.TTL_S + 1:
        time.sleep(0.05)
        others = [each for each in parts if each is not leader and each.held]
        before, seen = seen, time.monotonic()
        if seen - before > HELD_UP_S:
            return None
        assert others == []
    return leader


def test_one_of_several_leads_and_renews_its_lease_past_its_end(
    manager_connections: list[NatsConnection],
) -> None:
    parts = [NatsLease(each, "fleet") for each in manager_connections]
    leader = next(filter(None, (unchallenged(parts) for _ in range(ATTEMPTS))), None)
    assert leader is not None, "this machine is held up all the time"
    assert leader.wait(leases.TTL_S)
    for each in parts:
        each.close()


def test_a_leader_hands_over_at_its_end(
    manager_connections: list[NatsConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    # what is not given back is nobody's for longer than this test waits
    monkeypatch.setattr(leases, "TTL_S", 60.0)
    leader = NatsLease(manager_connections[0], "fleet")
    assert leader.wait(DEADLINE_S)
    others = [NatsLease(each, "fleet") for each in manager_connections[1:]]
    assert leader.wait(DEADLINE_S)
    leader.close()
    wait_for(lambda: any(each.held for each in others))
    assert not leader.held
    for each in others:
        each.close()


def test_a_leader_that_is_cut_off_knows_before_anybody_else_may_lead(
    manager_connections: list[NatsConnection],
) -> None:
    first = NatsLease(manager_connections[0], "fleet")
    assert first.wait(10)
    second = NatsLease(manager_connections[1], "fleet")
    manager_connections[0].close()  # no farewell: as if its cable were pulled
    wait_for(lambda: second.held)
    # looked at after that, and it cannot renew its lease: what it believes now it believed then
    assert not first.held, "two led at once"
    for each in (first, second):
        each.close()


def test_fleets_that_share_a_server_do_not_share_a_lease(
    manager_connections: list[NatsConnection],
) -> None:
    one, other = (NatsLease(each, name) for each, name in
                  zip(manager_connections, ("one", "other"), strict=False))
    assert one.wait(10)
    assert other.wait(10)
    for each in (one, other):
        each.close()
