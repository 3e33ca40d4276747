"""A host that is put out is out: at once, for good, and no other with it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.nats.clients import as_host, as_manager, connected, new_host, refused, run
from zedops.bus.nats import jwt
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.jwt import Credentials, Role
from zedops.bus.nats.server import NatsServer
from zedops.bus.nats.tokens import Token
from zedops.errors import Refused

pytestmark = pytest.mark.nats


def test_a_host_is_cut_off_when_it_is_put_out_and_the_others_stay(
    server: NatsServer, authority: Authority
) -> None:
    attic_keys = new_host(authority, "attic")

    async def job() -> None:
        async with as_manager(server, authority) as manager, \
                as_host(server, authority, "cellar") as cellar, \
                as_host(server, authority, "attic", attic_keys) as attic:
            await cellar.hear("zed.d.cellar.>")
            authority.revoke("attic", datetime.now(UTC))
            await asyncio.to_thread(server.reload)
            # the server has let it go when reload returns; its client needs a moment to see it
            await attic.wait_for(lambda: attic.nc.is_closed)
            assert "authorization" in await refused(
                as_host(server, authority, "attic", attic_keys)
            )
            await manager.say("zed.d.cellar.desired", b"still here")
            await cellar.wait_for(lambda: cellar.heard)
            assert (manager.errors, cellar.errors) == ([], [])

    run(job())
    assert set(authority.hosts()) == {"cellar"}


def test_a_host_that_is_out_stays_out_after_a_restart(
    server: NatsServer, authority: Authority
) -> None:
    out, member = new_host(authority, "attic"), new_host(authority, "cellar")
    authority.revoke("attic", datetime.now(UTC))
    server.stop_server()
    reopened = Authority.open(authority.folder)
    again = NatsServer(reopened, [server.url], "127.0.0.1", int(server.url.rpartition(":")[2]))
    again.start()

    async def job() -> None:
        assert "authorization" in await refused(as_host(again, reopened, "attic", out))
        async with as_host(again, reopened, "cellar", member):
            pass

    try:
        run(job())
    finally:
        again.stop_server()


def test_a_host_comes_back_with_the_key_it_had_and_its_old_jwt_stays_void(
    server: NatsServer, authority: Authority
) -> None:
    now, seed = datetime.now(UTC), jwt.new_seed(Role.USER)
    key = jwt.public_key(seed)
    old = Credentials(authority.issue("attic", key, now), seed)
    authority.revoke("attic", now)
    new = Credentials(authority.issue("attic", key, now), seed)  # in the same second
    server.reload()

    async def job() -> None:
        assert "authorization" in await refused(as_host(server, authority, "attic", old))
        async with as_host(server, authority, "attic", new):
            pass

    run(job())


def test_a_clock_that_was_set_back_does_not_keep_a_host_in(
    server: NatsServer, authority: Authority
) -> None:
    now, seed = datetime.now(UTC), jwt.new_seed(Role.USER)
    kept = Credentials(authority.issue("attic", jwt.public_key(seed), now), seed)
    authority.revoke("attic", now - timedelta(days=2))
    server.reload()
    run(_is_refused(server, authority, kept))


def test_a_host_that_joins_anew_takes_the_place_of_the_machine_that_it_was(
    server: NatsServer, authority: Authority
) -> None:
    lost = new_host(authority, "attic")

    async def job() -> None:
        async with as_host(server, authority, "attic", lost) as stolen:
            found = new_host(authority, "attic")
            await asyncio.to_thread(server.reload)
            await stolen.wait_for(lambda: stolen.nc.is_closed)
            async with as_host(server, authority, "attic", found):
                pass

    run(job())
    run(_is_refused(server, authority, lost))


def test_what_another_process_changed_holds_after_the_next_reload(
    server: NatsServer, authority: Authority
) -> None:
    out = new_host(authority, "attic")
    Authority.open(authority.folder).revoke("attic", datetime.now(UTC))
    server.reload()
    run(_is_refused(server, authority, out))


def test_putting_out_who_is_not_in_changes_nothing(
    server: NatsServer, authority: Authority
) -> None:
    member = new_host(authority, "cellar")
    authority.revoke("attic", datetime.now(UTC))
    server.reload()
    assert set(authority.hosts()) == {"cellar"}

    async def job() -> None:
        async with as_host(server, authority, "cellar", member), \
                connected(server, authority.ca_pem, authority.manager_credentials()):
            pass

    run(job())


async def _is_refused(server: NatsServer, authority: Authority, credentials: Credentials) -> None:
    assert "authorization" in await refused(as_host(server, authority, "attic", credentials))


def test_a_token_that_nobody_used_can_be_taken_back(authority: Authority) -> None:
    now = datetime.now(UTC)
    text = authority.new_token("atic", now, timedelta(hours=1), ["tls://den.local:4222"])
    assert authority.revoke("atic", now)
    assert not authority.revoke("atic", now)
    with pytest.raises(Refused, match="taken back"):
        authority.redeem(Token.parse(text).id, "atic", jwt.public_key(jwt.new_seed(Role.USER)), now)
    assert not authority.hosts()
