"""A host that means harm: what it may hear and say, tried subject by subject on the real server."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.nats.clients import Client, as_host, as_manager, connected, refused, run
from zedops.bus.nats import jwt
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.jwt import Credentials, Role
from zedops.bus.nats.server import NatsServer
from zedops.bus.nats.tokens import Token
from zedops.errors import Refused, ZedopsError

pytestmark = pytest.mark.nats
URL = "tls://localhost:4222"

#: what host attic must not hear, and one subject of each that something is said on
FOREIGN_TO_HEAR = {
    ">": "zed.d.cellar.desired",
    "*.>": "zed.u.cellar.report",
    "zed.>": "zed.d.cellar.call",
    "zed.d.>": "zed.d.cellar.credit.1",
    "zed.d.*.desired": "zed.d.cellar.desired",
    "zed.*.attic.>": "zed.u.attic.sync",
    "zed.d.cellar.>": "zed.d.cellar.desired",
    "zed.d.cellar.call": "zed.d.cellar.call",
    "zed.u.attic.>": "zed.u.attic.sync",
    "zed.u.cellar.s.1": "zed.u.cellar.s.1",
    "zed.join.>": "zed.join.0a1b",
    "_INBOX.>": "_INBOX.manager.1",
    "_INBOX_cellar.>": "_INBOX_cellar.1",
    "_INBOX_join_0a1b.>": "_INBOX_join_0a1b.1",
    "_INBOX_attic2.>": "_INBOX_attic2.1",
    "$SYS.>": "$SYS.REQ.SERVER.PING",
    "$JS.>": "$JS.API.INFO",
    "$JS.API.>": "$JS.API.STREAM.NAMES",
    "$KV.>": "$KV.lease.holder",
    "$KV.lease.holder": "$KV.lease.holder",
}
FOREIGN_TO_SAY = (
    "zed.u.cellar.sync", "zed.u.cellar.report", "zed.u.cellar.hb", "zed.u.cellar.s.1",
    "zed.u.attic", "zed.d.attic.desired", "zed.d.cellar.desired", "zed.d.cellar.call",
    "zed.d.all.hello", "zed.join.0a1b", "_INBOX.manager.1", "_INBOX_attic.1", "_INBOX_cellar.1",
    "_INBOX_join_0a1b.1", "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PING.CONNZ", "$JS.API.INFO",
    "$JS.API.STREAM.NAMES", "$JS.API.STREAM.CREATE.x", "$JS.API.DIRECT.GET.KV_lease",
    "$JS.ACK.x", "$KV.lease.holder", "x",
)


async def check_deaf(client: Client, manager: Client, subjects: dict[str, str], own: str) -> None:
    """Subscribe to all of these: each is refused, and nothing said on them arrives."""
    for count, pattern in enumerate(subjects, start=1):
        await client.hear(pattern, queue="thieves" if count % 2 else "")
        await client.wait_for_errors(count)
        assert "permissions violation for subscription" in client.errors[-1], pattern
        assert pattern.lower() in client.errors[-1]
    for concrete in subjects.values():
        await manager.say(concrete)
    await manager.say(own, b"the last")
    # what is said by one client arrives in order: whatever came through came before this
    await client.wait_for(lambda: own in client.subjects)
    assert client.subjects == [own]


async def check_mute(client: Client, manager: Client, subjects: tuple[str, ...], own: str) -> None:
    """Publish on all of these: each is refused, and none arrives."""
    for count, subject in enumerate(subjects, start=1):
        await client.say(subject, b"forged")
        await client.wait_for_errors(count)
        assert "permissions violation for publish" in client.errors[-1], subject
    await client.say(own, b"the last")
    await manager.wait_for(lambda: own in manager.subjects)
    assert manager.subjects == [own]


def test_a_host_hears_what_is_for_it_and_nothing_else(
    server: NatsServer, authority: Authority
) -> None:
    async def job() -> None:
        async with as_manager(server, authority) as manager, \
                as_host(server, authority, "attic") as attic:
            await attic.hear("zed.d.attic.>")
            await check_deaf(attic, manager, FOREIGN_TO_HEAR, "zed.d.attic.desired")
            await attic.hear("zed.d.all.>")
            await manager.say("zed.d.all.hello")
            await attic.wait_for(lambda: "zed.d.all.hello" in attic.subjects)

    run(job())


def test_a_host_speaks_for_itself_and_for_nobody_else(
    server: NatsServer, authority: Authority
) -> None:
    async def job() -> None:
        async with as_manager(server, authority) as manager, \
                as_host(server, authority, "attic") as attic:
            # what begins with `$` may be handled elsewhere: listen there, too
            for subject in (">", "$JS.API.>", "$KV.>"):
                await manager.hear(subject)
            await check_mute(attic, manager, FOREIGN_TO_SAY, "zed.u.attic.report")

    run(job())


def test_a_host_asks_and_is_answered_through_its_own_inbox(
    server: NatsServer, authority: Authority
) -> None:
    async def job() -> None:
        async with as_manager(server, authority) as manager, \
                as_host(server, authority, "attic") as attic:
            await manager.hear("zed.u.*.sync")
            asked = asyncio.create_task(attic.nc.request("zed.u.attic.sync", b"hello", timeout=20))
            await manager.wait_for(lambda: manager.heard)
            assert manager.heard[0].reply.startswith("_INBOX_attic.")
            await manager.heard[0].respond(b"the document")
            assert (await asked).data == b"the document"
            assert attic.errors == []

    run(job())


def test_a_host_answers_a_call_once(server: NatsServer, authority: Authority) -> None:
    async def job() -> None:
        async with as_manager(server, authority) as manager, \
                as_host(server, authority, "attic") as attic:
            await attic.hear("zed.d.attic.call")
            asked = asyncio.create_task(manager.nc.request("zed.d.attic.call", b"logs", timeout=20))
            await attic.wait_for(lambda: attic.heard)
            await attic.heard[0].respond(b"once")
            assert (await asked).data == b"once"
            await attic.heard[0].respond(b"twice")
            await attic.wait_for(lambda: attic.errors)
            assert "permissions violation for publish" in attic.errors[0]

    run(job())


def test_whoever_holds_a_token_may_ask_to_join_and_nothing_else(
    server: NatsServer, authority: Authority
) -> None:
    token = Token.parse(authority.new_token("cellar", datetime.now(UTC), timedelta(hours=1), [URL]))
    own, inbox = f"zed.join.{token.id}", f"_INBOX_join_{token.id}"
    heard = {**FOREIGN_TO_HEAR, "zed.d.cellar.desired": "zed.d.cellar.desired",
             "zed.d.all.>": "zed.d.all.hello", own: own, "_INBOX_attic.>": "_INBOX_attic.1"}
    said = (*FOREIGN_TO_SAY, "zed.u.attic.sync", f"{inbox}.1", f"{own}.x", "zed.join.*")

    async def job() -> None:
        async with as_manager(server, authority) as manager, \
                connected(server, token.ca, token.credentials, inbox) as joining:
            await joining.hear(f"{inbox}.>")
            await check_deaf(joining, manager, heard, f"{inbox}.1")
        async with as_manager(server, authority) as manager, \
                connected(server, token.ca, token.credentials, inbox) as joining:
            await manager.hear(">")
            await check_mute(joining, manager, said, own)

    run(job())


@pytest.mark.parametrize(
    "name",
    ["*", ">", "attic.*", "a.b", "", "Attic", "-attic", "a" * 64, "{{name()}}", "a\n", "all"],
)
def test_a_name_that_would_widen_its_rights_is_not_minted(name: str, authority: Authority) -> None:
    key, now = jwt.public_key(jwt.new_seed(Role.USER)), datetime.now(UTC)
    with pytest.raises(ZedopsError):
        jwt.host_user(jwt.new_seed(Role.ACCOUNT), authority.account, name, key, now)
    with pytest.raises(ZedopsError):
        authority.issue(name, key, now)
    with pytest.raises(ZedopsError):
        authority.new_token(name, now, timedelta(hours=1), [URL])
    with pytest.raises(Refused):
        authority.redeem("0a1b", name, key, now)
    assert authority.hosts() == {}


def test_a_jwt_that_somebody_else_signed_opens_nothing(
    server: NatsServer, authority: Authority
) -> None:
    seed, foreign, now = jwt.new_seed(Role.USER), jwt.new_seed(Role.ACCOUNT), datetime.now(UTC)
    key = jwt.public_key(seed)
    forged = jwt.host_user(foreign, authority.account, "attic", key, now)
    theirs = jwt.manager_user(foreign, key, now)
    mine = authority.issue("attic", key, now)
    head, body, signature = mine.split(".")
    changed = f"{head}.{body[:40]}{'A' if body[40] != 'A' else 'B'}{body[41:]}.{signature}"

    async def job() -> None:
        for each in (forged, theirs, changed):
            attempt = as_host(server, authority, "attic", Credentials(each, seed))
            assert "authorization" in await refused(attempt)
        # a right JWT without the key that it is for
        stolen = Credentials(mine, jwt.new_seed(Role.USER))
        assert "authorization" in await refused(as_host(server, authority, "attic", stolen))

    run(job())


def test_the_manager_has_a_stream_store_and_hears_who_goes(
    server: NatsServer, authority: Authority
) -> None:
    async def job() -> None:
        watching = connected(server, authority.ca_pem, authority.presence_credentials())
        async with as_manager(server, authority) as manager, watching as presence:
            lease = await manager.nc.jetstream().create_key_value(bucket="lease")
            await lease.create("holder", b"me")
            assert (await lease.get("holder")).value == b"me"
            gone = f"$SYS.ACCOUNT.{authority.account}.DISCONNECT"
            await presence.hear(gone)
            async with as_host(server, authority, "attic"):
                pass
            await presence.wait_for(lambda: presence.heard)
            told = json.loads(presence.heard[0].data)
            assert told["client"]["user"] == authority.hosts()["attic"].public_key, told
            await presence.say("$SYS.REQ.SERVER.PING")
            await presence.wait_for(lambda: presence.errors)
            await presence.hear("$SYS.>")
            await presence.wait_for(lambda: len(presence.errors) == 2)

    run(job())
