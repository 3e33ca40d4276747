"""One leads, the others wait: the lease among managers, over a real JetStream."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.nats.links import address
from tests.nats.sides import wait_for
from zedops.bus.nats import lease as leases
from zedops.bus.nats import subjects
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.connection import Connection
from zedops.bus.nats.lease import NatsLease
from zedops.bus.nats.server import NatsServer

pytestmark = pytest.mark.nats


@pytest.fixture
def manager_connections(server: NatsServer, authority: Authority) -> Iterator[list[Connection]]:
    where = address(server, authority, authority.manager_credentials(), subjects.MANAGER_INBOX)
    made = [Connection(where) for _ in range(3)]
    assert all(each.wait_up(15) for each in made)
    yield made
    for each in made:
        each.close()


def test_one_of_several_leads_and_hands_over_at_its_end(
    manager_connections: list[Connection],
) -> None:
    parts = [NatsLease(each, "fleet") for each in manager_connections]
    wait_for(lambda: any(each.held for each in parts))
    leader = next(each for each in parts if each.held)
    others = [each for each in parts if each is not leader]
    begun = time.monotonic()
    while time.monotonic() - begun < leases.TTL_S + 1:  # it is renewed past its end
        assert not any(each.held for each in others)
        time.sleep(0.05)
    assert leader.wait(leases.TTL_S)
    leader.close()
    wait_for(lambda: any(each.held for each in others), leases.TTL_S / 2)
    assert not leader.held
    for each in others:
        each.close()


def test_a_leader_that_is_cut_off_knows_before_anybody_else_may_lead(
    manager_connections: list[Connection],
) -> None:
    first = NatsLease(manager_connections[0], "fleet")
    assert first.wait(10)
    second = NatsLease(manager_connections[1], "fleet")
    manager_connections[0].close()  # no farewell: as if its cable were pulled
    wait_for(lambda: second.held or not first.held)
    assert not first.held
    assert not second.held, "two led at once"
    assert second.wait(leases.TTL_S + 2 * leases.RENEW_S)
    for each in (first, second):
        each.close()


def test_fleets_that_share_a_server_do_not_share_a_lease(
    manager_connections: list[Connection],
) -> None:
    one, other = (NatsLease(each, name) for each, name in
                  zip(manager_connections, ("one", "other"), strict=False))
    assert one.wait(10)
    assert other.wait(10)
    for each in (one, other):
        each.close()
